package runtime

// What pipes, eventfds, epolls and standard input have in common as open files,
// and the calls that make them.

import "internal/runtime/doze/mmio"

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
		return dozePipeWrite(dozeCurrent(), f, p, n)
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

// dozeStreamIoctl serves ioctl(2): how much can be read, and whether reads wait
// (asm-generic/ioctls.h).
func dozeStreamIoctl(f *dozeFile, cmd, arg uintptr) uintptr {
	const available, nonblock = 0x541b, 0x5421 // FIONREAD, FIONBIO
	var n uint32
	switch cmd {
	case nonblock:
		if !dozeCopyIn(dozeAddr(&n), arg, 4) {
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
		default:
			return dozeErr(dozeENOTTY)
		}
		if !dozeCopyOut(arg, dozeAddr(&n), 4) {
			return dozeErr(dozeEFAULT)
		}
		return 0
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
		return dozeEpollCreate(0)
	case 291:
		return dozeEpollCreate(a)
	case 233:
		return dozeEpollCtl(a, b, c, d)
	case 232:
		return dozeEpollWait(t, a, b, c, dozeMilliseconds(d), true)
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
		return dozeEpollWait(t, a, b, c, dozeMilliseconds(timeout), true)
	}
	deadline := dozeForever
	if timeout != 0 {
		var ts [2]uint64
		if !dozeCopyIn(dozeAddr(&ts), timeout, 16) {
			return dozeErr(dozeEFAULT)
		}
		deadline = dozeAfter(dozeAddr(&ts))
	}
	if nr == 271 {
		return dozePoll(t, a, b, deadline)
	}
	return dozeEpollWait(t, a, b, c, deadline, true)
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

// Small objects of the kernel's: pipes, epolls and watches, in slots of pages
// that are theirs for good.
const dozeSlotSize = 128

var dozeSlots struct {
	free        uintptr // the first word of a free slot is the next one
	fresh, left uintptr // the page that slots are cut from
}

// dozeSlotAlloc returns the address of a zero slot, 0 if memory is out.
func dozeSlotAlloc() uintptr {
	s := &dozeSlots
	if p := s.free; p != 0 {
		s.free = uintptr(mmio.Load64(p))
		mmio.Store64(p, 0)
		return p
	}
	if s.left == 0 {
		if s.fresh = dozePageAlloc(); s.fresh == 0 {
			return 0
		}
		s.left = dozePage
	}
	s.left -= dozeSlotSize
	return s.fresh + s.left
}

func dozeSlotFree(p uintptr) {
	mmio.Clear(p, dozeSlotSize)
	mmio.Store64(p, uint64(dozeSlots.free))
	dozeSlots.free = p
}
