package runtime

// The program's timers: setitimer and timer_create. Those of CPU time count while
// their thread has a vCPU, so they are armed only then; runtime/pprof uses them.

import (
	"internal/runtime/doze/linux"
	"internal/runtime/sys"
	"unsafe"
)

const (
	dozeMaxTimers = 11000 // more than one for each thread
	dozeTimerSize = 64    // bytes of a dozeTimer
)

// dozeTimer is one timer.
type dozeTimer struct {
	_        sys.NotInHeap
	alarm    dozeAlarm // of clocks that pass by themselves; first, so that dozeExpire finds the rest
	next     *dozeTimer
	thread   *dozeThread // whose signal it is, nil: the process's; and whose CPU time
	interval int64       // ns, 0: once
	expires  int64       // when it fires, by its clock; dozeForever: disarmed
	overrun  int32       // how often it was due more than once when it last fired
	kind     uint8
	sig      uint8 // 0: it tells nobody
	code     int8
	used     bool
	wall     bool // its clock is the wall clock
}

// Kinds of timers, by their clock.
const (
	dozeTimerReal = iota
	dozeTimerThread
	dozeTimerProcess
)

var dozeTimerTable struct {
	made uintptr
	free *dozeTimer
	own  [3]*dozeTimer // setitimer's
}

func dozeTimerAt(id uintptr) *dozeTimer {
	return (*dozeTimer)(dozePtr(dozeTimerBase + id*dozeTimerSize))
}

func (t *dozeTimer) id() uintptr { return (uintptr(unsafe.Pointer(t)) - dozeTimerBase) / dozeTimerSize }

// dozeTimerByID returns the timer of a number, nil if there is none.
func dozeTimerByID(id uintptr) *dozeTimer {
	id = uintptr(uint32(id))
	if id >= dozeTimerTable.made || !dozeTimerAt(id).used {
		return nil
	}
	return dozeTimerAt(id)
}

func dozeNewTimer(kind, sig uint8, code int8, thread *dozeThread) *dozeTimer {
	d := &dozeTimerTable
	t := d.free
	if t != nil {
		d.free = t.next
	} else {
		at := uintptr(dozeTimerBase + d.made*dozeTimerSize)
		if d.made == dozeMaxTimers || at&(dozePage-1) == 0 && !dozeKernelPage(at) {
			return nil
		}
		t = (*dozeTimer)(dozePtr(at))
		d.made++
	}
	*t = dozeTimer{thread: thread, kind: kind, sig: sig, code: code, used: true, expires: dozeForever}
	t.alarm.kind, t.alarm.heap, t.alarm.deadline = dozeAlarmTimer, -1, dozeForever
	if list := t.list(); list != nil {
		t.next = *list
		*list = t
	}
	return t
}

// list is the list of timers of the same CPU time.
func (t *dozeTimer) list() **dozeTimer {
	switch {
	case t.kind == dozeTimerProcess:
		return &dozeProcess.timers
	case t.kind == dozeTimerThread && t.thread != nil:
		return &t.thread.timers
	}
	return nil
}

// now is the time of the timer's clock.
func (t *dozeTimer) now() int64 {
	switch {
	case t.kind == dozeTimerReal:
		return dozeNow()
	case t.kind == dozeTimerProcess:
		return dozeProcessTime()
	case t.thread == nil:
		return 0
	}
	return dozeThreadTime(t.thread)
}

// set arms the timer for a time of its clock, or disarms it with dozeForever. One
// that tells nobody only knows its time.
func (t *dozeTimer) set(due int64) {
	t.expires = due
	if t.sig == 0 {
		return
	}
	if t.kind == dozeTimerReal {
		dozeAlarmRemove(&t.alarm)
		if due != dozeForever {
			dozeAlarmAdd(&t.alarm, due)
		}
		return
	}
	t.recount()
}

// recount finds the first timer of a CPU time.
func (t *dozeTimer) recount() {
	list := t.list()
	if list == nil {
		return
	}
	due := dozeForever
	for x := *list; x != nil; x = x.next {
		if x.sig != 0 {
			due = min(due, x.expires)
		}
	}
	if t.kind == dozeTimerProcess {
		dozeProcess.cpuDue = due
	} else {
		t.thread.cpuDue = due
	}
}

// dozeTimerGap is the least time between two firings of a timer: a signal costs tens
// of microseconds, and the program must get on in between. What falls into the gap
// is an overrun.
const dozeTimerGap = 200_000 // ns

// dozeTimerFires sends a timer's signal and arms it for the next of its times that is
// not too soon.
func dozeTimerFires(t *dozeTimer, now int64) {
	next := dozeForever
	if t.interval > 0 {
		periods := (now-t.expires)/t.interval + 1
		if soon := now + dozeTimerGap - t.expires; t.interval < dozeTimerGap && soon > 0 {
			periods = max(periods, (soon+t.interval-1)/t.interval)
		}
		next = t.expires + periods*t.interval
		t.overrun = int32(min(periods-1, 1<<31-1))
	}
	t.set(next)
	if t.thread != nil {
		dozeRaise(t.thread, uintptr(t.sig), t.code)
	} else {
		dozeRaiseProcess(uintptr(t.sig), t.code)
	}
}

