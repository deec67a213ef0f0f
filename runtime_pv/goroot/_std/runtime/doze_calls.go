package runtime

// The Linux calls this kernel serves, by number
// (arch/x86/entry/syscalls/syscall_64.tbl).

// dozeKeep as a call's result means: the thread's RAX is already what it must
// be. No call returns this value, which is no valid address and no error.
const dozeKeep = 1<<63 | 1

// Linux error numbers (asm-generic/errno-base.h, errno.h).
const (
	dozeEPERM        = 1
	dozeENOENT       = 2
	dozeESRCH        = 3
	dozeEINTR        = 4
	dozeE2BIG        = 7
	dozeEBADF        = 9
	dozeEAGAIN       = 11
	dozeENOMEM       = 12
	dozeEACCES       = 13
	dozeEFAULT       = 14
	dozeEBUSY        = 16
	dozeEEXIST       = 17
	dozeENODEV       = 19
	dozeENOTDIR      = 20
	dozeEINVAL       = 22
	dozeEMFILE       = 24
	dozeENOTTY       = 25
	dozeESPIPE       = 29
	dozeEPIPE        = 32
	dozeERANGE       = 34
	dozeENAMETOOLONG = 36
	dozeENOLCK       = 37
	dozeENOSYS       = 38
	dozeEOVERFLOW    = 75
	dozeENOTSUP      = 95
	dozeETIMEDOUT    = 110
)

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
	if dozeBootInfo.strace && t.from == 0 {
		if dozeTraceWaits(t) {
			dozeSettle()
			return
		}
		dozeTraceCall(t, nr)
	}
	if r := dozeServe(t, nr); r != dozeKeep {
		t.rax = r
		dozeLetGo(t)
		dozeClearUp(t)
	}
	if dozeBootInfo.strace && t.at == 0 {
		dozeTraceResult(t)
	}
	dozeSettle()
}

func dozeServe(t *dozeThread, nr uintptr) uintptr {
	a, b, c, d := t.rdi, t.rsi, t.rdx, t.r10
	switch nr {
	// Threads, time and signals: what the runtime needs in steady state.
	case 202:
		return dozeFutex(a, b, c, d, t.r9)
	case 228:
		return dozeClockGettime(t, a, b)
	case 24:
		dozeYield()
		return 0
	case 35:
		return dozeNanosleep(a, b)
	case 230:
		return dozeClockNanosleep(t, a, b, c, d)
	case dozeCallSysmonWait, dozeCallSysmonDelay:
		return dozeSysmonCall(t, nr, a)
	case dozeCallBalloon:
		dozeBalloonStep()
		return 0
	case dozeCallClearUp:
		return t.result
	case dozeCallNetpollWait:
		return dozeEpollWait(t, a, b, c, dozeNanoseconds(int64(d)))
	case 1:
		return dozeWrite(a, b, c)
	case 0:
		return dozeRead(a, b, c)
	case 28:
		return dozeMadvise(t, a, b, c)
	case 9:
		return dozeMmap(t, a, b, c, d)
	case 11:
		return dozeMunmap(t, a, b)
	case 10:
		return dozeMprotect(t, a, b, c)
	case 234:
		return dozeTgkill(t, a, b, c)
	case 200:
		return dozeTgkill(t, dozeMainTID, a, b)
	case 62:
		return dozeKill(t, a, b)
	case 15:
		return dozeSigreturn(t)
	case 13:
		return dozeSigaction(a, b, c, d)
	case 14:
		return dozeSigprocmask(t, a, b, c, d)
	case 131:
		return dozeSigaltstack(t, a, b)
	case 56:
		return dozeClone(t, a, b, t.r8)
	case 60:
		dozeExitThread()
		return dozeKeep
	case 231:
		dozeExit(a & 0xff)
	}
	return dozeServeRest(t, nr)
}

