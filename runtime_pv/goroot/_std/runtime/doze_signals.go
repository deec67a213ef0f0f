package runtime

// Signals: to a thread of the program, as Linux delivers them. A signal is
// taken when its thread goes on (dozeDeliver): its registers are written to the
// signal stack in Linux's layout and replaced by those of the handler's call;
// rt_sigreturn puts them back. Faults take the same way.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/linux"
	"internal/runtime/sys"
	"unsafe"
)

// dozeSignalStack is stack_t, and dozeUcontext struct ucontext with its sigcontext
// (arch/x86/include/uapi/asm/{sigcontext,ucontext}.h).
type dozeSignalStack struct {
	sp    uintptr
	flags uint32
	_     uint32
	size  uintptr
}

type dozeUcontext struct {
	flags, link    uintptr
	stack          dozeSignalStack
	regs           [18]uintptr
	cs, gs, fs, ss uint16
	err, trapno    uintptr
	oldmask, cr2   uintptr
	fpstate        uintptr
	_              [8]uint64
	mask           uint64
}

// dozeFrame is what a handler finds at its stack pointer.
type dozeFrame struct {
	restorer uintptr
	uc       dozeUcontext
	info     [16]uint64 // siginfo_t
}

const (
	dozeFrameUcontext = unsafe.Offsetof(dozeFrame{}.uc)
	dozeFrameSiginfo  = unsafe.Offsetof(dozeFrame{}.info)
	dozeFrameSize     = unsafe.Sizeof(dozeFrame{})
	dozeRedZone       = 128  // below the stack pointer, which C code has
	dozeLeastAltStack = 2048 // MINSIGSTKSZ
)

// Signal codes (asm-generic/siginfo.h).
const (
	dozeSiKernel  = -128 // 0x80 in siginfo; int8 here, widened by dozeSiCode
	dozeSiTkill   = -6
	dozeSiTimer   = -2
	dozeSiUser    = 0
	dozeSegvMaper = 1
	dozeSegvAcces = 2
	dozeFpeIntdiv = 1
	dozeIllOpn    = 2
	dozeTrapBrkpt = 1
	dozeBusAdraln = 1
	dozeBusAdrerr = 2
)

type dozeAction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

const (
	dozeSigDefault = 0
	dozeSigIgnore  = 1
	dozeSignals    = 65

	dozeSaNodefer = 0x40000000
	dozeSaOnstack = 0x08000000
	dozeSaRestart = 0x10000000
	dozeSaReset   = 0x80000000
)

var dozeActions [dozeSignals]dozeAction

// dozeUnblockable are KILL and STOP.
const dozeUnblockable = 1<<(_SIGKILL-1) | 1<<(_SIGSTOP-1)

// dozeProfile is SIGPROF, which is taken before all others: it is to see where the
// thread was, not the handler of a preemption that came with the same interrupt.
const dozeProfile = 1 << (_SIGPROF - 1)

// dozeFaultInfo is what a fault adds to a signal frame.
type dozeFaultInfo struct {
	addr, err, trap uintptr
}

// dozeRaise makes a signal pending for a thread and wakes it if it would be
// taken.
func dozeRaise(t *dozeThread, sig uintptr, code int8) {
	if dozeIgnored(sig) && t.mask>>(sig-1)&1 == 0 {
		return
	}
	t.pending |= 1 << (sig - 1)
	t.code[sig] = code
	if t.pending&^t.mask != 0 {
		dozePoke(t)
	}
}

// dozeIgnored reports whether nothing comes of a signal. There is no shell that could
// let a program go on that a signal stops: those signals are ignored, as Linux does
// where nobody controls the program's group.
func dozeIgnored(sig uintptr) bool {
	switch dozeActions[sig].handler {
	case dozeSigIgnore:
		return true
	case dozeSigDefault:
		switch sig {
		case _SIGCHLD, _SIGCONT, _SIGURG, _SIGWINCH, _SIGSTOP, _SIGTSTP, _SIGTTIN, _SIGTTOU:
			return true
		}
	}
	return false
}

// dozeSignalled reports whether a thread has a signal to take. One that came while it
// ran on another vCPU could only be left pending: a call that would wait looks
// here first, and does not.
func dozeSignalled(t *dozeThread) bool {
	return (t.pending|dozeProcess.pending)&^t.mask != 0
}