// dozeCPUTimers fires what is due of the CPU time of t, the current thread, and of
// the process.
func dozeCPUTimers(t *dozeThread) {
	if now := dozeThreadTime(t); t.cpuDue <= now {
		dozeTimersFire(t.timers, now)
	}
	if p := &dozeProcess; p.cpuDue != dozeForever {
		if now := dozeProcessTime(); p.cpuDue <= now {
			dozeTimersFire(p.timers, now)
		}
	}
}

func dozeTimersFire(list *dozeTimer, now int64) {
	for x := list; x != nil; x = x.next {
		if x.sig != 0 && x.expires <= now {
			dozeTimerFires(x, now)
		}
	}
}

// dozeCPUDeadline is the earliest time at which a CPU timer can be due while t has
// the vCPU. For the process's all vCPUs may count.
func dozeCPUDeadline(t *dozeThread) int64 {
	d := dozeForever
	if t.cpuDue != dozeForever {
		d = dozeNow() + max(t.cpuDue-dozeThreadTime(t), 0)
	}
	if due := dozeProcess.cpuDue; due != dozeForever {
		left := max(due-dozeProcessTime(), 0)
		d = min(d, dozeNow()+left/int64(dozeBootInfo.cpus)+dozeCPUTimerGap)
	}
	return d
}

// dozeCPUTimerGap keeps a process timer from being armed for ever shorter times
// as it comes near.
const dozeCPUTimerGap = 100_000 // ns

// dozeTimersOrphan takes a thread that ends from its timers: they never fire again.
func dozeTimersOrphan(t *dozeThread) {
	for x := t.timers; x != nil; x = x.next {
		x.thread, x.expires = nil, dozeForever
	}
	t.timers, t.cpuDue = nil, dozeForever
}

func dozeTimerDelete(id uintptr) uintptr {
	t := dozeTimerByID(id)
	if t == nil {
		return dozeErr(linux.EINVAL)
	}
	t.set(dozeForever)
	if list := t.list(); list != nil {
		for *list != t {
			list = &(*list).next
		}
		*list = t.next
	}
	t.used = false
	t.next = dozeTimerTable.free
	dozeTimerTable.free = t
	return 0
}

// dozeSigevent is the part of struct sigevent that is read (asm-generic/siginfo.h).
type dozeSigevent struct {
	value         uint64
	signo, notify uint32
	thread        uint32
}

// How a timer tells that it has expired (asm-generic/siginfo.h).
const (
	dozeSigevSignal = 0
	dozeSigevNone   = 1
	dozeSigevCall   = 2 // SIGEV_THREAD: libc starts a thread at the signal
	dozeSigevThread = 4 // SIGEV_THREAD_ID
)

// dozeTimerCreate serves timer_create(2).
func dozeTimerCreate(t *dozeThread, clock, event, id uintptr) uintptr {
	e := dozeSigevent{signo: _SIGALRM}
	if event != 0 && !dozeGet(event, &e) {
		return dozeErr(linux.EFAULT)
	}
	var target *dozeThread
	kind, errno := dozeTimerClock(t, clock)
	switch {
	case errno != 0:
		return dozeErr(errno)
	case e.notify == dozeSigevThread:
		if target = dozeByTID(uintptr(e.thread)); target == nil {
			return dozeErr(linux.EINVAL)
		}
	case e.notify > dozeSigevCall:
		return dozeErr(linux.EINVAL)
	}
	switch {
	case e.notify == dozeSigevNone:
		e.signo = 0
	case e.signo == 0 || e.signo >= dozeSignals:
		return dozeErr(linux.EINVAL)
	}
	if kind == dozeTimerThread && target != t {
		// Another target would need the caller's time and the target's signal.
		return dozeErr(linux.EOPNOTSUPP)
	}
	n := dozeNewTimer(kind, uint8(e.signo), dozeSiTimer, target)
	if n == nil {
		return dozeErr(linux.EAGAIN)
	}
	n.wall = clock == dozeClockRealtime || clock == dozeClockTAI
	number := uint32(n.id())
	if !dozePut(id, &number) {
		dozeTimerDelete(n.id())
		return dozeErr(linux.EFAULT)
	}
	return 0
}

// dozeTimerClock is the kind of a timer by a clock.
func dozeTimerClock(t *dozeThread, clock uintptr) (kind uint8, errno uintptr) {
	switch clock {
	case dozeClockRealtime, dozeClockMonotonic, dozeClockBoottime, dozeClockTAI:
		return dozeTimerReal, 0
	case dozeClockProcess:
		return dozeTimerProcess, 0
	case dozeClockThread:
		return dozeTimerThread, 0
	}
	if _, ok := dozeClockRead(t, clock); ok {
		return 0, linux.EOPNOTSUPP
	}
	return 0, linux.EINVAL
}

