package runtime

// Reading and writing the files of the tree.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/mmio"
)

// dozeMostBytes bounds one read or write, as Linux does (MAX_RW_COUNT).
const dozeMostBytes = 0x7ffff000

// dozeNodeRead copies n bytes of a file from off on to the program's p.
func dozeNodeRead(node fs.Node, p, n, off uintptr) uintptr {
	f := dozeFiles()
	switch f.Type(node) {
	case fs.TypeFile:
	case fs.TypeDir:
		return dozeErr(fs.EISDIR)
	default:
		return dozeErr(dozeEINVAL)
	}
	n = min(n, dozeMostBytes)
	for done := uintptr(0); ; {
		from, size := f.Peek(node, uint64(off+done), uint64(n-done))
		if size == 0 {
			f.Accessed(node)
			return done
		}
		var left uintptr
		if from == 0 {
			left = dozeTryClear(p+done, size)
		} else {
			left = dozeTryCopy(p+done, from, size)
		}
		if done += size - left; left != 0 {
			if done == 0 {
				return dozeErr(dozeEFAULT)
			}
			return done
		}
	}
}

// dozeNodeWrite copies n bytes from the program's p into a file, from off on.
func dozeNodeWrite(node fs.Node, p, n, off uintptr) uintptr {
	f := dozeFiles()
	if f.Type(node) != fs.TypeFile {
		return dozeErr(dozeEINVAL)
	}
	n = min(n, dozeMostBytes)
	done, errno := uintptr(0), uintptr(0)
	for done < n && errno == 0 {
		var to, size uintptr
		if to, size, errno = f.Prepare(node, uint64(off+done), uint64(n-done)); errno != 0 {
			break
		}
		left := dozeTryCopy(to, p+done, size)
		if done += size - left; left != 0 {
			errno = dozeEFAULT
		}
		if left < size {
			f.Wrote(node, uint64(off+done))
		}
	}
	if done == 0 {
		return dozeErr(errno)
	}
	return done
}

// dozeNodeSeek serves lseek(2) with SEEK_DATA and SEEK_HOLE.
func dozeNodeSeek(node fs.Node, off uintptr, hole bool) uintptr {
	at, errno := dozeFiles().Seek(node, uint64(off), hole)
	if errno != 0 {
		return dozeErr(errno)
	}
	return uintptr(at)
}

// dozeFileOf returns the regular file of a descriptor that is open for reading
// or for writing.
func dozeFileOf(fd uintptr, write bool) (*dozeFile, fs.Node, uintptr) {
	f := dozeFd(fd)
	if f == nil || f.flags&dozeOPath != 0 || write && f.flags&dozeOAccess == dozeORdonly || !write && f.flags&dozeOAccess == dozeOWronly {
		return nil, 0, dozeEBADF
	}
	if f.kind != dozeFileNode || dozeFiles().Type(fs.Node(f.obj)) != fs.TypeFile {
		return nil, 0, dozeEINVAL
	}
	return f, fs.Node(f.obj), 0
}

// dozeTruncate serves truncate(2) and ftruncate(2).
func dozeTruncate(node fs.Node, errno, size uintptr) uintptr {
	switch {
	case errno != 0:
		return dozeErr(errno)
	case int(size) < 0:
		return dozeErr(dozeEINVAL)
	}
	return dozeErr(dozeTree.fs.Truncate(node, uint64(size)))
}

// dozeFallocate serves fallocate(2).
func dozeFallocate(t *dozeThread, fd, mode, off, n uintptr) uintptr {
	_, node, errno := dozeFileOf(fd, true)
	switch f := &dozeTree.fs; {
	case errno != 0:
	case mode&^fs.KeepSize == 0:
		return dozeReserveFile(t, node, mode, off, n)
	default:
		errno = f.Allocate(node, uint32(mode), uint64(off), uint64(n))
	}
	return dozeErr(errno)
}

// dozeReserveFile makes the pages of a file from off on that are missing: all, or none.
func dozeReserveFile(t *dozeThread, node fs.Node, mode, off, n uintptr) uintptr {
	f, end := &dozeTree.fs, off+n
	at, until := dozeSliceOf(t)
	if at == 0 {
		if errno := f.Allocatable(node, uint32(mode), uint64(off), uint64(n)); errno != 0 {
			return dozeErr(errno)
		}
		at = off
	}
	for at < end {
		piece := min(dozeEntries*dozePage-at&(dozePage-1), end-at)
		how := mode | fs.KeepSize
		if at+piece == end {
			how = mode
		}
		if errno := f.Allocate(node, uint32(how), uint64(at), uint64(piece)); errno != 0 {
			f.Unallocate(node, uint64(off), uint64(at-off))
			return dozeErr(errno)
		}
		if at += piece; at < end && dozeNow() > until {
			return dozeNextSlice(t, at)
		}
	}
	return 0
}

// dozeCopyRange serves copy_file_range(2), and sendfile(2) between two files. The
// offsets are addresses of such, 0 for the file's position.
func dozeCopyRange(in, inOff, out, outOff, n uintptr) uintptr {
	from, src, errno := dozeFileOf(in, false)
	if errno != 0 {
		return dozeErr(errno)
	}
	to, dst, errno := dozeFileOf(out, true)
	switch {
	case errno != 0:
		return dozeErr(errno)
	case to.flags&dozeOAppend != 0:
		return dozeErr(dozeEBADF)
	}
	a, b := from.pos, to.pos
	if inOff != 0 && !dozeCopyIn(dozeAddr(&a), inOff, 8) || outOff != 0 && !dozeCopyIn(dozeAddr(&b), outOff, 8) {
		return dozeErr(dozeEFAULT)
	}
	n = min(n, dozeMostBytes)
	if int(a) < 0 || int(b) < 0 || src == dst && a < b+n && b < a+n {
		return dozeErr(dozeEINVAL)
	}
	done, errno := dozeCopyNode(dst, b, src, a, n)
	if done == 0 && errno != 0 {
		return dozeErr(errno)
	}
	dozeAdvance(from, inOff, a+done)
	dozeAdvance(to, outOff, b+done)
	return done
}

// dozeAdvance writes back how far a copy is.
func dozeAdvance(f *dozeFile, off, at uintptr) {
	if off == 0 {
		f.pos = at
		return
	}
	dozeCopyOut(off, dozeAddr(&at), 8)
}

// dozeCopyNode copies between two files.
func dozeCopyNode(dst fs.Node, to uintptr, src fs.Node, from, n uintptr) (done, errno uintptr) {
	f := &dozeTree.fs
	for done < n {
		at, size := f.Peek(src, uint64(from+done), uint64(n-done))
		if size == 0 {
			break
		}
		put, room, errno := f.Prepare(dst, uint64(to+done), uint64(size))
		if errno != 0 {
			return done, errno
		}
		if at == 0 {
			mmio.Clear(put, room)
		} else {
			mmio.Copy(put, at, room)
		}
		done += room
		f.Wrote(dst, uint64(to+done))
	}
	return done, 0
}
