package runtime

// The clocks of a program (clock_gettime(2)), and the one way from a time that a call
// names to a deadline of the kernel's.

import "internal/runtime/doze/linux"

// Clocks (linux/time.h).
const (
	dozeClockRealtime        = 0
	dozeClockMonotonic       = 1
	dozeClockProcess         = 2
	dozeClockThread          = 3
	dozeClockMonotonicRaw    = 4
	dozeClockRealtimeCoarse  = 5
	dozeClockMonotonicCoarse = 6
	dozeClockBoottime        = 7
	dozeClockTAI             = 11 // as realtime: nobody sets its distance
)

// dozeTimerAbstime says that a time is a point, not a distance (linux/time.h).
const dozeTimerAbstime = 1

// dozeTimespec is struct timespec.
type dozeTimespec struct{ sec, nsec int64 }

// dozeTimeval is struct timeval.
type dozeTimeval struct{ sec, usec int64 }

func dozeTimespecOf(ns int64) dozeTimespec { return dozeTimespec{ns / 1e9, ns % 1e9} }

func dozeTimevalOf(ns int64) dozeTimeval { return dozeTimeval{ns / 1e9, ns % 1e9 / 1000} }

// dozeMostSeconds is the longest time that counts as one. What is longer never comes.
const dozeMostSeconds = 1 << 33

// ns returns the time in ns, dozeForever if it is longer than any clock goes, or
// EINVAL.
func (ts dozeTimespec) ns() (ns int64, errno uintptr) {
	switch {
	case ts.sec < 0 || ts.nsec < 0 || ts.nsec >= 1e9:
		return 0, linux.EINVAL
	case ts.sec > dozeMostSeconds:
		return dozeForever, 0
	}
	return ts.sec*1e9 + ts.nsec, 0
}

func (tv dozeTimeval) ns() (ns int64, errno uintptr) {
	if tv.usec < 0 || tv.usec >= 1e6 {
		return 0, linux.EINVAL
	}
	return dozeTimespec{tv.sec, tv.usec * 1000}.ns()
}

// dozeDeadline turns the struct timespec at the program's p, of a clock, into a
// deadline. The flags say whether it is a distance from now. Only clocks that go on
// by themselves have deadlines.
func dozeDeadline(clock, flags, p uintptr) (deadline int64, errno uintptr) {
	var ts dozeTimespec
	if !dozeGet(p, &ts) {
		return 0, linux.EFAULT
	}
	ns, errno := ts.ns()
	return dozeDeadlineAt(clock, flags, ns), errno
}

// dozeDeadlineAt is dozeDeadline for a time in ns. A wall-clock time is taken as the
// clock stands now.
func dozeDeadlineAt(clock, flags uintptr, ns int64) int64 {
	wall := clock == dozeClockRealtime || clock == dozeClockTAI
	switch {
	case ns == dozeForever:
		return dozeForever
	case flags&dozeTimerAbstime == 0:
		return dozeNow() + ns
	case wall:
		return ns - (dozeWallNow() - dozeNow())
	}
	return ns
}

// dozeCPUClock finds whose CPU time a clock counts whose number is negative
// (linux/posix-timers.h): a thread's, or with nil the process's.
func dozeCPUClock(t *dozeThread, clock int32) (of *dozeThread, ok bool) {
	const perThread, kind, descriptor = 4, 3, 3
	id := ^(clock >> 3)
	switch {
	case clock&kind == descriptor:
		return nil, false
	case clock&perThread == 0:
		return nil, id == 0 || id == dozeMainTID
	case id == 0:
		return t, true
	}
	of = dozeByTID(uintptr(id))
	return of, of != nil
}

