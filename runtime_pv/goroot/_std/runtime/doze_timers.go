package runtime

// The program's timers: setitimer and timer_create. Those of CPU time count while
// their thread has a vCPU, so they are armed only then; runtime/pprof uses them.

import (
	"internal/runtime/doze/mmio"
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
	kind     uint8
	sig      uint8
	code     int8
	used     bool
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

// set arms the timer for a time of its clock, or disarms it with dozeForever.
func (t *dozeTimer) set(due int64) {
	t.expires = due
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
		due = min(due, x.expires)
	}
	if t.kind == dozeTimerProcess {
		dozeProcess.cpuDue = due
	} else {
		t.thread.cpuDue = due
	}
}

// dozeTimerFires sends a timer's signal and arms it for the next time after now.
func dozeTimerFires(t *dozeTimer, now int64) {
	next := dozeForever
	if t.interval > 0 {
		next = t.expires + (now-t.expires)/t.interval*t.interval + t.interval
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
		if x.expires <= now {
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
		return dozeErr(dozeEINVAL)
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

// dozeTimerCreate serves timer_create(2). Timers that would start a thread are
// libc's business.
func dozeTimerCreate(t *dozeThread, clock, event, id uintptr) uintptr {
	const (
		evSigno, evNotify, evThread         = 8, 12, 16 // struct sigevent
		notifySignal, notifyNone, notifyTID = 0, 1, 4
		realtime, monotonic, boottime       = 0, 1, 7
		processCPU, threadCPU               = 2, 3
	)
	kind, sig, target := uint8(dozeTimerReal), uint32(_SIGALRM), (*dozeThread)(nil)
	notify := uint32(notifySignal)
	if event != 0 {
		sig, notify = mmio.Load32(event+evSigno), mmio.Load32(event+evNotify)
	}
	switch notify {
	case notifyTID:
		if target = dozeByTID(uintptr(mmio.Load32(event + evThread))); target == nil {
			return dozeErr(dozeEINVAL)
		}
	case notifySignal, notifyNone:
	default:
		return dozeErr(dozeEINVAL)
	}
	switch clock {
	case realtime, monotonic, boottime:
	case processCPU:
		kind = dozeTimerProcess
	case threadCPU:
		// Of the caller: another target would need the caller's time and the
		// target's signal.
		if kind = dozeTimerThread; target != t {
			return dozeErr(dozeENOTSUP)
		}
	default:
		return dozeErr(dozeEINVAL)
	}
	if sig == 0 || sig >= dozeSignals {
		return dozeErr(dozeEINVAL)
	}
	n := dozeNewTimer(kind, uint8(sig), dozeSiTimer, target)
	if n == nil {
		return dozeErr(dozeEAGAIN)
	}
	mmio.Store32(id, uint32(n.id()))
	return 0
}

// dozeTimerSettime serves timer_settime(2). A wall-clock time is taken as it stands
// now: the wall clock is not set here.
func dozeTimerSettime(id, flags, new, old uintptr) uintptr {
	const absolute = 1
	t := dozeTimerByID(id)
	if t == nil {
		return dozeErr(dozeEINVAL)
	}
	if old != 0 {
		t.show(old, 1)
	}
	t.interval = dozeTimespec(new, 1)
	value := dozeTimespec(new+16, 1)
	switch {
	case value == 0:
		value = dozeForever
	case flags&absolute == 0:
		value += t.now()
	}
	t.set(value)
	return 0
}

func dozeTimerGettime(id, p uintptr) uintptr {
	t := dozeTimerByID(id)
	if t == nil {
		return dozeErr(dozeEINVAL)
	}
	t.show(p, 1)
	return 0
}

// show writes interval and time left, in units of unit ns below the seconds.
func (t *dozeTimer) show(p uintptr, unit int64) {
	left := int64(0)
	if t.expires != dozeForever {
		left = max(t.expires-t.now(), unit)
	}
	dozePutTimespec(p, t.interval, unit)
	dozePutTimespec(p+16, left, unit)
}

// dozeTimespec reads a time in ns: struct timespec with unit 1, timeval with 1000.
func dozeTimespec(p uintptr, unit int64) int64 {
	sec, frac := int64(mmio.Load64(p)), int64(mmio.Load64(p+8))
	if sec > 1<<33 {
		return dozeForever >> 1
	}
	return max(sec*1e9+frac*unit, 0)
}

func dozePutTimespec(p uintptr, ns, unit int64) {
	mmio.Store64(p, uint64(ns/1e9))
	mmio.Store64(p+8, uint64(ns%1e9/unit))
}

// dozeItimers are setitimer's three.
var dozeItimers = [3]struct{ kind, sig uint8 }{
	{dozeTimerReal, _SIGALRM}, {dozeTimerProcess, _SIGVTALRM}, {dozeTimerProcess, _SIGPROF},
}

func dozeSetitimer(which, new, old uintptr) uintptr {
	const micro = 1000
	if which >= uintptr(len(dozeItimers)) {
		return dozeErr(dozeEINVAL)
	}
	t := dozeTimerTable.own[which]
	if t == nil {
		t = dozeNewTimer(dozeItimers[which].kind, dozeItimers[which].sig, dozeSiKernel, nil)
		if t == nil {
			return dozeErr(dozeENOMEM)
		}
		dozeTimerTable.own[which] = t
	}
	if old != 0 {
		t.show(old, micro)
	}
	if new == 0 {
		return 0
	}
	t.interval = dozeTimespec(new, micro)
	value := dozeTimespec(new+16, micro)
	if value == 0 {
		value = dozeForever
	} else {
		value += t.now()
	}
	t.set(value)
	return 0
}

func dozeGetitimer(which, p uintptr) uintptr { return dozeSetitimer(which, 0, p) }
