package runtime

// Signals: to a thread of the program, as Linux delivers them. A signal is
// taken when its thread goes on (dozeDeliver): its registers are written to the
// signal stack in Linux's layout and replaced by those of the handler's call;
// rt_sigreturn puts them back. Faults take the same way.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
	"internal/runtime/sys"
)

// Linux's signal frame (arch/x86/include/uapi/asm/{sigcontext,ucontext}.h).
const (
	dozeFrameUcontext = 8
	dozeFrameSiginfo  = 312
	dozeFrameSize     = 440

	dozeUcStack    = 16
	dozeUcMcontext = 40
	dozeUcSigmask  = 296

	dozeMcCS      = 144 // u16 cs, gs, fs, ss
	dozeMcErr     = 152
	dozeMcTrapno  = 160
	dozeMcCR2     = 176
	dozeMcFpstate = 184
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
	if dozeActions[sig].handler == dozeSigIgnore {
		return
	}
	t.pending |= 1 << (sig - 1)
	t.code[sig] = code
	if t.pending&^t.mask != 0 {
		dozePoke(t)
	}
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
	case dozeStateFutexWait, dozeStateSleeping:
		t.rax = dozeErr(dozeEINTR)
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
	if dozeActions[sig].handler == dozeSigIgnore {
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
	switch a.handler {
	case dozeSigIgnore:
		return
	case dozeSigDefault:
		switch sig {
		case _SIGCHLD, _SIGCONT, _SIGURG, _SIGWINCH:
			return
		}
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

// dozePushFrame writes the signal frame and points t at the handler.
func dozePushFrame(t *dozeThread, a *dozeAction, sig uintptr, code uint64, f dozeFaultInfo) {
	sp := t.rsp - 128 // the red zone, which C code has
	onAlt := t.altSize != 0 && sp-t.altStack < t.altSize
	if a.flags&dozeSaOnstack != 0 && t.altSize != 0 && !onAlt {
		sp = t.altStack + t.altSize
	}
	var fp uintptr
	if t.fpu != 0 {
		sp = (sp - dozeXsaveSize) &^ 63
		fp = sp
		mmio.Copy(fp, t.addr()+dozeXsaveOffset, dozeXsaveSize)
	}
	sp = (sp-dozeFrameSize)&^15 - 8
	uc, si := sp+dozeFrameUcontext, sp+dozeFrameSiginfo
	mmio.Clear(sp, dozeFrameSize)
	mmio.Store64(sp, uint64(a.restorer))
	mmio.Store64(uc+dozeUcStack, uint64(t.altStack))
	mmio.Store64(uc+dozeUcStack+16, uint64(t.altSize))
	mmio.Store64(uc+dozeUcSigmask, t.mask)
	mc := uc + dozeUcMcontext
	for i, r := range t.linuxOrder() {
		mmio.Store64(mc+uintptr(i)*8, uint64(*r))
	}
	mmio.Store64(mc+dozeMcCS, dozeUserCS|dozeUserSS<<48)
	mmio.Store64(mc+dozeMcErr, uint64(f.err))
	mmio.Store64(mc+dozeMcTrapno, uint64(f.trap))
	if f.trap == dozeVecPage {
		mmio.Store64(mc+dozeMcCR2, uint64(f.addr))
	}
	mmio.Store64(mc+dozeMcFpstate, uint64(fp))
	mmio.Store64(si, uint64(sig))
	mmio.Store64(si+8, code)
	mmio.Store64(si+16, uint64(f.addr)) // address of a fault, or pid 1
	t.rip, t.rsp = a.handler, sp
	t.rdi, t.rsi, t.rdx, t.rax = sig, si, uc, 0
	t.rflags = 0x202
	t.fpu = 0
}

// linuxOrder lists the registers as sigcontext has them.
func (t *dozeThread) linuxOrder() [18]*uintptr {
	return [18]*uintptr{&t.r8, &t.r9, &t.r10, &t.r11, &t.r12, &t.r13, &t.r14, &t.r15, &t.rdi, &t.rsi,
		&t.rbp, &t.rbx, &t.rdx, &t.rax, &t.rcx, &t.rsp, &t.rip, &t.rflags}
}

// dozeSigreturn serves rt_sigreturn(2): RSP is at the ucontext.
func dozeSigreturn(t *dozeThread) uintptr {
	uc := t.rsp
	mc := uc + dozeUcMcontext
	for i, r := range t.linuxOrder() {
		*r = uintptr(mmio.Load64(mc + uintptr(i)*8))
	}
	t.rflags = t.rflags&dozeUserFlags | 0x202
	t.mask = mmio.Load64(uc+dozeUcSigmask) &^ dozeUnblockable
	t.fpu = 0
	if fp := uintptr(mmio.Load64(mc + dozeMcFpstate)); fp != 0 {
		mmio.Copy(t.addr()+dozeXsaveOffset, fp, dozeXsaveSize)
		t.fpu = 1
	}
	return dozeKeep
}

// dozeUserFlags are the flags a program may set: CF PF AF ZF SF TF DF OF AC ID.
const dozeUserFlags = 0x240dd5 &^ 0x200

// dozeSigaction serves rt_sigaction(2).
func dozeSigaction(sig, act, old uintptr) uintptr {
	if sig == 0 || sig >= dozeSignals {
		return dozeErr(dozeEINVAL)
	}
	a := &dozeActions[sig]
	before := *a
	if act != 0 {
		if sig == _SIGKILL || sig == _SIGSTOP {
			return dozeErr(dozeEINVAL)
		}
		a.handler, a.flags = uintptr(mmio.Load64(act)), uintptr(mmio.Load64(act+8))
		a.restorer, a.mask = uintptr(mmio.Load64(act+16)), mmio.Load64(act+24)
	}
	if old != 0 {
		mmio.Store64(old, uint64(before.handler))
		mmio.Store64(old+8, uint64(before.flags))
		mmio.Store64(old+16, uint64(before.restorer))
		mmio.Store64(old+24, before.mask)
	}
	return 0
}

// dozeSigprocmask serves rt_sigprocmask(2).
func dozeSigprocmask(t *dozeThread, how, set, old uintptr) uintptr {
	before := t.mask
	if set != 0 {
		v := mmio.Load64(set)
		switch how {
		case _SIG_BLOCK:
			t.mask |= v
		case _SIG_UNBLOCK:
			t.mask &^= v
		case _SIG_SETMASK:
			t.mask = v
		default:
			return dozeErr(dozeEINVAL)
		}
		t.mask &^= dozeUnblockable
	}
	if old != 0 {
		mmio.Store64(old, before)
	}
	return 0
}

// dozeSigaltstack serves sigaltstack(2).
func dozeSigaltstack(t *dozeThread, set, old uintptr) uintptr {
	const disable = 2
	stack, size := t.altStack, t.altSize
	if set != 0 {
		t.altStack, t.altSize = uintptr(mmio.Load64(set)), uintptr(mmio.Load64(set+16))
		if mmio.Load32(set+8)&disable != 0 {
			t.altStack, t.altSize = 0, 0
		}
	}
	if old != 0 {
		flags := uint32(0)
		if size == 0 {
			flags = disable
		}
		mmio.Store64(old, uint64(stack))
		mmio.Store32(old+8, flags)
		mmio.Store64(old+16, uint64(size))
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

// dozeNested serves a fault in the kernel itself: a page of the program that is
// touched for the first time, an address of the program's that is none, or the
// end. It returns where to go on.
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