// dozeServeRest has the calls that are made at start-up or seldom.
func dozeServeRest(t *dozeThread, nr uintptr) uintptr {
	a, b, c := t.rdi, t.rsi, t.rdx
	switch nr {
	case 158:
		return dozeArchPrctl(t, a, b)
	case 186:
		return uintptr(t.tid)
	case 39:
		return 1 // getpid
	case 110, 102, 104, 107, 108, 111, 124:
		return 0 // getppid, uids and gids, getpgrp, getsid: root, its own session
	case 204:
		return dozeGetaffinity(a, b, c)
	case 318:
		return dozeGetrandomCall(t, a, b, c)
	case 96:
		return dozeGettimeofday(a, b)
	case 201:
		return dozeTimeCall(a)
	case 227:
		return dozeClockSettime(t, a, b)
	case 63:
		return dozeUname(a)
	case 38:
		return dozeSetitimer(a, b, c)
	case 36:
		return dozeGetitimer(a, b)
	case 222:
		return dozeTimerCreate(t, a, b, c)
	case 223:
		return dozeTimerSettime(a, b, c, t.r10)
	case 224:
		return dozeTimerGettime(a, b)
	case 225:
		return dozeTimerOverrun(a)
	case 226:
		return dozeTimerDelete(a)
	case 27:
		return dozeMincore(t, a, b, c)
	case 157:
		return dozePrctl(t, a, b)
	case 125:
		return dozeCapget(a, b)
	case 105, 106:
		return dozeSetID(a, a, a)
	case 113, 114:
		return dozeSetID(a, b, b)
	case 117, 119:
		return dozeSetID(a, b, c)
	case 118, 120:
		return dozeGetID(a, b, c)
	case 115, 116:
		return 0 // getgroups: none; setgroups
	case 98:
		return dozeGetrusage(t, a, b)
	case 100:
		return dozeTimesCall(a)
	case 99:
		return dozeSysinfo(a)
	case 229:
		return dozeClockGetres(t, a, b)
	case 97:
		return dozeGetrlimit(a, b)
	case 160:
		return dozeSetrlimit(a, b)
	case 302:
		return dozePrlimit(a, b, c, t.r10)
	case 162:
		return 0 // sync
	case 25:
		return dozeMremap(t, a, b, c, t.r10, t.r8)
	case 26:
		return dozeMsync(a, b, c)
	case 149, 325:
		return dozeMlock(t, a, b, nr == 325 && c&^1 != 0)
	case 150:
		return dozeMunlock(a, b)
	case 72:
		return dozeFcntl(a, b, c)
	case 32:
		return dozeDup(a, 0, 0)
	case 436:
		return dozeCloseRange(a, b, c)
	case 33, 292:
		return dozeDup3(a, b, c, nr == 292)
	case 7, 22, 213, 232, 233, 271, 281, 284, 290, 291, 293, 441:
		return dozeServeStreams(t, nr)
	}
	if r, ok := dozeServeFiles(t, nr); ok {
		return r
	}
	dozeStats.unknown++
	return dozeErr(dozeENOSYS)
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
		return dozeErr(dozeEINVAL)
	}
	to := dozeByTID(uintptr(uint32(tid)))
	switch sig = uintptr(uint32(sig)); {
	case to == nil || uint32(group) != dozeMainTID:
		return dozeErr(dozeESRCH)
	case sig >= dozeSignals:
		return dozeErr(dozeEINVAL)
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
		return dozeErr(dozeESRCH)
	}
	if sig = uintptr(uint32(sig)); sig >= dozeSignals {
		return dozeErr(dozeEINVAL)
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
		return dozeErr(dozeEINVAL)
	case flags&(vm|thread) != vm|thread || stack == 0:
		return dozeErr(dozeENOSYS)
	}
	n := dozeNewThread()
	if n == nil {
		return dozeErr(dozeEAGAIN)
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
			return dozeErr(dozeEPERM)
		}
		t.fs = addr
	case getFS:
		return dozePutOr(addr, &t.fs, 0)
	default:
		return dozeErr(dozeEINVAL)
	}
	return 0
}

// dozeGetaffinity serves sched_getaffinity(2) with the vCPUs, and the size of a mask.
func dozeGetaffinity(pid, n, mask uintptr) uintptr {
	const word = 8
	n = uintptr(uint32(n))
	switch {
	case n*8 < max(uintptr(dozeBootInfo.most), 1) || n%word != 0:
		return dozeErr(dozeEINVAL)
	case int32(pid) != 0 && dozeByTID(uintptr(uint32(pid))) == nil:
		return dozeErr(dozeESRCH)
	}
	return dozePutOr(mask, &dozeOnline, word)
}