// dozeClockRead reads a clock. It returns false if there is none of that number.
func dozeClockRead(t *dozeThread, clock uintptr) (ns int64, ok bool) {
	switch id := int32(clock); id {
	case dozeClockRealtime, dozeClockRealtimeCoarse, dozeClockTAI:
		return dozeWallNow(), true
	case dozeClockMonotonic, dozeClockMonotonicRaw, dozeClockMonotonicCoarse, dozeClockBoottime:
		return dozeNow(), true
	case dozeClockProcess:
		return dozeProcessTime(), true
	case dozeClockThread:
		return dozeThreadTime(t), true
	default:
		if id >= 0 {
			return 0, false
		}
		of, ok := dozeCPUClock(t, id)
		switch {
		case !ok:
			return 0, false
		case of == nil:
			return dozeProcessTime(), true
		}
		return dozeThreadTime(of), true
	}
}

func dozeClockGettime(t *dozeThread, clock, p uintptr) uintptr {
	ns, ok := dozeClockRead(t, clock)
	if !ok {
		return dozeErr(linux.EINVAL)
	}
	ts := dozeTimespecOf(ns)
	return dozePutOr(p, &ts, 0)
}

// dozeClockGetres serves clock_getres(2): every clock counts nanoseconds.
func dozeClockGetres(t *dozeThread, clock, p uintptr) uintptr {
	if _, ok := dozeClockRead(t, clock); !ok {
		return dozeErr(linux.EINVAL)
	}
	if p == 0 {
		return 0
	}
	ts := dozeTimespec{0, 1}
	return dozePutOr(p, &ts, 0)
}

// dozeClockSettime serves clock_settime(2): the wall clock is the host's.
func dozeClockSettime(t *dozeThread, clock, p uintptr) uintptr {
	if int32(clock) > dozeClockRealtime {
		return dozeErr(linux.EINVAL)
	}
	if _, errno := dozeDeadline(clock, dozeTimerAbstime, p); errno != 0 {
		return dozeErr(errno)
	}
	if _, ok := dozeClockRead(t, clock); !ok {
		return dozeErr(linux.EINVAL)
	}
	return dozeErr(linux.EPERM)
}

// dozeGettimeofday serves gettimeofday(2). There is no time zone.
func dozeGettimeofday(p, zone uintptr) uintptr {
	tv, none := dozeTimevalOf(dozeWallNow()), uint64(0)
	if p != 0 && !dozePut(p, &tv) || zone != 0 && !dozePut(zone, &none) {
		return dozeErr(linux.EFAULT)
	}
	return 0
}

// dozeTimeCall serves time(2).
func dozeTimeCall(p uintptr) uintptr {
	sec := dozeWallNow() / 1e9
	if p != 0 {
		return dozePutOr(p, &sec, uintptr(sec))
	}
	return uintptr(sec)
}

// dozeNanosleep serves nanosleep(2).
func dozeNanosleep(ts, rem uintptr) uintptr {
	deadline, errno := dozeDeadline(dozeClockMonotonic, 0, ts)
	if errno != 0 {
		return dozeErr(errno)
	}
	return dozeSleepUntil(deadline, rem)
}

// dozeNoSleep says why nobody can sleep by a clock. Nobody can by the CPU time of
// others here.
func dozeNoSleep(t *dozeThread, clock uintptr) (errno uintptr) {
	const kind, descriptor = 3, 3
	if id := int32(clock); id < 0 && id&kind != descriptor {
		if of, ok := dozeCPUClock(t, id); !ok || of == t {
			return linux.EINVAL
		}
	} else if _, ok := dozeClockRead(t, clock); !ok && id >= 0 {
		return linux.EINVAL
	}
	return linux.EOPNOTSUPP
}

// dozeClockNanosleep serves clock_nanosleep(2) by clocks that go on by themselves.
func dozeClockNanosleep(t *dozeThread, clock, flags, ts, rem uintptr) uintptr {
	switch clock {
	case dozeClockRealtime, dozeClockMonotonic, dozeClockBoottime, dozeClockTAI:
	default:
		return dozeErr(dozeNoSleep(t, clock))
	}
	deadline, errno := dozeDeadline(clock, flags, ts)
	if errno != 0 {
		return dozeErr(errno)
	}
	if flags&dozeTimerAbstime != 0 {
		rem = 0
	}
	return dozeSleepUntil(deadline, rem)
}
