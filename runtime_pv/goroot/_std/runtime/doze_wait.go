package runtime

// Calls that wait for something of the kernel's: bytes in a pipe, an event. The
// thread is set back to the instruction that made the call, and makes it again
// when it is woken: so a call never continues half-way, and a signal meanwhile
// finds a thread that is about to make a call. It keeps the open file that it is
// about: the descriptor may mean another one by then.

import (
	"internal/runtime/doze/linux"
	"unsafe"
)

// Values of dozeThread.waits.
const (
	dozeWaitNone    = iota
	dozeWaitRestart // a signal handler with SA_RESTART lets the call begin anew
	dozeWaitOnce    // a signal handler ends the call with EINTR, as those with a time-out
	dozeWaitBefore  // the call has not begun; how it waited before, if it did, is shifted by:
	dozeWaitShift   = 8
)

// dozeWaitOn makes the current thread wait until dozeNotify is called for obj, an
// address of the kernel's; its call, which is about f, nil for none, is made again
// then.
func dozeWaitOn(f *dozeFile, obj uintptr) uintptr {
	return dozeWaitAs(dozeWaitRestart, f, obj, dozeForever)
}

// dozeWaitAs is dozeWaitOn for calls that say themselves whether a signal handler
// ends them, and when they are made again at the latest.
func dozeWaitAs(waits uint32, f *dozeFile, obj uintptr, deadline int64) uintptr {
	t := dozeCurrent()
	dozeCallAgain(t)
	t.waits, t.until = waits, deadline
	dozeHoldOn(t, f)
	if dozeSignalled(t) {
		return dozeKeep // it takes the signal before its call, which it makes again
	}
	if deadline != dozeForever {
		dozeAlarmAdd(&t.alarm, deadline)
	}
	dozeFutexEnqueue(t, obj)
	dozeBlockThread(t, dozeStateIOWait)
	return dozeKeep
}

// dozeBlockThread gives the vCPU of the current thread, whose call waits, to others. This is
// the one place where calls wait, so it is decided here whether the runtime must have
// the chance to take a P away.
func dozeBlockThread(t *dozeThread, state uint32) {
	if dozeTrace.on {
		dozeTraceWaits(t)
	}
	t.state = state
	if dozeHoldsP(t) {
		dozeLetRetake()
	}
	dozeSchedule()
}

// dozeHoldsP reports whether a thread makes its call for a goroutine that has told the
// runtime so (entersyscall) and whose P was not taken away. What the runtime
// itself waits for holds none.
func dozeHoldsP(t *dozeThread) bool {
	const tls = 8 // g lies right below the FS base
	var gp, mp, pp uintptr
	var status uint32
	return dozeGet(t.fs-tls, &gp) &&
		dozeGet(gp+unsafe.Offsetof(g{}.atomicstatus), &status) && status&^_Gscan == _Gsyscall &&
		dozeGet(gp+unsafe.Offsetof(g{}.m), &mp) && dozeGet(mp+unsafe.Offsetof(m{}.p), &pp) && pp != 0
}

// dozeNotify lets up to n threads that wait on obj make their call again.
func dozeNotify(obj, n uintptr) { dozeFutexWake(obj, n, dozeAllBits) }

// dozeNotWaiting ends the state of a thread whose call is interrupted by a
// handler: it either is still before its call, or gets EINTR from it.
func dozeNotWaiting(t *dozeThread, restart bool) {
	dozeConsoleLeave(t)
	if t.waits == dozeWaitOnce || t.waits == dozeWaitRestart && (!restart || t.done != 0) {
		if !dozeGet(t.rsp, &t.rip) {
			dozeCrashThread(t, "the stack of a call that waits is gone", dozeFaultInfo{})
		}
		t.rsp += 8
		t.rax = t.wrote(linux.EINTR)
		restart = false
	} else {
		restart = true
	}
	t.waits = dozeWaitNone
	if t.traced != dozeTraceNone {
		dozeTraceEnd(t, restart)
	}
	dozeLetGo(t)
}

// dozeHoldOn keeps the open file of a call that is made again, nil for none.
func dozeHoldOn(t *dozeThread, f *dozeFile) {
	if t.held == nil && f != nil {
		t.held = f
		f.refs++
	}
}

// dozeLetGo drops the open file that a call held.
func dozeLetGo(t *dozeThread) {
	t.about = nil
	if f := t.held; f != nil {
		t.held = nil
		dozeDrop(f)
	}
}

// dozeCallFd returns the open file that a call is about: the one that it has held
// since it was first made, else that of its descriptor, nil if that is not open.
func dozeCallFd(fd uintptr) *dozeFile {
	t := dozeCurrent()
	if t.about = t.held; t.about == nil {
		t.about = dozeFd(fd)
	}
	return t.about
}

// Sysmon takes a P away from a thread that waits in a call, in two looks. It may
// wake the machine for that: dozeRetakes looks, dozeRetakeGap apart.
const (
	dozeRetakes   = 3
	dozeRetakeGap = 50_000 // ns
)

func dozeLetRetake() {
	s := &dozeSched
	s.retakes = dozeRetakes
	s.due = min(s.due, dozeNow()+dozeRetakeGap)
}
