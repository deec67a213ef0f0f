package runtime

// Deadlines: of threads that wait and of the program's timers, in a binary heap, the
// earliest first, so that any number of them costs a logarithm.

import (
	"internal/runtime/doze/linux"
	"internal/runtime/sys"
	"unsafe"
)

// dozeAlarm is part of what has a deadline.
type dozeAlarm struct {
	_        sys.NotInHeap
	deadline int64 // kvmclock ns, dozeForever if none
	heap     int32 // index in dozeAlarms, -1 if none
	kind     uint32
}

// Kinds of alarms: what they are part of.
const (
	dozeAlarmThread = iota
	dozeAlarmTimer
	dozeAlarmChange // of the number of vCPUs, which the program has not answered
)

var dozeAlarms struct {
	at [dozeMaxThreads + dozeMaxTimers + 1]*dozeAlarm
	n  int32
}

func dozeAlarmAdd(a *dozeAlarm, deadline int64) {
	h := &dozeAlarms
	a.deadline = deadline
	dozeAlarmPut(a, h.n)
	h.n++
	dozeAlarmUp(a)
}

func dozeAlarmPut(a *dozeAlarm, i int32) {
	dozeAlarms.at[i] = a
	a.heap = i
}

func dozeAlarmUp(a *dozeAlarm) {
	h := &dozeAlarms
	for a.heap > 0 {
		p := h.at[(a.heap-1)/2]
		if p.deadline <= a.deadline {
			return
		}
		i := p.heap
		dozeAlarmPut(p, a.heap)
		dozeAlarmPut(a, i)
	}
}

func dozeAlarmDown(a *dozeAlarm) {
	h := &dozeAlarms
	for {
		i := 2*a.heap + 1
		if i >= h.n {
			return
		}
		if i+1 < h.n && h.at[i+1].deadline < h.at[i].deadline {
			i++
		}
		c := h.at[i]
		if a.deadline <= c.deadline {
			return
		}
		dozeAlarmPut(c, a.heap)
		dozeAlarmPut(a, i)
	}
}

func dozeAlarmRemove(a *dozeAlarm) {
	if a.heap < 0 {
		return
	}
	h := &dozeAlarms
	h.n--
	last, i := h.at[h.n], a.heap
	h.at[h.n] = nil
	a.heap, a.deadline = -1, dozeForever
	if last != a {
		dozeAlarmPut(last, i)
		dozeAlarmUp(last)
		dozeAlarmDown(last)
	}
}

// dozeExpire serves the alarms whose deadline has passed: threads become ready.
func dozeExpire(now int64) {
	h := &dozeAlarms
	for h.n > 0 && h.at[0].deadline <= now {
		a := h.at[0]
		dozeAlarmRemove(a)
		if a.kind == dozeAlarmTimer {
			dozeTimerFires((*dozeTimer)(unsafe.Pointer(a)), now)
			continue
		}
		if a.kind == dozeAlarmChange {
			dozeChangeUnanswered()
			continue
		}
		t := (*dozeThread)(dozePtr(uintptr(unsafe.Pointer(a)) &^ (dozeThreadSize - 1)))
		dozeFutexDequeue(t)
		if t.state == dozeStateFutexWait {
			t.rax = dozeErr(linux.ETIMEDOUT)
		}
		dozeReadyFirst(t)
	}
}

// dozeNextDeadline is the earliest deadline that may wake an idle machine.
func dozeNextDeadline() int64 {
	if dozeAlarms.n == 0 {
		return dozeForever
	}
	return dozeAlarms.at[0].deadline
}
