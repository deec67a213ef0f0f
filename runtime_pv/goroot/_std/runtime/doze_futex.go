package runtime

// Futexes and deadlines: the two ways a thread waits.

import "internal/runtime/doze/mmio"

// A bucket is a list of waiting threads, oldest first.
const dozeBuckets = 64

var dozeFutexes [dozeBuckets]struct{ head, tail *dozeThread }

func dozeBucket(addr uintptr) *struct{ head, tail *dozeThread } {
	return &dozeFutexes[(addr>>3*0x9e3779b97f4a7c15)>>58]
}

func dozeFutexEnqueue(t *dozeThread, addr uintptr) {
	b := dozeBucket(addr)
	t.futex, t.next = addr, nil
	if b.tail == nil {
		b.head = t
	} else {
		b.tail.next = t
	}
	b.tail = t
}

// dozeFutexDequeue takes t out of its bucket, if it is in one.
func dozeFutexDequeue(t *dozeThread) {
	if t.futex == 0 {
		return
	}
	b := dozeBucket(t.futex)
	var prev *dozeThread
	for x := b.head; x != nil; prev, x = x, x.next {
		if x != t {
			continue
		}
		if prev == nil {
			b.head = t.next
		} else {
			prev.next = t.next
		}
		if b.tail == t {
			b.tail = prev
		}
		break
	}
	t.futex, t.next = 0, nil
}

// dozeFutex serves futex(2): WAIT with a relative time-out, and WAKE.
func dozeFutex(addr, op, val, timeout uintptr) uintptr {
	const (
		wait    = 0
		wake    = 1
		command = 0x7f // less FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME
	)
	switch op & command {
	case wait:
		if mmio.Load32(addr) != uint32(val) {
			return dozeErr(dozeEAGAIN)
		}
		deadline := dozeForever
		if timeout != 0 {
			deadline = dozeAfter(timeout)
		}
		return dozeFutexSleep(addr, deadline)
	case wake:
		return dozeFutexWake(addr, val)
	}
	return dozeErr(dozeENOSYS)
}

// dozeAfter turns a relative timespec into a deadline, dozeForever if beyond.
func dozeAfter(ts uintptr) int64 {
	sec, nsec := int64(mmio.Load64(ts)), int64(mmio.Load64(ts+8))
	if sec < 0 || nsec < 0 {
		return dozeNow()
	}
	if sec > 1<<33 {
		return dozeForever
	}
	return dozeNow() + sec*1e9 + nsec
}

func dozeFutexSleep(addr uintptr, deadline int64) uintptr {
	t := dozeCurrent()
	t.state = dozeStateFutexWait
	t.rax = 0
	dozeFutexEnqueue(t, addr)
	if deadline != dozeForever {
		dozeTimerAdd(t, deadline)
	}
	dozeSchedule()
	return dozeKeep
}

func dozeFutexWake(addr, n uintptr) uintptr {
	var woken uintptr
	b := dozeBucket(addr)
	for x := b.head; x != nil && woken < n; {
		next := x.next
		if x.futex == addr {
			dozeWake(x)
			woken++
		}
		x = next
	}
	return woken
}

// dozeWake makes a waiting thread ready, whatever it waits for.
func dozeWake(t *dozeThread) {
	dozeFutexDequeue(t)
	dozeTimerRemove(t)
	if dozeSched.sysmon == t {
		dozeSched.sysmon = nil
	}
	dozeReadyLast(t)
}

// dozeNanosleep makes the current thread wait until the deadline. A sleep that
// is shorter than a wake-up costs becomes a yield.
func dozeNanosleep(deadline int64) uintptr {
	t := dozeCurrent()
	t.rax = 0
	if deadline-dozeNow() < dozeShort {
		if dozeSched.head != nil {
			dozeYield()
			return dozeKeep
		}
		for dozeNow() < deadline {
			mmio.Pause()
		}
		return 0
	}
	if deadline-dozeNow() > dozeSysmonWake { // longer than the runtime's own: a goroutine sleeps in a call
		dozeLetRetake()
	}
	t.state = dozeStateSleeping
	dozeTimerAdd(t, deadline)
	dozeSchedule()
	return dozeKeep
}

// The deadlines: a binary heap of threads, the earliest first, so that any
// number of sleepers costs a logarithm.
var dozeTimers struct {
	at [dozeMaxThreads]*dozeThread
	n  int32
}

func dozeTimerAdd(t *dozeThread, deadline int64) {
	h := &dozeTimers
	t.deadline = deadline
	dozeTimerPut(t, h.n)
	h.n++
	dozeTimerUp(t)
}

func dozeTimerPut(t *dozeThread, i int32) {
	dozeTimers.at[i] = t
	t.heap = i
}

func dozeTimerUp(t *dozeThread) {
	h := &dozeTimers
	for t.heap > 0 {
		p := h.at[(t.heap-1)/2]
		if p.deadline <= t.deadline {
			return
		}
		i := p.heap
		dozeTimerPut(p, t.heap)
		dozeTimerPut(t, i)
	}
}

func dozeTimerDown(t *dozeThread) {
	h := &dozeTimers
	for {
		i := 2*t.heap + 1
		if i >= h.n {
			return
		}
		if i+1 < h.n && h.at[i+1].deadline < h.at[i].deadline {
			i++
		}
		c := h.at[i]
		if t.deadline <= c.deadline {
			return
		}
		dozeTimerPut(c, t.heap)
		dozeTimerPut(t, i)
	}
}

func dozeTimerRemove(t *dozeThread) {
	if t.heap < 0 {
		return
	}
	h := &dozeTimers
	h.n--
	last, i := h.at[h.n], t.heap
	h.at[h.n] = nil
	t.heap, t.deadline = -1, dozeForever
	if last != t {
		dozeTimerPut(last, i)
		dozeTimerUp(last)
		dozeTimerDown(last)
	}
}

// dozeExpire makes ready whose deadline has passed.
func dozeExpire(now int64) {
	h := &dozeTimers
	for h.n > 0 && h.at[0].deadline <= now {
		t := h.at[0]
		dozeTimerRemove(t)
		dozeFutexDequeue(t)
		if t.state == dozeStateFutexWait {
			t.rax = dozeErr(dozeETIMEDOUT)
		}
		dozeReadyFirst(t)
	}
}

// dozeNextDeadline is the earliest deadline that may wake an idle machine.
func dozeNextDeadline() int64 {
	if dozeTimers.n == 0 {
		return dozeForever
	}
	return dozeTimers.at[0].deadline
}
