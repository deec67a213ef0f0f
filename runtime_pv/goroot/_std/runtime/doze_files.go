package runtime

// Reading, writing and closing open files of all kinds.

import (
	"internal/runtime/doze/fs"
)

// dozeFileEnd frees what a file that is no longer open was open on.
func dozeFileEnd(f *dozeFile) {
	dozeStreamEnd(f)
	if n := dozeNodeOf(f); n != 0 {
		dozeTree.fs.Release(n)
	}
}

// dozeReader returns the open file of a descriptor that is to be read.
func dozeReader(fd uintptr) (*dozeFile, uintptr) {
	f := dozeFd(fd)
	if f == nil || f.flags&dozeOPath != 0 || f.flags&dozeOAccess == dozeOWronly {
		return nil, dozeEBADF
	}
	return f, 0
}

// dozeWriter returns the open file of a descriptor that is to be written.
func dozeWriter(fd uintptr) (*dozeFile, uintptr) {
	f := dozeFd(fd)
	if f == nil || f.flags&dozeOPath != 0 || f.flags&dozeOAccess == dozeORdonly {
		return nil, dozeEBADF
	}
	return f, 0
}

func dozeRead(fd, p, n uintptr) uintptr {
	f, errno := dozeReader(fd)
	if errno != 0 {
		return dozeErr(errno)
	}
	if dozeIsStream(f) {
		return dozeStreamRead(f, p, n)
	}
	r := dozeReadAt(f, p, n, f.pos)
	if int(r) > 0 {
		f.pos += r
	}
	return r
}

func dozePread(fd, p, n, off uintptr) uintptr {
	f, errno := dozeReader(fd)
	switch {
	case errno != 0:
		return dozeErr(errno)
	case f.kind == dozeFileConsole || dozeIsStream(f):
		return dozeErr(dozeESPIPE)
	case int(off) < 0:
		return dozeErr(dozeEINVAL)
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
		n = min(n, dozeMostBytes)
		if left := dozeTryClear(p, n); left != 0 {
			return dozeErr(dozeEFAULT)
		}
		return n
	case dozeFileRandom:
		return dozeGetrandom(dozeCurrent(), p, n)
	}
	return 0
}

func dozeWrite(fd, p, n uintptr) uintptr {
	f, errno := dozeWriter(fd)
	switch {
	case errno != 0:
		return dozeErr(errno)
	case dozeIsStream(f):
		return dozeStreamWrite(f, p, n)
	case f.flags&dozeOAppend != 0 && f.kind == dozeFileNode:
		f.pos = uintptr(dozeTree.fs.Size(fs.Node(f.obj)))
	}
	r := dozeWriteAt(f, p, n, f.pos)
	if int(r) > 0 {
		f.pos += r
	}
	return r
}

// dozePwrite serves pwrite64(2). What is open for appending is appended to, as on
// Linux.
func dozePwrite(fd, p, n, off uintptr) uintptr {
	f, errno := dozeWriter(fd)
	switch {
	case errno != 0:
		return dozeErr(errno)
	case f.kind == dozeFileConsole || dozeIsStream(f):
		return dozeErr(dozeESPIPE)
	case int(off) < 0:
		return dozeErr(dozeEINVAL)
	case f.flags&dozeOAppend != 0 && f.kind == dozeFileNode:
		off = uintptr(dozeTree.fs.Size(fs.Node(f.obj)))
	}
	return dozeWriteAt(f, p, n, off)
}

// dozeWriteAt copies into a file. Devices but the full one take everything.
func dozeWriteAt(f *dozeFile, p, n, off uintptr) uintptr {
	switch f.kind {
	case dozeFileNode:
		return dozeNodeWrite(fs.Node(f.obj), p, n, off)
	case dozeFileConsole:
		return dozeConsoleWrite(dozeCurrent(), f, p, n)
	case dozeFileFull:
		return dozeErr(fs.ENOSPC)
	}
	return n
}

// dozeVector makes one read or write for each struct iovec {base, len}, in order,
// until one falls short. Those of a stream are one part at a time: a call that
// waits begins anew. off is where to, -1 for the file's position.
func dozeVector(fd, iov, count, off uintptr, write bool) uintptr {
	const most = 1024 // UIO_MAXIOV
	if count > most {
		return dozeErr(dozeEINVAL)
	}
	sum := uintptr(0)
	for i := uintptr(0); i < count; i++ {
		var v struct{ base, n uintptr }
		if !dozeCopyIn(dozeAddr(&v), iov+i*16, 16) {
			return dozePart(sum, dozeErr(dozeEFAULT))
		}
		if v.n == 0 && i+1 < count {
			continue
		}
		at := off
		if off != dozeNoOffset {
			at += sum
		}
		r := dozeTransfer(fd, v.base, v.n, at, write)
		if r == dozeKeep || int(r) < 0 {
			return dozePart(sum, r)
		}
		sum += r
		if f := dozeFd(fd); r < v.n || f != nil && (f.kind == dozeFileConsole || dozeIsStream(f)) {
			break
		}
	}
	return sum
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

func dozeTransfer(fd, p, n, off uintptr, write bool) uintptr {
	switch {
	case write && off == dozeNoOffset:
		return dozeWrite(fd, p, n)
	case write:
		return dozePwrite(fd, p, n, off)
	case off == dozeNoOffset:
		return dozeRead(fd, p, n)
	}
	return dozePread(fd, p, n, off)
}

func dozeSeek(fd, off, whence uintptr) uintptr {
	const set, current, end, data, hole = 0, 1, 2, 3, 4
	f := dozeFd(fd)
	switch {
	case f == nil:
		return dozeErr(dozeEBADF)
	case f.kind == dozeFileConsole || dozeIsStream(f):
		return dozeErr(dozeESPIPE)
	case f.kind != dozeFileNode:
		return 0 // devices have no position
	}
	switch whence {
	case set:
	case current:
		off += f.pos
	case end:
		off += uintptr(dozeTree.fs.Size(fs.Node(f.obj)))
	case data, hole:
		if off = dozeNodeSeek(fs.Node(f.obj), off, whence == hole); int(off) < 0 {
			return off
		}
	default:
		return dozeErr(dozeEINVAL)
	}
	if int(off) < 0 {
		return dozeErr(dozeEINVAL)
	}
	f.pos = off
	return off
}

func dozeIoctl(fd, cmd, arg uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	return dozeStreamIoctl(f, cmd, arg)
}
