package runtime

// Reading, writing and closing open files of all kinds.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
)

// dozeFileEnd frees what a file that is no longer open was open on. The watches of it end
// with it.
func dozeFileEnd(f *dozeFile) {
	dozeUnlockAll(f, f)
	for f.watch != 0 {
		dozeWatchEnd((*dozeWatch)(dozePtr(f.watch)))
	}
	if f.ops.end != nil {
		f.ops.end(f)
	}
	if n := dozeNodeOf(f); n != 0 {
		dozeTree.fs.Release(n)
	}
}

// inTree reports whether an open file is a file, a directory or a link of the tree.
func (f *dozeFile) inTree() bool { return f.ops.seeks == dozeSeekMoves }

// isPipe reports whether an open file is an end of a pipe or FIFO.
func (f *dozeFile) isPipe() bool { return f.ops.on == dozeOnPipe }

// dozeReader returns the open file of a descriptor that is to be read.
func dozeReader(fd uintptr) (*dozeFile, uintptr) {
	f := dozeCallFd(fd)
	if f == nil || f.flags&linux.OPath != 0 || f.flags&linux.OAccess == linux.OWronly {
		return nil, linux.EBADF
	}
	return f, 0
}

// dozeWriter returns the open file of a descriptor that is to be written.
func dozeWriter(fd uintptr) (*dozeFile, uintptr) {
	f := dozeCallFd(fd)
	if f == nil || f.flags&linux.OPath != 0 || f.flags&linux.OAccess == linux.ORdonly {
		return nil, linux.EBADF
	}
	return f, 0
}

// dozeMostBytes bounds one read or write, as Linux does (MAX_RW_COUNT).
const dozeMostBytes = 0x7ffff000

// dozeBuffer checks a range of the program's memory as a number, and bounds its
// length.
func dozeBuffer(p, n uintptr) (most, errno uintptr) {
	switch {
	case !dozeRangeOK(p, n):
		return 0, linux.EFAULT
	case int(n) < 0:
		return 0, linux.EINVAL
	}
	return min(n, dozeMostBytes), 0
}

// dozeBeyond says why a file can't have n bytes from off on.
func dozeBeyond(off, n uintptr) (errno uintptr) {
	if int(off+n) < 0 {
		return linux.EINVAL
	}
	return 0
}

func dozeRead(fd, p, n uintptr) uintptr {
	f, errno := dozeReader(fd)
	if errno == 0 {
		n, errno = dozeBuffer(p, n)
	}
	if errno != 0 {
		return dozeErr(errno)
	}
	return dozeReadFile(f, p, n)
}

// dozeReadFile reads from a file's own position.
func dozeReadFile(f *dozeFile, p, n uintptr) uintptr {
	if f.ops.stream {
		return f.ops.read(f, p, n)
	}
	return dozeTransfer(dozeCurrent(), f, &dozeParts{base: p, n: n}, dozeNoOffset, false)
}

// dozeSeekable says why a call with an offset can't be about f.
func dozeSeekable(f *dozeFile, off uintptr) (errno uintptr) {
	switch {
	case int(off) < 0:
		return linux.EINVAL
	case f.ops.stream:
		return linux.ESPIPE
	}
	return 0
}

func dozePread(fd, p, n, off uintptr) uintptr {
	if int(off) < 0 {
		return dozeErr(linux.EINVAL)
	}
	f, errno := dozeReader(fd)
	if errno == 0 {
		errno = dozeSeekable(f, off)
	}
	if errno == 0 {
		n, errno = dozeBuffer(p, n)
	}
	if errno == 0 {
		errno = dozeBeyond(off, n)
	}
	if errno != 0 {
		return dozeErr(errno)
	}
	return dozeTransfer(dozeCurrent(), f, &dozeParts{base: p, n: n}, off, false)
}

func dozeWrite(fd, p, n uintptr) uintptr {
	f, errno := dozeWriter(fd)
	if errno == 0 {
		n, errno = dozeBuffer(p, n)
	}
	if errno != 0 {
		return dozeErr(errno)
	}
	return dozeWriteFile(f, p, n)
}

// dozeWriteFile writes at a file's own position.
func dozeWriteFile(f *dozeFile, p, n uintptr) uintptr {
	if f.ops.stream {
		return f.ops.write(dozeCurrent(), f, dozeParts{base: p, n: n})
	}
	return dozeTransfer(dozeCurrent(), f, &dozeParts{base: p, n: n}, dozeNoOffset, true)
}

// dozeToEnd makes off the end of a file that is open for appending.
func dozeToEnd(f *dozeFile, off *uintptr) {
	if f.flags&linux.OAppend != 0 && f.inTree() {
		*off = uintptr(dozeTree.fs.Size(fs.Node(f.obj)))
	}
}

// dozePwrite serves pwrite64(2). What is open for appending is appended to, as on
// Linux.
func dozePwrite(fd, p, n, off uintptr) uintptr {
	if int(off) < 0 {
		return dozeErr(linux.EINVAL)
	}
	f, errno := dozeWriter(fd)
	if errno == 0 {
		errno = dozeSeekable(f, off)
	}
	if errno == 0 {
		n, errno = dozeBuffer(p, n)
	}
	if errno == 0 {
		errno = dozeBeyond(off, n)
	}
	if errno != 0 {
		return dozeErr(errno)
	}
	return dozeTransfer(dozeCurrent(), f, &dozeParts{base: p, n: n}, off, true)
}

// dozeNoOffset says that a call is about a file's own position.
const dozeNoOffset = ^uintptr(0)

// dozePart is the result of a call of which a part is done.
func dozePart(done, r uintptr) uintptr {
	if done > 0 {
		return done
	}
	return r
}

func dozeSeek(fd, off, whence uintptr) uintptr {
	const set, current, end, data, hole = 0, 1, 2, 3, 4
	f := dozeCallFd(fd)
	whence = uintptr(uint32(whence))
	switch {
	case f == nil || f.flags&linux.OPath != 0:
		return dozeErr(linux.EBADF)
	case dozeLongHas(f, 0):
		return dozeLongWait(f)
	case whence > hole:
		return dozeErr(linux.EINVAL)
	case f.ops.seeks == dozeSeekNever:
		return dozeErr(linux.ESPIPE)
	case f.ops.seeks == dozeSeekStays:
		return 0
	}
	node := fs.Node(f.obj)
	switch whence {
	case current:
		off += f.pos
	case end:
		off += uintptr(dozeFiles().Size(node))
	case data, hole:
		if off = dozeNodeSeek(node, off, whence == hole); int(off) < 0 {
			return off
		}
	}
	if int(off) < 0 {
		return dozeErr(linux.EINVAL)
	}
	f.pos = off
	return off
}

func dozeIoctl(fd, cmd, arg uintptr) uintptr {
	const cloexec, noCloexec = 0x5451, 0x5450 // FIOCLEX, FIONCLEX
	f := dozeUsable(fd)
	if f == nil {
		return dozeErr(linux.EBADF)
	}
	switch d := dozeDescriptorAt(uintptr(uint32(fd))); uint32(cmd) {
	case cloexec:
		d.flags = 1
		return 0
	case noCloexec:
		d.flags = 0
		return 0
	}
	return dozeStreamIoctl(f, uintptr(uint32(cmd)), arg)
}