// dozeItimerspec is struct itimerspec, and dozeItimerval struct itimerval.
type dozeItimerspec struct{ interval, value dozeTimespec }

type dozeItimerval struct{ interval, value dozeTimeval }

// dozeTimerSettime serves timer_settime(2).
func dozeTimerSettime(id, flags, new, old uintptr) uintptr {
	var v dozeItimerspec
	if new == 0 {
		return dozeErr(linux.EINVAL)
	}
	if !dozeGet(new, &v) {
		return dozeErr(linux.EFAULT)
	}
	interval, errno := v.interval.ns()
	value, errno2 := v.value.ns()
	t := dozeTimerByID(id)
	if errno|errno2 != 0 || t == nil {
		return dozeErr(linux.EINVAL)
	}
	before := t.spec()
	t.start(interval, value, flags&dozeTimerAbstime)
	if old != 0 {
		return dozePutOr(old, &before, 0)
	}
	return 0
}

// start sets interval and next time of a timer: that is a time of its clock if
// absolute is not 0, none at all if it is 0.
func (t *dozeTimer) start(interval, value int64, absolute uintptr) {
	t.interval, t.overrun = interval, 0
	if interval == dozeForever {
		t.interval = 0 // its second time never comes
	}
	switch {
	case value == 0:
		value = dozeForever
	case value == dozeForever:
	case t.kind == dozeTimerReal:
		clock := uintptr(dozeClockMonotonic)
		if t.wall {
			clock = dozeClockRealtime
		}
		value = dozeDeadlineAt(clock, absolute, value)
	case absolute == 0:
		value += t.now()
	}
	t.set(value)
}

func dozeTimerGettime(id, p uintptr) uintptr {
	t := dozeTimerByID(id)
	if t == nil {
		return dozeErr(linux.EINVAL)
	}
	v := t.spec()
	return dozePutOr(p, &v, 0)
}

// dozeTimerOverrun serves timer_getoverrun(2).
func dozeTimerOverrun(id uintptr) uintptr {
	t := dozeTimerByID(id)
	if t == nil {
		return dozeErr(linux.EINVAL)
	}
	return uintptr(t.overrun)
}

// left is the interval of a timer and the time until it is due, 0 if it is not armed.
// One that is armed and due right now has 1 ns.
func (t *dozeTimer) left() (interval, left int64) {
	if t.expires == dozeForever {
		return t.interval, 0
	}
	now := t.now()
	if t.sig == 0 && t.expires <= now { // nothing has taken note of it
		if t.interval == 0 {
			return 0, 0
		}
		t.expires += ((now-t.expires)/t.interval + 1) * t.interval
	}
	return t.interval, max(t.expires-now, 1)
}

func (t *dozeTimer) spec() dozeItimerspec {
	interval, left := t.left()
	return dozeItimerspec{dozeTimespecOf(interval), dozeTimespecOf(left)}
}

// dozeItimers are setitimer's three.
var dozeItimers = [3]struct{ kind, sig uint8 }{
	{dozeTimerReal, _SIGALRM}, {dozeTimerProcess, _SIGVTALRM}, {dozeTimerProcess, _SIGPROF},
}

// dozeSetitimer serves setitimer(2).
func dozeSetitimer(which, new, old uintptr) uintptr {
	var v dozeItimerval
	if new != 0 && !dozeGet(new, &v) { // without new it is disarmed
		return dozeErr(linux.EFAULT)
	}
	interval, errno := v.interval.ns()
	value, errno2 := v.value.ns()
	if errno|errno2 != 0 || uint32(which) >= uint32(len(dozeItimers)) {
		return dozeErr(linux.EINVAL)
	}
	t := dozeItimer(which)
	if t == nil {
		return dozeErr(linux.ENOMEM)
	}
	before := t.timeval()
	t.start(interval, value, 0)
	if old != 0 {
		return dozePutOr(old, &before, 0)
	}
	return 0
}

// dozeItimer returns one of setitimer's timers, made when it is first asked for.
func dozeItimer(which uintptr) *dozeTimer {
	own := &dozeTimerTable.own[uint32(which)]
	if *own == nil {
		*own = dozeNewTimer(dozeItimers[uint32(which)].kind, dozeItimers[uint32(which)].sig, dozeSiKernel, nil)
	}
	return *own
}

// timeval is spec for setitimer: what is left is never rounded down to nothing.
func (t *dozeTimer) timeval() dozeItimerval {
	const micro = 1000
	interval, left := t.left()
	if left > 0 {
		left = max(left, micro)
	}
	return dozeItimerval{dozeTimevalOf(interval), dozeTimevalOf(left)}
}

// dozeGetitimer serves getitimer(2).
func dozeGetitimer(which, p uintptr) uintptr {
	if uint32(which) >= uint32(len(dozeItimers)) {
		return dozeErr(linux.EINVAL)
	}
	t := dozeItimer(which)
	if t == nil {
		return dozeErr(linux.ENOMEM)
	}
	v := t.timeval()
	return dozePutOr(p, &v, 0)
}
