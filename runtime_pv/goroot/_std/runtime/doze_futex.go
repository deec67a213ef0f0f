package runtime

// Futexes, and sleeping until a deadline.

import (
	"internal/runtime/doze/linux"
	"internal/runtime/doze/mmio"
)

// A bucket is a list of waiting threads, oldest first.
const dozeBuckets = 64

var dozeFutexes [dozeBuckets]struct{ head, tail *dozeThread }

func dozeBucket(addr uintptr) *struct{ head, tail *dozeThread } {
	return &dozeFutexes[(addr>>3*0x9e3779b97f4a7c15)>>58]
}

func dozeFutexEnqueue(t *dozeThread, addr uintptr) {
	b := dozeBucket(addr)
	t.futex, t.next, t.bits = addr, nil, dozeAllBits
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

// dozeAllBits are the bits of a wait or a wake that asks for none.
const dozeAllBits = ^uint32(0)

// dozeFutex serves futex(2): waits and wakes, without those that move waiters or
// inherit priorities.
func dozeFutex(addr, op, val, timeout, bits uintptr) uintptr {
	const (
		wait, wake         = 0, 1
		waitBits, wakeBits = 9, 10
		private, realtime  = 128, 256
		command            = ^uint32(private | realtime)
	)
	clock, flags := uintptr(dozeClockMonotonic), uintptr(0)
	deadline, errno := dozeForever, uintptr(0)
	do := uint32(op) & command
	if do == waitBits {
		flags = dozeTimerAbstime
	}
	if op&realtime != 0 {
		clock = dozeClockRealtime
	}
	if timeout != 0 && (do == wait || do == waitBits) {
		if deadline, errno = dozeDeadline(clock, flags, timeout); errno != 0 {
			return dozeErr(errno)
		}
	}
	switch {
	case do != wait && do != wake && do != waitBits && do != wakeBits, op&realtime != 0 && do != waitBits:
		return dozeErr(linux.ENOSYS)
	case do == wait || do == wake:
		bits = uintptr(dozeAllBits)
	case uint32(bits) == 0:
		return dozeErr(linux.EINVAL)
	}
	switch {
	case addr&3 != 0:
		return dozeErr(linux.EINVAL)
	case addr > dozeUserLimit:
		return dozeErr(linux.EFAULT)
	case do == wake || do == wakeBits:
		return dozeFutexWake(addr, max(uintptr(max(int32(val), 0)), 1), uint32(bits))
	}
	if v, ok := dozeGetWord(addr); !ok {
		return dozeErr(linux.EFAULT)
	} else if v != uint32(val) {
		return dozeErr(linux.EAGAIN)
	}
	return dozeFutexSleep(addr, deadline, uint32(bits))
}

func dozeFutexSleep(addr uintptr, deadline int64, bits uint32) uintptr {
	t := dozeCurrent()
	if dozeSignalled(t) {
		return dozeErr(linux.EINTR)
	}
	t.rax = 0
	dozeFutexEnqueue(t, addr)
	t.bits = bits
	if deadline != dozeForever {
		dozeAlarmAdd(&t.alarm, deadline)
	}
	dozeBlockThread(t, dozeStateFutexWait)
	return dozeKeep
}

// dozeFutexWake wakes up to n threads that wait on addr for one of the bits, and
// returns how many.
func dozeFutexWake(addr, n uintptr, bits uint32) uintptr {
	var woken uintptr
	b := dozeBucket(addr)
	for x := b.head; x != nil && woken < n; {
		next := x.next
		if x.futex == addr && x.bits&bits != 0 {
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

// dozeSleepUntil makes the current thread wait until the deadline. A sleep that
// is shorter than a wake-up costs becomes a yield. A signal handler ends it: what is
// left is written to rem unless that is 0.
func dozeSleepUntil(deadline int64, rem uintptr) uintptr {
	t := dozeCurrent()
	t.rax, t.rem, t.until = 0, rem, deadline
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
		return dozeSleepCut(t)
	}
	if deadline != dozeForever {
		dozeAlarmAdd(&t.alarm, deadline)
	}
	dozeBlockThread(t, dozeStateSleeping)
	return dozeKeep
}

// dozeSleepCut is the result of a sleep that a signal ends.
func dozeSleepCut(t *dozeThread) uintptr {
	if t.rem == 0 {
		return dozeErr(linux.EINTR)
	}
	left := dozeTimespecOf(max(t.until-dozeNow(), 0))
	return dozePutOr(t.rem, &left, dozeErr(linux.EINTR))
}