// dozePoke makes a thread that has a signal to take go on.
func dozePoke(t *dozeThread) {
	switch t.state {
	case dozeStateFutexWait:
		t.rax = dozeErr(linux.EINTR)
		dozeWake(t)
	case dozeStateSleeping:
		t.rax = dozeSleepCut(t)
		dozeWake(t)
	case dozeStateSysmonWait, dozeStateIOWait:
		dozeWake(t)
	case dozeStateRunning:
		if t.on != dozeSelf() {
			dozeInterruptVCPU(t.on) // it takes the signal on its way back
		}
	}
}

// dozeProcess is what belongs to no thread: signals for whichever takes them
// first, and timers of the CPU time of all.
var dozeProcess = dozeProcessState{cpuDue: dozeForever}

type dozeProcessState struct {
	pending uint64
	code    [dozeSignals]int8

	timers *dozeTimer
	cpuDue int64 // process time when the first of them is due, dozeForever if none
	ran    int64 // the latest process time that anyone was told
}

// dozeRaiseProcess makes a signal pending for the process. The current thread takes it if it
// does not block it, else one that does not is made to.
func dozeRaiseProcess(sig uintptr, code int8) {
	if dozeIgnored(sig) {
		return
	}
	p, bit := &dozeProcess, uint64(1)<<(sig-1)
	p.pending |= bit
	p.code[sig] = code
	if t := dozeCurrent(); t != nil && t.mask&bit == 0 {
		return // dozeSettle delivers
	}
	for i := uintptr(0); i < dozeSched.made; i++ {
		if t := dozeThreadAt(i); t.state != dozeStateFree && t.mask&bit == 0 {
			dozePoke(t)
			return
		}
	}
}

// dozeDeliver lets t, which is about to go on, take its pending signals and those
// of the process.
func dozeDeliver(t *dozeThread) {
	p := &dozeProcess
	for {
		own, shared := t.pending&^t.mask, p.pending&^t.mask
		if own|shared == 0 {
			return
		}
		from, code := &t.pending, &t.code
		if own == 0 {
			own, from, code = shared, &p.pending, &p.code
		}
		if own&dozeProfile != 0 {
			own = dozeProfile
		}
		sig := uintptr(sys.TrailingZeros64(own)) + 1
		*from &^= 1 << (sig - 1)
		dozeTake(t, sig, dozeSiCode(code[sig]), dozeFaultInfo{addr: 1}, false)
	}
}

func dozeSiCode(c int8) uint64 {
	if c == dozeSiKernel {
		return 0x80
	}
	return uint64(uint32(int32(c)))
}

// dozeTake runs the action of a signal on t.
func dozeTake(t *dozeThread, sig uintptr, code uint64, f dozeFaultInfo, fault bool) {
	a := &dozeActions[sig]
	if dozeIgnored(sig) && !fault {
		return
	}
	if a.handler == dozeSigDefault || a.handler == dozeSigIgnore {
		if fault {
			dozeCrashThread(t, "fault without a handler", f)
		}
		dozeExit(128 + sig)
	}
	if t.waits != dozeWaitNone {
		dozeNotWaiting(t, a.flags&dozeSaRestart != 0)
	}
	dozePushFrame(t, a, sig, code, f)
	t.mask |= a.mask &^ dozeUnblockable
	if a.flags&dozeSaNodefer == 0 {
		t.mask |= 1 << (sig - 1)
	}
	if a.flags&dozeSaReset != 0 {
		a.handler = dozeSigDefault
	}
}

// dozePushFrame writes the signal frame and points t at the handler. A stack that
// can't be written ends the program, as on Linux.
func dozePushFrame(t *dozeThread, a *dozeAction, sig uintptr, code uint64, f dozeFaultInfo) {
	sp := t.rsp - dozeRedZone
	if a.flags&dozeSaOnstack != 0 && t.altSize != 0 && !t.onAltStack(sp) {
		sp = t.altStack + t.altSize
	}
	ok := true
	var fp uintptr
	if t.fpu != 0 {
		sp = (sp - dozeXsaveSize) &^ 63
		fp = sp
		ok = dozeCopyOut(fp, t.addr()+dozeXsaveOffset, dozeXsaveSize)
	}
	sp = (sp-dozeFrameSize)&^15 - 8
	frame := dozeFrame{restorer: a.restorer}
	uc := &frame.uc
	uc.stack = t.signalStack()
	uc.mask = t.mask
	for i, r := range t.linuxOrder() {
		uc.regs[i] = *r
	}
	uc.cs, uc.ss = dozeUserCS, dozeUserSS
	uc.err, uc.trapno, uc.fpstate = f.err, f.trap, fp
	if f.trap == dozeVecPage {
		uc.cr2 = f.addr
	}
	frame.info[0], frame.info[1] = uint64(sig), code
	frame.info[2] = uint64(f.addr) // address of a fault, or pid 1
	if !ok || !dozePut(sp, &frame) {
		dozeCrashThread(t, "the stack for a signal can't be written", f)
	}
	t.rip, t.rsp = a.handler, sp
	t.rdi, t.rsi, t.rdx, t.rax = sig, sp+dozeFrameSiginfo, sp+dozeFrameUcontext, 0
	t.rflags = 0x202
	t.fpu = 0
}

