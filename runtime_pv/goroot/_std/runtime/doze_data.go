package runtime

// Reading and writing the files of the tree.

import "internal/runtime/doze/fs"

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
			left = dozeUserClear(p+done, size)
		} else {
			left = dozeUserWrite(p+done, from, size)
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
		left := dozeUserRead(to, p+done, size)
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

// dozeReserveFile makes the pages of a file from off on that are missing: all, or none.
func dozeReserveFile(t *dozeThread, node fs.Node, mode, off, n uintptr) uintptr {
	f, end := dozeFiles(), off+n
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

// dozeFallocate serves fallocate(2).
func dozeFallocate(t *dozeThread, fd, mode, off, n uintptr) uintptr {
	f, errno := dozeWriter(fd)
	switch {
	case errno != 0:
		return dozeErr(errno)
	case f.kind == dozeFilePipeOut:
		return dozeErr(dozeESPIPE)
	case f.kind != dozeFileNode:
		return dozeErr(dozeENODEV)
	}
	node := fs.Node(f.obj)
	if mode&^fs.KeepSize == 0 {
		return dozeReserveFile(t, node, mode, off, n)
	}
	return dozeErr(dozeFiles().Allocate(node, uint32(mode), uint64(off), uint64(n)))
}

// dozeFtruncate serves ftruncate(2).
func dozeFtruncate(fd, size uintptr) uintptr {
	if int(size) < 0 {
		return dozeErr(dozeEINVAL)
	}
	f := dozeUsable(fd)
	switch {
	case f == nil:
		return dozeErr(dozeEBADF)
	case f.kind != dozeFileNode || dozeFiles().Type(fs.Node(f.obj)) != fs.TypeFile || f.flags&dozeOAccess == dozeORdonly:
		return dozeErr(dozeEINVAL)
	}
	return dozeErr(dozeTree.fs.Truncate(fs.Node(f.obj), uint64(size)))
}

// dozeCopyEnd is one side of a copy between files.
type dozeCopyEnd struct {
	f     *dozeFile
	at    uintptr // where in the file
	where uintptr // address of an offset, 0 for the file's position
}

// open finds one side of a copy: its open file, and its offset.
func (e *dozeCopyEnd) open(f *dozeFile, errno, where uintptr) uintptr {
	if errno != 0 {
		return errno
	}
	e.f, e.at, e.where = f, f.pos, where
	if where != 0 && !dozeGet(where, &e.at) {
		return dozeEFAULT
	}
	return 0
}

// regular says why an end is no regular file.
func (e *dozeCopyEnd) regular() (errno uintptr) {
	if e.f.kind != dozeFileNode {
		return dozeEINVAL
	}
	switch dozeFiles().Type(fs.Node(e.f.obj)) {
	case fs.TypeFile:
		return 0
	case fs.TypeDir:
		return fs.EISDIR
	}
	return dozeEINVAL
}

// advance writes back how far a copy is.
func (e *dozeCopyEnd) advance(done uintptr) bool {
	at := e.at + done
	if e.where == 0 {
		e.f.pos = at
		return true
	}
	return dozePut(e.where, &at)
}

// dozeCopyRange serves copy_file_range(2). The offsets are addresses of such.
func dozeCopyRange(in, inOff, out, outOff, n, flags uintptr) uintptr {
	var a, b dozeCopyEnd
	if dozeUsable(in) == nil || dozeUsable(out) == nil {
		return dozeErr(dozeEBADF)
	}
	errno := a.open(dozeUsable(in), 0, inOff)
	if errno == 0 {
		errno = b.open(dozeUsable(out), 0, outOff)
	}
	if errno == 0 && flags != 0 {
		errno = dozeEINVAL
	}
	if errno == 0 {
		errno = a.regular()
	}
	if errno == 0 {
		errno = b.regular()
	}
	switch {
	case errno != 0:
		return dozeErr(errno)
	case a.f.flags&dozeOAccess == dozeOWronly || b.f.flags&dozeOAccess == dozeORdonly || b.f.flags&dozeOAppend != 0:
		return dozeErr(dozeEBADF)
	case a.at+n < a.at || b.at+n < b.at:
		return dozeErr(dozeEOVERFLOW)
	case int(a.at) < 0 || int(b.at) < 0:
		return dozeErr(dozeEINVAL)
	case int(b.at+min(n, dozeMostBytes)) < 0:
		return dozeErr(fs.EFBIG)
	}
	size := uintptr(dozeTree.fs.Size(fs.Node(a.f.obj)))
	n = min(n, max(size, a.at)-a.at, dozeMostBytes)
	if a.f.obj == b.f.obj && a.at < b.at+n && b.at < a.at+n {
		return dozeErr(dozeEINVAL)
	}
	if n == 0 {
		return 0 // and no offset is written back
	}
	return dozeCopyEnds(&a, &b, n)
}

// dozeCopyEnds copies n bytes between two regular files.
func dozeCopyEnds(a, b *dozeCopyEnd, n uintptr) uintptr {
	done, errno := dozeCopyNode(fs.Node(b.f.obj), b.at, fs.Node(a.f.obj), a.at, n)
	switch {
	case done == 0 && errno != 0:
		return dozeErr(errno)
	case !a.advance(done) || !b.advance(done):
		return dozeErr(dozeEFAULT)
	}
	return done
}

// dozeSendfile serves sendfile(2) between files; Go reads and writes where it
// can't be.
func dozeSendfile(out, in, off, n uintptr) uintptr {
	var a, b dozeCopyEnd
	f, g := dozeUsable(in), dozeUsable(out)
	if f == nil || f.flags&dozeOAccess == dozeOWronly {
		return dozeErr(dozeEBADF)
	}
	if errno := a.open(f, 0, off); errno != 0 {
		return dozeErr(errno)
	}
	if int(a.at) < 0 || int(n) < 0 || off != 0 && dozeSeekable(f, a.at) != 0 {
		return dozeErr(dozeEINVAL)
	}
	if g == nil || g.flags&dozeOAccess == dozeORdonly {
		return dozeErr(dozeEBADF)
	}
	b.open(g, 0, 0)
	if a.regular() != 0 || b.regular() != 0 || b.f.flags&dozeOAppend != 0 {
		return dozeErr(dozeEINVAL)
	}
	size := uintptr(dozeTree.fs.Size(fs.Node(a.f.obj)))
	n = min(n, max(size, a.at)-a.at, dozeMostBytes)
	if a.f.obj == b.f.obj && a.at < b.at+n && b.at < a.at+n {
		return dozeErr(dozeEINVAL)
	}
	return dozeCopyEnds(&a, &b, n)
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
		dozeFillPiece(put, at, room)
		done += room
		f.Wrote(dst, uint64(to+done))
	}
	return done, 0
}
