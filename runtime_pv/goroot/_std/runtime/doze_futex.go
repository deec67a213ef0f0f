package runtime

// Futexes, and sleeping until a deadline.

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
	if dozeSignalled(t) {
		return dozeErr(dozeEINTR)
	}
	t.state = dozeStateFutexWait
	t.rax = 0
	dozeFutexEnqueue(t, addr)
	if deadline != dozeForever {
		dozeAlarmAdd(&t.alarm, deadline)
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
	dozeAlarmRemove(&t.alarm)
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
		if dozeSched.ready > 0 {
			dozeYield()
			return dozeKeep
		}
		dozeUnlock()
		for dozeNow() < deadline {
			mmio.Pause()
		}
		dozeLock()
		return 0
	}
	if dozeSignalled(t) {
		return dozeErr(dozeEINTR)
	}
	if deadline-dozeNow() > dozeSysmonWake { // longer than the runtime's own: a goroutine sleeps in a call
		dozeLetRetake()
	}
	t.state = dozeStateSleeping
	dozeAlarmAdd(&t.alarm, deadline)
	dozeSchedule()
	return dozeKeep
}
