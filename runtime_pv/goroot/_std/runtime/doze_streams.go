package runtime

// What pipes, eventfds, epolls and standard input have in common as open files,
// and the calls that make them.

import "internal/runtime/doze/fs"

// dozeIsStream tells open files whose reads may wait, and that have no position.
func dozeIsStream(f *dozeFile) bool {
	switch f.kind {
	case dozeFilePipeIn, dozeFilePipeOut, dozeFileCounter, dozeFileEpoll, dozeFileInput:
		return true
	}
	return false
}

func dozeStreamRead(f *dozeFile, p, n uintptr) uintptr {
	switch f.kind {
	case dozeFilePipeIn:
		return dozePipeRead(f, p, n)
	case dozeFileCounter:
		return dozeCounterRead(f, p, n)
	case dozeFileInput:
		return dozeInputRead(f, p, n)
	case dozeFileEpoll:
		return dozeErr(dozeEINVAL)
	}
	return dozeErr(dozeEBADF)
}

func dozeStreamWrite(f *dozeFile, p, n uintptr) uintptr {
	switch f.kind {
	case dozeFilePipeOut:
		return dozePipeWrite(dozeCurrent(), f, dozeParts{base: p, n: n})
	case dozeFileCounter:
		return dozeCounterWrite(f, p, n)
	case dozeFileEpoll:
		return dozeErr(dozeEINVAL)
	}
	return dozeErr(dozeEBADF)
}

// dozeStreamEnd frees what a stream was open on, and lets go who waits for it.
// The watches of any open file end with it.
func dozeStreamEnd(f *dozeFile) {
	for f.watch != 0 {
		dozeWatchEnd((*dozeWatch)(dozePtr(f.watch)))
	}
	switch f.kind {
	case dozeFilePipeIn, dozeFilePipeOut:
		dozePipeEnd(f)
	case dozeFileCounter:
		dozeCounterEnd(f)
	case dozeFileEpoll:
		dozeEpollEnd(f)
	case dozeFileInput:
		dozeInputEnd()
	}
}

// dozeIoctlFile serves ioctl(2): how much can be read, whether reads wait, and
// FD_CLOEXEC
// (asm-generic/ioctls.h).
func dozeStreamIoctl(f *dozeFile, cmd, arg uintptr) uintptr {
	const available, nonblock = 0x541b, 0x5421 // FIONREAD, FIONBIO
	var n uint32
	switch cmd {
	case nonblock:
		if !dozeGet(arg, &n) {
			return dozeErr(dozeEFAULT)
		}
		f.flags &^= dozeONonblock
		if n != 0 {
			f.flags |= dozeONonblock
		}
		return 0
	case available:
		switch f.kind {
		case dozeFilePipeIn, dozeFilePipeOut:
			n = uint32(dozePipeOf(f).used)
		case dozeFileInput:
			n = uint32(dozeInputHave())
		case dozeFileNode:
			node := fs.Node(f.obj)
			if dozeFiles().Type(node) != fs.TypeFile {
				return dozeErr(dozeENOTTY)
			}
			n = uint32(dozeTree.fs.Size(node)) - uint32(f.pos)
		default:
			return dozeErr(dozeENOTTY)
		}
		return dozePutOr(arg, &n, 0)
	}
	return dozeErr(dozeENOTTY)
}

// dozeServeStreams has the calls that make streams or wait for several.
func dozeServeStreams(t *dozeThread, nr uintptr) uintptr {
	a, b, c, d := t.rdi, t.rsi, t.rdx, t.r10
	switch nr {
	case 22:
		return dozePipe2(a, 0)
	case 293:
		return dozePipe2(a, b)
	case 284:
		return dozeEventfd(a, 0)
	case 290:
		return dozeEventfd(a, b)
	case 213:
		return dozeEpollCreateSize(a)
	case 291:
		return dozeEpollCreate(a)
	case 233:
		return dozeEpollCtl(a, b, c, d)
	case 232:
		return dozeEpollWait(t, a, b, c, dozeMilliseconds(d))
	case 7:
		return dozePoll(t, a, b, dozeMilliseconds(c))
	}
	// The rest can change the signal mask meanwhile: what Go never asks for.
	timeout, mask := d, t.r8
	if nr == 271 {
		timeout, mask = c, d
	}
	if mask != 0 {
		return dozeErr(dozeENOSYS)
	}
	if nr == 281 {
		return dozeEpollWait(t, a, b, c, dozeMilliseconds(timeout))
	}
	deadline := dozeForever
	if timeout != 0 {
		var errno uintptr
		if deadline, errno = dozeDeadline(dozeClockMonotonic, 0, timeout); errno != 0 {
			return dozeErr(errno)
		}
	}
	if nr == 271 {
		return dozePoll(t, a, b, deadline)
	}
	return dozeEpollWait(t, a, b, c, deadline)
}

// dozeMilliseconds turns a time-out of poll or epoll_wait into a deadline.
func dozeMilliseconds(ms uintptr) int64 {
	if n := int32(ms); n >= 0 {
		return dozeNanoseconds(int64(n) * 1e6)
	}
	return dozeForever
}

// dozeNanoseconds turns a time to wait into a deadline: for ever if negative.
func dozeNanoseconds(ns int64) int64 {
	const reach = int64(1) << 62 // no clock comes so far
	if ns < 0 || ns > reach {
		return dozeForever
	}
	return dozeNow() + ns
}
