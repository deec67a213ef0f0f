package runtime

// How a call is served: from dozecall into the table (doze_calltable.go) and back.

import "internal/runtime/doze/linux"

// dozeKeep as a call's result means: the thread's RAX is already what it must
// be. No call returns this value, which is no valid address and no error.
const dozeKeep = 1<<63 | 1

func dozeErr(e uintptr) uintptr { return -e }

// Calls of our own, out of Linux's range: sysmon's two sleeps, and netpoll's.
const (
	dozeCallSysmonWait  = 0x10000 // address of the note's word
	dozeCallSysmonDelay = 0x10001
	dozeCallNetpollWait = 0x10002 // epoll_wait for nanoseconds, which holds no P
	dozeCallBalloon     = 0x10010 // a step towards the balloon's target
	dozeCallClearUp     = 0x10011 // what a call left to be done (doze_slices.go)
)

// dozeSyscall serves the call that the current thread has made; dozecall calls
// it, and dozeResume continues whatever thread is current afterwards.
func dozeSyscall() {
	t := dozeCurrent()
	if t.at == 0 {
		dozeLock()
	} else {
		dozeLockPolitely()
	}
	t.from, t.at, t.about = t.at, 0, nil
	t.resumed, t.waits = t.waits, dozeWaitNone
	if t.resumed&(1<<dozeWaitShift-1) == dozeWaitBefore {
		t.resumed >>= dozeWaitShift
	}
	if t.resumed == dozeWaitNone {
		t.done = 0 // it is a new call
	}
	nr := uintptr(uint32(t.rax)) // Linux looks at no more
	if dozeTrace.on && dozeTraceCall(t, nr) {
		dozeSettle()
		return
	}
	if r := dozeServe(t, nr); r != dozeKeep {
		t.rax = r
		dozeLongOver(t)
		dozeLetGo(t)
		dozeClearUp(t)
	}
	dozeSettle()
}

// dozeServe serves the call of that number: by the table, or one of the kernel's own.
func dozeServe(t *dozeThread, nr uintptr) uintptr {
	if nr >= linux.Calls {
		return dozeServeOwn(t, nr)
	}
	c := &dozeCalls[nr]
	if c.serve != nil {
		return c.serve(t)
	}
	if c.refuse != 0 && c.refuse != linux.ENOSYS {
		return dozeErr(c.refuse)
	}
	dozeStats.unknown++
	return dozeErr(linux.ENOSYS)
}

func dozeServeOwn(t *dozeThread, nr uintptr) uintptr {
	switch nr {
	case dozeCallSysmonWait, dozeCallSysmonDelay:
		return dozeSysmonCall(t, nr, t.rdi)
	case dozeCallNetpollWait:
		return dozeEpollWait(t, t.rdi, t.rsi, t.rdx, dozeNanoseconds(int64(t.r10)))
	case dozeCallBalloon:
		dozeBalloonStep()
		return 0
	case dozeCallClearUp:
		return t.result
	}
	dozeStats.unknown++
	return dozeErr(linux.ENOSYS)
}

// dozeSchedYield serves sched_yield(2).
func dozeSchedYield() uintptr {
	dozeYield()
	return 0
}

// dozeExitCall serves exit(2): it ends the thread.
func dozeExitCall() uintptr {
	dozeExitThread()
	return dozeKeep
}

// dozeExitGroup serves exit_group(2): it ends the machine.
func dozeExitGroup(status uintptr) uintptr {
	dozeExit(status & 0xff)
	return 0
}

func dozeSysmonCall(t *dozeThread, nr, addr uintptr) uintptr {
	if nr == dozeCallSysmonDelay {
		addr = 0
	} else if v, ok := dozeGetWord(addr); !ok || v != 0 {
		return 0
	}
	if dozeAgentWaits() {
		return 0 // sysmon is to wake it
	}
	t.rax = 0
	dozeSysmonPark(addr)
	return dozeKeep
}

// dozeMainTID is the number of the first thread, and the process's.
const dozeMainTID = 1

func dozeTgkill(t *dozeThread, group, tid, sig uintptr) uintptr {
	if int32(tid) <= 0 || int32(group) <= 0 {
		return dozeErr(linux.EINVAL)
	}
	to := dozeByTID(uintptr(uint32(tid)))
	switch sig = uintptr(uint32(sig)); {
	case to == nil || uint32(group) != dozeMainTID:
		return dozeErr(linux.ESRCH)
	case sig >= dozeSignals:
		return dozeErr(linux.EINVAL)
	}
	t.rax = 0
	if sig != 0 {
		dozeRaise(to, sig, dozeSiTkill)
	}
	return 0
}

// dozeKill serves kill(2): there is one process.
func dozeKill(t *dozeThread, pid, sig uintptr) uintptr {
	if p := int32(pid); p > 1 || p < -1 {
		return dozeErr(linux.ESRCH)
	}
	if sig = uintptr(uint32(sig)); sig >= dozeSignals {
		return dozeErr(linux.EINVAL)
	}
	t.rax = 0
	if sig != 0 {
		dozeRaiseProcess(sig, dozeSiUser)
	}
	return 0
}

// dozeClone serves clone(2) for a thread that shares everything.
func dozeClone(t *dozeThread, flags, stack, tls uintptr) uintptr {
	const vm, sighand, thread, settls = 0x100, 0x800, 0x10000, 0x80000
	switch {
	case flags&thread != 0 && flags&sighand == 0, flags&sighand != 0 && flags&vm == 0:
		return dozeErr(linux.EINVAL)
	case flags&(vm|thread) != vm|thread || stack == 0:
		return dozeErr(linux.ENOSYS)
	}
	n := dozeNewThread()
	if n == nil {
		return dozeErr(linux.EAGAIN)
	}
	n.dozeContext = t.dozeContext
	n.rax, n.rsp = 0, stack
	n.fs, n.mxcsr, n.mask = t.fs, t.mxcsr, t.mask
	n.keepCaps, n.noNewPrivs, n.comm = t.keepCaps, t.noNewPrivs, t.comm
	if flags&settls != 0 {
		n.fs = tls
	}
	dozeReadyLast(n)
	return uintptr(n.tid)
}

func dozeArchPrctl(t *dozeThread, code, addr uintptr) uintptr {
	const setFS, getFS = 0x1002, 0x1003
	switch uint32(code) {
	case setFS:
		if addr >= dozeUserLimit {
			return dozeErr(linux.EPERM)
		}
		t.fs = addr
	case getFS:
		return dozePutOr(addr, &t.fs, 0)
	default:
		return dozeErr(linux.EINVAL)
	}
	return 0
}

// dozeGetcpu serves getcpu(2): the vCPU, and node 0.
func dozeGetcpu(cpu, node uintptr) uintptr {
	v, none := uint32(dozeSelf().index()), uint32(0)
	if cpu != 0 && !dozePut(cpu, &v) || node != 0 && !dozePut(node, &none) {
		return dozeErr(linux.EFAULT)
	}
	return 0
}

// dozeGetaffinity serves sched_getaffinity(2) with the vCPUs, and the size of a mask.
func dozeGetaffinity(pid, n, mask uintptr) uintptr {
	const word = 8
	n = uintptr(uint32(n))
	switch {
	case n*8 < max(uintptr(dozeBootInfo.most), 1) || n%word != 0:
		return dozeErr(linux.EINVAL)
	case int32(pid) != 0 && dozeByTID(uintptr(uint32(pid))) == nil:
		return dozeErr(linux.ESRCH)
	}
	return dozePutOr(mask, &dozeOnline, word)
}
