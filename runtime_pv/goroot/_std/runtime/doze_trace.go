package runtime

// doze run --strace: calls on standard error, a line each. Package strace makes the
// lines; here is when they are printed. A line waits until standard error has room for
// it, and the thread that made the call waits with it: so no line is lost, and a reader
// that takes none holds the program, as one of strace's does.

import (
	"internal/runtime/doze/linux"
	"internal/runtime/doze/strace"
	"unsafe"
)

// dozeTraceRoom is what a call prints at most, an end for another's line included.
const dozeTraceRoom = strace.LineMax + uintptr(len(strace.Unfinished))

var dozeTrace struct {
	on      bool
	calls   strace.Filter
	printer strace.Printer
	table   *[linux.Calls]dozeCallEntry // dozeCalls, which must not be named by what it names
	open    *dozeThread                 // whose line has no end yet
}

// Values of dozeThread.traced.
const (
	dozeTraceNone  = iota
	dozeTraceMade  // the call is made, nothing is printed
	dozeTraceBegun // its line has begun, or is there up to "unfinished"
)

// dozeTraceInit takes the list of calls to print.
func dozeTraceInit(list string) {
	d := &dozeTrace
	if _, ok := d.calls.Set(list); !ok {
		dozeFatal("doze.strace: not a call or a class of calls")
	}
	d.on, d.printer.Read, d.table = true, dozeTraceRead, &dozeCalls
}

// dozeTraceRead copies what the printer wants of the program.
func dozeTraceRead(dst *byte, p, n uintptr) (left uintptr) {
	return dozeUserRead(uintptr(unsafe.Pointer(dst)), p, n)
}

// dozeTraceCall notes a call that t makes. If there is no room for its line the thread
// waits, and makes the call again.
func dozeTraceCall(t *dozeThread, nr uintptr) (waits bool) {
	d := &dozeTrace
	if t.traced != dozeTraceNone || nr != dozeCallNetpollWait && !d.calls.Has(nr) ||
		nr == dozeCallNetpollWait && !d.calls.Has(linux.SysEpollWait) {
		return false
	}
	if !dozeSayRoom(dozeTraceRoom) {
		until := t.until
		dozeWaitAs(dozeWaitBefore|t.resumed<<dozeWaitShift, nil, dozeStreamAddr(1), dozeForever)
		t.until = until
		return true
	}
	t.tracedCall = uint32(nr)
	if nr == linux.SysExit || nr == linux.SysExitGroup {
		e := dozeTraceEvent(t)
		dozeTraceSay(t, d.printer.Endless(&e))
		return false
	}
	t.traced = dozeTraceMade
	return false
}

// dozeTraceEvent is t's call as its registers have it. Netpoll's wait, in nanoseconds, is
// shown as the epoll_wait that it stands for.
func dozeTraceEvent(t *dozeThread) strace.Event {
	e := strace.Event{Thread: t.tid, Number: uintptr(t.tracedCall), Result: t.rax,
		Args: [6]uintptr{t.rdi, t.rsi, t.rdx, t.r10, t.r8, t.r9}}
	if e.Number == dozeCallNetpollWait {
		e.Number = linux.SysEpollWait
		if ns := int64(t.r10); ns > 0 {
			e.Args[3] = uintptr((ns + 999_999) / 1_000_000)
		}
	}
	if c := &dozeTrace.table[e.Number]; c.serve == nil {
		e.Why = c.note
	}
	return e
}

// dozeTraceSay prints a line, behind an end for that of a thread that waits.
func dozeTraceSay(t *dozeThread, line []byte) {
	d := &dozeTrace
	if d.open != nil && d.open != t {
		dozeSayString(strace.Unfinished)
		d.open = nil
	}
	dozeSay(uintptr(unsafe.Pointer(unsafe.SliceData(line))), uintptr(len(line)))
}

func dozeSayString(s string) {
	dozeSay(uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(len(s)))
}

// dozeTraceWaits begins the line of a call that waits. Without room for it the call
// is printed when it is over.
func dozeTraceWaits(t *dozeThread) {
	d := &dozeTrace
	if t.traced != dozeTraceMade || !dozeSayRoom(dozeTraceRoom) {
		return
	}
	e := dozeTraceEvent(t)
	line, shown := d.printer.Begun(&e)
	dozeTraceSay(t, line)
	t.traced, t.tracedShown, d.open = dozeTraceBegun, uint8(shown), t
}

// dozeTraceOver prints the result of the current thread's call if it is over. Without
// room the thread waits, and another is current then: it returns false.
func dozeTraceOver(t *dozeThread) bool {
	if t.at != 0 || t.waits != dozeWaitNone {
		return true
	}
	if !dozeSayRoom(dozeTraceRoom) {
		dozeFutexEnqueue(t, dozeStreamAddr(1))
		t.state = dozeStateIOWait
		dozeSchedule()
		return false
	}
	dozeTraceEnd(t, false)
	return true
}

// dozeTraceEnd prints the end of t's call. restarts says that a handler comes first and
// the call begins anew behind it.
func dozeTraceEnd(t *dozeThread, restarts bool) {
	d := &dozeTrace
	e := dozeTraceEvent(t)
	shown := int(t.tracedShown)
	begun, open := t.traced == dozeTraceBegun, d.open == t
	t.traced = dozeTraceNone
	switch {
	case restarts && !begun:
		return // there is nothing to be seen of it
	case restarts:
		if open {
			dozeSayString(strace.Unfinished)
		}
		dozeTraceSay(t, d.printer.Restarted(&e, shown))
	case open:
		dozeTraceSay(t, d.printer.Ended(&e, shown))
	case begun:
		dozeTraceSay(t, d.printer.Resumed(&e, shown))
	default:
		dozeTraceSay(t, d.printer.Whole(&e))
	}
	if open {
		d.open = nil
	}
}
