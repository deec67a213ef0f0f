package runtime

// Reading and writing the files of the tree.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
)

// dozeNodeRead copies n bytes of a file from off on to the program's p.
func dozeNodeRead(open *dozeFile, p, n, off uintptr) uintptr {
	f, node := dozeFiles(), fs.Node(open.obj)
	switch f.Type(node) {
	case fs.TypeFile:
	case fs.TypeDir:
		return dozeErr(linux.EISDIR)
	default:
		return dozeErr(linux.EINVAL)
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
				return dozeErr(linux.EFAULT)
			}
			return done
		}
	}
}

// dozeNodeWrite copies n bytes from the program's p into a file, from off on.
func dozeNodeWrite(open *dozeFile, p, n, off uintptr) uintptr {
	f, node := dozeFiles(), fs.Node(open.obj)
	if f.Type(node) != fs.TypeFile {
		return dozeErr(linux.EINVAL)
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
			errno = linux.EFAULT
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

// dozeNodeAvailable serves FIONREAD.
func dozeNodeAvailable(open *dozeFile) (n uint32, errno uintptr) {
	f, node := dozeFiles(), fs.Node(open.obj)
	if f.Type(node) != fs.TypeFile {
		return 0, linux.ENOTTY
	}
	return uint32(f.Size(node)) - uint32(open.pos), 0
}

// dozeNodeSeek serves lseek(2) with SEEK_DATA and SEEK_HOLE.
func dozeNodeSeek(node fs.Node, off uintptr, hole bool) uintptr {
	at, errno := dozeFiles().Seek(node, uint64(off), hole)
	if errno != 0 {
		return dozeErr(errno)
	}
	return uintptr(at)
}

// dozeTruncate serves truncate(2) and ftruncate(2), whose open file is f, else nil. Pages
// that are mapped are taken away in slices.
func dozeTruncate(t *dozeThread, f *dozeFile, node fs.Node, size uintptr) uintptr {
	if t.from == 0 {
		if dozeLongHas(nil, node) {
			return dozeLongWait(f)
		}
		t.long = dozeLong{files: [2]*dozeFile{f}, writes: node}
		shrinks, errno := dozeTree.fs.Shrink(node, uint64(size))
		if errno != 0 || !shrinks {
			return dozeErr(errno)
		}
	}
	if dozeTree.fs.IsMapped(node) {
		_, until := dozeSliceOf(t)
		if !dozeUnmapFile(node, (size+dozePage-1)/dozePage, fs.MaxSize/dozePage, true, until) {
			return dozeLongNext(t, 1)
		}
	}
	dozeTree.fs.Cut(node)
	return 0
}

// dozeReserveFile makes the pages of a file from off on that are missing: all, or none.
func dozeReserveFile(t *dozeThread, node fs.Node, mode, off, n uintptr) uintptr {
	f, end := dozeFiles(), off+n
	at, until := dozeSliceOf(t)
	if at == 0 {
		if dozeLongHas(nil, node) {
			return dozeLongWait(t.about)
		}
		t.long = dozeLong{files: [2]*dozeFile{t.about}, writes: node}
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
			return dozeLongNext(t, at)
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
	case f.isPipe():
		return dozeErr(linux.ESPIPE)
	case !f.inTree():
		return dozeErr(linux.ENODEV)
	}
	node := fs.Node(f.obj)
	if mode&^fs.KeepSize == 0 {
		return dozeReserveFile(t, node, mode, off, n)
	}
	if dozeLongHas(nil, node) {
		return dozeLongWait(f)
	}
	return dozeErr(dozeFiles().Allocate(node, uint32(mode), uint64(off), uint64(n)))
}

// dozeFtruncate serves ftruncate(2).
func dozeFtruncate(t *dozeThread, fd, size uintptr) uintptr {
	if int(size) < 0 {
		return dozeErr(linux.EINVAL)
	}
	f := dozeCallFd(fd)
	switch {
	case f == nil || f.flags&linux.OPath != 0:
		return dozeErr(linux.EBADF)
	case !f.inTree() || dozeFiles().Type(fs.Node(f.obj)) != fs.TypeFile || f.flags&linux.OAccess == linux.ORdonly:
		return dozeErr(linux.EINVAL)
	}
	return dozeTruncate(t, f, fs.Node(f.obj), size)
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
		return linux.EFAULT
	}
	return 0
}

// regular says why an end is no regular file.
func (e *dozeCopyEnd) regular() (errno uintptr) {
	if !e.f.inTree() {
		return linux.EINVAL
	}
	switch dozeFiles().Type(fs.Node(e.f.obj)) {
	case fs.TypeFile:
		return 0
	case fs.TypeDir:
		return linux.EISDIR
	}
	return linux.EINVAL
}

// dozeCopyRange serves copy_file_range(2). The offsets are addresses of such.
func dozeCopyRange(t *dozeThread, in, inOff, out, outOff, n, flags uintptr) uintptr {
	if t.from != 0 {
		return dozeCopyOn(t)
	}
	var a, b dozeCopyEnd
	if dozeUsable(in) == nil || dozeUsable(out) == nil {
		return dozeErr(linux.EBADF)
	}
	errno := a.open(dozeUsable(in), 0, inOff)
	if errno == 0 {
		errno = b.open(dozeUsable(out), 0, outOff)
	}
	if errno == 0 && flags != 0 {
		errno = linux.EINVAL
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
	case a.f.flags&linux.OAccess == linux.OWronly || b.f.flags&linux.OAccess == linux.ORdonly || b.f.flags&linux.OAppend != 0:
		return dozeErr(linux.EBADF)
	case a.at+n < a.at || b.at+n < b.at:
		return dozeErr(linux.EOVERFLOW)
	case int(a.at) < 0 || int(b.at) < 0:
		return dozeErr(linux.EINVAL)
	case int(b.at+min(n, dozeMostBytes)) < 0:
		return dozeErr(linux.EFBIG)
	}
	size := uintptr(dozeTree.fs.Size(fs.Node(a.f.obj)))
	n = min(n, max(size, a.at)-a.at, dozeMostBytes)
	if a.f.obj == b.f.obj && a.at < b.at+n && b.at < a.at+n {
		return dozeErr(linux.EINVAL)
	}
	if n == 0 {
		return 0 // and no offset is written back
	}
	return dozeCopyEnds(t, &a, &b, n)
}

// dozeCopyEnds copies n bytes between two regular files.
func dozeCopyEnds(t *dozeThread, a, b *dozeCopyEnd, n uintptr) uintptr {
	l := &t.long
	*l = dozeLong{
		files: [2]*dozeFile{a.f, b.f}, at: [2]uintptr{a.at, b.at}, owns: [2]bool{a.where == 0, b.where == 0},
		where: [2]uintptr{a.where, b.where}, writes: fs.Node(b.f.obj), n: n,
	}
	for i, f := range l.files {
		if !l.owns[i] {
			f = nil
		}
		if dozeLongHas(f, l.writes) {
			return dozeLongWait(nil)
		}
	}
	return dozeCopyOn(t)
}

// dozeCopyOn copies from where the call's last slice ended.
func dozeCopyOn(t *dozeThread) uintptr {
	l := &t.long
	done, until := dozeSliceOf(t)
	var errno uintptr
	for more := true; more && errno == 0 && done < l.n; {
		if done > t.from && dozeNow() > until {
			return dozeLongNext(t, done)
		}
		var part uintptr
		piece := min(dozePiece, l.n-done)
		part, errno = dozeCopyNode(fs.Node(l.files[1].obj), l.at[1]+done, fs.Node(l.files[0].obj), l.at[0]+done, piece)
		done += part
		more = part == piece
	}
	if done == 0 && errno != 0 {
		return dozeErr(errno)
	}
	for i, f := range l.files {
		at := l.at[i] + done
		if l.owns[i] {
			f.pos = at
		} else if !dozePut(l.where[i], &at) {
			return dozeErr(linux.EFAULT)
		}
	}
	return done
}

// dozeSendfile serves sendfile(2) between files; Go reads and writes where it
// can't be.
func dozeSendfile(t *dozeThread, out, in, off, n uintptr) uintptr {
	if t.from != 0 {
		return dozeCopyOn(t)
	}
	var a, b dozeCopyEnd
	f, g := dozeUsable(in), dozeUsable(out)
	if f == nil || f.flags&linux.OAccess == linux.OWronly {
		return dozeErr(linux.EBADF)
	}
	if errno := a.open(f, 0, off); errno != 0 {
		return dozeErr(errno)
	}
	if int(a.at) < 0 || int(n) < 0 || off != 0 && dozeSeekable(f, a.at) != 0 {
		return dozeErr(linux.EINVAL)
	}
	if g == nil || g.flags&linux.OAccess == linux.ORdonly {
		return dozeErr(linux.EBADF)
	}
	b.open(g, 0, 0)
	if a.regular() != 0 || b.regular() != 0 || b.f.flags&linux.OAppend != 0 {
		return dozeErr(linux.EINVAL)
	}
	size := uintptr(dozeTree.fs.Size(fs.Node(a.f.obj)))
	n = min(n, max(size, a.at)-a.at, dozeMostBytes)
	if a.f.obj == b.f.obj && a.at < b.at+n && b.at < a.at+n {
		return dozeErr(linux.EINVAL)
	}
	return dozeCopyEnds(t, &a, &b, n)
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
