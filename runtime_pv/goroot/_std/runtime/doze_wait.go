package runtime

// Calls that wait for something of the kernel's: bytes in a pipe, an event. The
// thread is set back to the instruction that made the call, and makes it again
// when it is woken: so a call never continues half-way, and a signal meanwhile
// finds a thread that is about to make a call.

import "internal/runtime/doze/mmio"

// Values of dozeThread.waits.
const (
	dozeWaitNone    = iota
	dozeWaitRestart // a signal handler with SA_RESTART lets the call begin anew
	dozeWaitOnce    // a signal handler ends the call with EINTR, as those with a time-out
	dozeWaitBefore  // the call has not begun; how it waited before, if it did, is shifted by:
	dozeWaitShift   = 8
)

// dozeWaitOn makes the current thread wait until dozeNotify is called for obj, an
// address of the kernel's, or the deadline has passed; its call is made
// again then. holdsP says that a goroutine's system call waits: the runtime must
// have the chance to take its P away, even from a machine that sleeps.
func dozeWaitOn(obj uintptr, deadline int64, holdsP bool) uintptr {
	if deadline != dozeForever {
		return dozeWaitAs(dozeWaitOnce, obj, deadline, holdsP)
	}
	return dozeWaitAs(dozeWaitRestart, obj, deadline, holdsP)
}

// dozeWaitAs is dozeWaitOn for calls that say themselves whether a signal handler
// ends them.
func dozeWaitAs(waits uint32, obj uintptr, deadline int64, holdsP bool) uintptr {
	t := dozeCurrent()
	dozeCallAgain(t)
	t.waits, t.until = waits, deadline
	if dozeSignalled(t) {
		return dozeKeep // it takes the signal before its call, which it makes again
	}
	if deadline != dozeForever {
		dozeAlarmAdd(&t.alarm, deadline)
	}
	t.state = dozeStateIOWait
	dozeFutexEnqueue(t, obj)
	if holdsP {
		dozeLetRetake()
	}
	dozeSchedule()
	return dozeKeep
}

// dozeNotify lets up to n threads that wait on obj make their call again.
func dozeNotify(obj, n uintptr) { dozeFutexWake(obj, n) }

// dozeNotWaiting ends the state of a thread whose call is interrupted by a
// handler: it either is still before its call, or gets EINTR from it.
func dozeNotWaiting(t *dozeThread, restart bool) {
	dozeConsoleLeave(t)
	if t.waits == dozeWaitOnce || t.waits == dozeWaitRestart && (!restart || t.done != 0) {
		t.rip = uintptr(mmio.Load64(t.rsp))
		t.rsp += 8
		t.rax = t.wrote(dozeEINTR)
	}
	t.waits = dozeWaitNone
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
