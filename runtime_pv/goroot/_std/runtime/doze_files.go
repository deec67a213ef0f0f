package runtime

// Reading, writing and closing open files of all kinds.

import (
	"internal/runtime/doze/fs"
)

// dozeFileEnd frees what a file that is no longer open was open on.
func dozeFileEnd(f *dozeFile) {
	dozeUnlockAll(f, f)
	dozeStreamEnd(f)
	if n := dozeNodeOf(f); n != 0 {
		dozeTree.fs.Release(n)
	}
}

// dozeReader returns the open file of a descriptor that is to be read.
func dozeReader(fd uintptr) (*dozeFile, uintptr) {
	f := dozeCallFd(fd)
	if f == nil || f.flags&dozeOPath != 0 || f.flags&dozeOAccess == dozeOWronly {
		return nil, dozeEBADF
	}
	return f, 0
}

// dozeWriter returns the open file of a descriptor that is to be written.
func dozeWriter(fd uintptr) (*dozeFile, uintptr) {
	f := dozeCallFd(fd)
	if f == nil || f.flags&dozeOPath != 0 || f.flags&dozeOAccess == dozeORdonly {
		return nil, dozeEBADF
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
		return 0, dozeEFAULT
	case int(n) < 0:
		return 0, dozeEINVAL
	}
	return min(n, dozeMostBytes), 0
}

// dozeBeyond says why a file can't have n bytes from off on.
func dozeBeyond(off, n uintptr) (errno uintptr) {
	if int(off+n) < 0 {
		return dozeEINVAL
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
	if dozeIsStream(f) {
		return dozeStreamRead(f, p, n)
	}
	r := dozeReadAt(f, p, n, f.pos)
	if int(r) > 0 {
		f.pos += r
	}
	return r
}

// dozeSeekable says why a call with an offset can't be about f.
func dozeSeekable(f *dozeFile, off uintptr) (errno uintptr) {
	switch {
	case int(off) < 0:
		return dozeEINVAL
	case f.kind == dozeFileConsole || dozeIsStream(f):
		return dozeESPIPE
	}
	return 0
}

func dozePread(fd, p, n, off uintptr) uintptr {
	if int(off) < 0 {
		return dozeErr(dozeEINVAL)
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
	return dozeReadAt(f, p, n, off)
}

// dozeReadAt copies from a file; at its end, and from what can only be written,
// that is 0 bytes.
func dozeReadAt(f *dozeFile, p, n, off uintptr) uintptr {
	switch f.kind {
	case dozeFileNode:
		return dozeNodeRead(fs.Node(f.obj), p, n, off)
	case dozeFileZero, dozeFileFull:
		left := dozeUserClear(p, n)
		if left == n && n != 0 {
			return dozeErr(dozeEFAULT)
		}
		return n - left
	case dozeFileRandom:
		return dozeGetrandom(dozeCurrent(), p, n)
	}
	return 0
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
	if dozeIsStream(f) {
		return dozeStreamWrite(f, p, n)
	}
	dozeToEnd(f, &f.pos)
	r := dozeWriteAt(f, p, n, f.pos)
	if int(r) > 0 {
		f.pos += r
	}
	return r
}

// dozeToEnd makes off the end of a file that is open for appending.
func dozeToEnd(f *dozeFile, off *uintptr) {
	if f.flags&dozeOAppend != 0 && f.kind == dozeFileNode {
		*off = uintptr(dozeTree.fs.Size(fs.Node(f.obj)))
	}
}

// dozePwrite serves pwrite64(2). What is open for appending is appended to, as on
// Linux.
func dozePwrite(fd, p, n, off uintptr) uintptr {
	if int(off) < 0 {
		return dozeErr(dozeEINVAL)
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
	dozeToEnd(f, &off)
	return dozeWriteAt(f, p, n, off)
}

// dozeWriteAt copies into a file. Devices but the full one take everything.
func dozeWriteAt(f *dozeFile, p, n, off uintptr) uintptr {
	switch f.kind {
	case dozeFileNode:
		return dozeNodeWrite(fs.Node(f.obj), p, n, off)
	case dozeFileConsole:
		return dozeConsoleWrite(dozeCurrent(), f, dozeParts{base: p, n: n})
	case dozeFileFull:
		return dozeErr(fs.ENOSPC)
	}
	return n
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
	f := dozeUsable(fd)
	whence = uintptr(uint32(whence))
	switch {
	case f == nil:
		return dozeErr(dozeEBADF)
	case whence > hole:
		return dozeErr(dozeEINVAL)
	case f.kind == dozeFileCounter || f.kind == dozeFileEpoll:
		return 0
	case f.kind == dozeFileConsole || dozeIsStream(f):
		return dozeErr(dozeESPIPE)
	case f.kind != dozeFileNode:
		return 0 // devices have no position
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
		return dozeErr(dozeEINVAL)
	}
	f.pos = off
	return off
}

func dozeIoctl(fd, cmd, arg uintptr) uintptr {
	const cloexec, noCloexec = 0x5451, 0x5450 // FIOCLEX, FIONCLEX
	f := dozeUsable(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
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