// onAltStack reports whether sp is on the alternate stack.
func (t *dozeThread) onAltStack(sp uintptr) bool { return t.altSize != 0 && sp-t.altStack < t.altSize }

// signalStack is the alternate stack as sigaltstack(2) tells it.
func (t *dozeThread) signalStack() dozeSignalStack {
	st := dozeSignalStack{sp: t.altStack, size: t.altSize}
	switch {
	case t.altSize == 0:
		st.flags = dozeSsDisable
	case t.onAltStack(t.rsp):
		st.flags = dozeSsOnstack
	}
	return st
}

// linuxOrder lists the registers as sigcontext has them.
func (t *dozeThread) linuxOrder() [18]*uintptr {
	return [18]*uintptr{&t.r8, &t.r9, &t.r10, &t.r11, &t.r12, &t.r13, &t.r14, &t.r15, &t.rdi, &t.rsi,
		&t.rbp, &t.rbx, &t.rdx, &t.rax, &t.rcx, &t.rsp, &t.rip, &t.rflags}
}

// dozeSigreturn serves rt_sigreturn(2): RSP is at the ucontext.
func dozeSigreturn(t *dozeThread) uintptr {
	var uc dozeUcontext
	if !dozeGet(t.rsp, &uc) || uc.fpstate != 0 && !dozeCopyIn(t.addr()+dozeXsaveOffset, uc.fpstate, dozeXsaveSize) {
		dozeCrashThread(t, "the frame of a signal is gone", dozeFaultInfo{})
	}
	for i, r := range t.linuxOrder() {
		*r = uc.regs[i]
	}
	t.rflags = t.rflags&dozeUserFlags | 0x202
	t.mask = uc.mask &^ dozeUnblockable
	t.fpu = 0
	if uc.fpstate != 0 {
		t.tameVectors()
		t.fpu = 1
	}
	return dozeKeep
}

// tameVectors makes a vector state that the program wrote one that can be loaded
// (SDM 1, 13.4.2 and 13.8; MXCSR: 10.2.3).
func (t *dozeThread) tameVectors() {
	const mxcsr, header, mxcsrBits = 24 / 8, 512 / 8, 0xffff
	area := (*[header + 8]uint64)(dozePtr(t.addr() + dozeXsaveOffset))
	area[mxcsr] &= 0xffffffff<<32 | mxcsrBits
	if dozeFXSave == 0 {
		area[header] &= uint64(dozeVectors)
		for i := 1; i < 8; i++ {
			area[header+i] = 0
		}
	}
}

// dozeUserFlags are the flags a program may set: CF PF AF ZF SF TF DF OF AC ID.
const dozeUserFlags = 0x240dd5 &^ 0x200

// dozeSigsetSize is the size of a set of signals that calls are told.
const dozeSigsetSize = 8

// dozeSigaction serves rt_sigaction(2).
func dozeSigaction(sig, act, old, size uintptr) uintptr {
	var a dozeAction
	switch sig = uintptr(uint32(sig)); {
	case size != dozeSigsetSize:
		return dozeErr(linux.EINVAL)
	case act != 0 && !dozeGet(act, &a):
		return dozeErr(linux.EFAULT)
	case sig == 0 || sig >= dozeSignals || act != 0 && (sig == _SIGKILL || sig == _SIGSTOP):
		return dozeErr(linux.EINVAL)
	}
	before := dozeActions[sig]
	if act != 0 {
		a.mask &^= dozeUnblockable
		dozeActions[sig] = a
	}
	if old != 0 {
		return dozePutOr(old, &before, 0)
	}
	return 0
}

// dozeSigprocmask serves rt_sigprocmask(2).
func dozeSigprocmask(t *dozeThread, how, set, old, size uintptr) uintptr {
	before := t.mask
	var v uint64
	if size != dozeSigsetSize {
		return dozeErr(linux.EINVAL)
	}
	if set != 0 {
		if !dozeGet(set, &v) {
			return dozeErr(linux.EFAULT)
		}
		switch uint32(how) {
		case _SIG_BLOCK:
			v |= t.mask
		case _SIG_UNBLOCK:
			v = t.mask &^ v
		case _SIG_SETMASK:
		default:
			return dozeErr(linux.EINVAL)
		}
		t.mask = v &^ dozeUnblockable
	}
	if old != 0 {
		return dozePutOr(old, &before, 0)
	}
	return 0
}

