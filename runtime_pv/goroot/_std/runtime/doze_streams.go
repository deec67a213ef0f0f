package runtime

// What pipes, eventfds, epolls and standard input have in common as open files.

import "internal/runtime/doze/linux"

// dozeStreamIoctl serves ioctl(2): how much can be read, and whether reads wait
// (asm-generic/ioctls.h).
func dozeStreamIoctl(f *dozeFile, cmd, arg uintptr) uintptr {
	const available, nonblock = 0x541b, 0x5421 // FIONREAD, FIONBIO
	var n uint32
	switch cmd {
	case nonblock:
		if !dozeGet(arg, &n) {
			return dozeErr(linux.EFAULT)
		}
		f.flags &^= linux.ONonblock
		if n != 0 {
			f.flags |= linux.ONonblock
		}
		return 0
	case available:
		if f.ops.available == nil {
			return dozeErr(linux.ENOTTY)
		}
		n, errno := f.ops.available(f)
		if errno != 0 {
			return dozeErr(errno)
		}
		return dozePutOr(arg, &n, 0)
	}
	return dozeErr(linux.ENOTTY)
}

// Calls that wait for several can change the signal mask meanwhile: Go never asks for
// that, and here they refuse it.

// dozePpoll serves ppoll(2) without a mask.
func dozePpoll(t *dozeThread) uintptr {
	deadline, errno := dozeTimeout(t.rdx, t.r10)
	if errno != 0 {
		return dozeErr(errno)
	}
	return dozePoll(t, t.rdi, t.rsi, deadline)
}

// dozeEpollPwait serves epoll_pwait(2) without a mask.
func dozeEpollPwait(t *dozeThread) uintptr {
	if t.r8 != 0 {
		return dozeErr(linux.ENOSYS)
	}
	return dozeEpollWait(t, t.rdi, t.rsi, t.rdx, dozeMilliseconds(t.r10))
}

// dozeEpollPwait2 serves epoll_pwait2(2) without a mask.
func dozeEpollPwait2(t *dozeThread) uintptr {
	deadline, errno := dozeTimeout(t.r10, t.r8)
	if errno != 0 {
		return dozeErr(errno)
	}
	return dozeEpollWait(t, t.rdi, t.rsi, t.rdx, deadline)
}

// dozeTimeout returns the deadline of a time-out, a struct timespec or 0 for none, and
// refuses a mask.
func dozeTimeout(timeout, mask uintptr) (deadline int64, errno uintptr) {
	switch {
	case mask != 0:
		return 0, linux.ENOSYS
	case timeout == 0:
		return dozeForever, 0
	}
	return dozeDeadline(dozeClockMonotonic, 0, timeout)
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