// Flags of an alternate stack (linux/signal.h).
const (
	dozeSsOnstack = 1
	dozeSsDisable = 2
)

// dozeSigaltstack serves sigaltstack(2).
func dozeSigaltstack(t *dozeThread, set, old uintptr) uintptr {
	before := t.signalStack()
	if set != 0 {
		var st dozeSignalStack
		if !dozeGet(set, &st) {
			return dozeErr(linux.EFAULT)
		}
		switch {
		case before.flags == dozeSsOnstack:
			return dozeErr(linux.EPERM)
		case st.flags == dozeSsDisable:
			st = dozeSignalStack{}
		case st.flags > dozeSsOnstack:
			return dozeErr(linux.EINVAL)
		case st.size < max(dozeLeastAltStack, dozeXsaveSize+dozeFrameSize+dozeRedZone):
			return dozeErr(linux.ENOMEM)
		}
		t.altStack, t.altSize = st.sp, st.size
	}
	if old != 0 {
		return dozePutOr(old, &before, 0)
	}
	return 0
}

// Exception vectors (SDM 3A, table 6-1).
const (
	dozeVecDivide = 0
	dozeVecDebug  = 1
	dozeVecBreak  = 3
	dozeVecUndef  = 6
	dozeVecStack  = 12
	dozeVecPage   = 14
	dozeVecX87    = 16
	dozeVecAlign  = 17
	dozeVecSIMD   = 19
)

// dozeTrap is where every upcall from a thread arrives.
func dozeTrap(vector, err, cr2 uintptr) {
	dozeLock()
	if vector >= abi.VectorBase {
		dozeAttend()
		dozeSettle()
		return
	}
	what := dozeFaultError
	if vector == dozeVecPage {
		what = dozeFill(cr2, err)
	}
	switch what {
	case dozeFaultServed:
	case dozeFaultLater:
		dozeYield()
	default:
		dozeFault(dozeCurrent(), vector, err, cr2, what == dozeFaultBus)
	}
	dozeSettle()
}

// dozeFault turns an exception into the signal Linux sends for it.
func dozeFault(t *dozeThread, vector, err, cr2 uintptr, bus bool) {
	sig, code := uintptr(_SIGSEGV), uint64(0x80)
	f := dozeFaultInfo{addr: t.rip, err: err, trap: vector}
	switch vector {
	case dozeVecDivide:
		sig, code = _SIGFPE, dozeFpeIntdiv
	case dozeVecX87, dozeVecSIMD:
		sig, code = _SIGFPE, 0
	case dozeVecDebug:
		sig, code = _SIGTRAP, dozeTrapBrkpt
	case dozeVecBreak:
		sig, f.addr = _SIGTRAP, 0
	case dozeVecUndef:
		sig, code = _SIGILL, dozeIllOpn
	case dozeVecAlign:
		sig, code = _SIGBUS, dozeBusAdraln
	case dozeVecStack:
		sig, f.addr = _SIGBUS, 0
	case dozeVecPage:
		f.addr, code = cr2, dozeSegvMaper
		if _, _, kind := dozeMem.regions.Lookup(cr2); kind != dozeNone || err&1 != 0 {
			code = dozeSegvAcces
		}
		if bus { // beyond the end of a file that is mapped, or no memory for a page of it
			sig, code = _SIGBUS, dozeBusAdrerr
		}
	default:
		f.addr = 0
	}
	if t.mask>>(sig-1)&1 != 0 {
		dozeCrashThread(t, "fault while its signal is blocked", f)
	}
	dozeTake(t, sig, code, f, true)
}

// dozeNested handles a fault taken inside the kernel. It maps a page of the program that is
// touched for the first time, makes a copy from a bad address end (EFAULT), and otherwise
// ends the machine with a crash report.
func dozeNested(vector, err, cr2, rip uintptr) uintptr {
	v := dozeSelf()
	v.nesting++
	if v.nesting > 1 || vector != dozeVecPage || dozeFill(cr2, err) != dozeFaultServed {
		on := dozeFixup(rip)
		if on == 0 || v.nesting > 1 {
			dozeCrashKernel(vector, err, cr2, rip)
		}
		rip = on
	}
	v.nesting--
	return rip
}
