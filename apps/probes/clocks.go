package main

import (
	"fmt"
	"math"
	"syscall"
	"time"
)

// clockIDs are the clocks of Linux, some numbers beyond, and CPU clocks of a process and
// a thread as clock_getcpuclockid makes them.
var clockIDs = []int{0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 16, 99, math.MinInt32, cpuClock(0, 2), cpuClock(0, 6), cpuClock(4194000, 2), cpuClock(4194000, 6), cpuClock(0, 3)}

// cpuClock is the number of the CPU clock of a process or thread (linux/posix-timers.h).
func cpuClock(id, kind int) int { return ^id<<3 | kind }

func clocks() (all []probe) {
	add := func(name string, ask func() string) { all = append(all, probe{name, ask}) }
	for _, id := range clockIDs {
		add(fmt.Sprint("gettime ", id), func() string {
			var ts [2]int64
			answer := done(syscall.SYS_CLOCK_GETTIME, id, &ts)
			if answer == "ok" && (ts[0] < 0 || ts[1] < 0 || ts[1] >= 1e9 || ts[0] == 0 && ts[1] == 0) {
				return fmt.Sprint("a time of ", ts)
			}
			return answer
		})
		add(fmt.Sprint("getres ", id), func() string {
			var ts [2]int64
			answer := done(syscall.SYS_CLOCK_GETRES, id, &ts)
			return list(answer, fmt.Sprint(ts[0]))
		})
		add(fmt.Sprint("getres nowhere ", id), func() string { return done(syscall.SYS_CLOCK_GETRES, id, 0) })
		add(fmt.Sprint("settime ", id), func() string { return done(syscall.SYS_CLOCK_SETTIME, id, 0) })
		// A time in the past, or none: nothing waits.
		for _, flags := range []int{0, 1, 2} {
			if flags != 1 && (id == 2 || id < 0) {
				continue // the time of who sleeps does not pass
			}
			add(fmt.Sprintf("nanosleep %d flags %d", id, flags), func() string {
				return done(syscall.SYS_CLOCK_NANOSLEEP, id, flags, &[2]int64{0, 1}, 0)
			})
		}
	}
	for _, ts := range badTimes {
		name := fmt.Sprintf("%d.%d", ts[0], ts[1])
		add("nanosleep "+name, func() string { return done(syscall.SYS_NANOSLEEP, &ts, 0) })
		add("clock_nanosleep "+name, func() string { return done(syscall.SYS_CLOCK_NANOSLEEP, 1, 0, &ts, 0) })
		add("clock_nanosleep absolute "+name, func() string { return done(syscall.SYS_CLOCK_NANOSLEEP, 1, 1, &ts, 0) })
		add("clock_nanosleep realtime "+name, func() string { return done(syscall.SYS_CLOCK_NANOSLEEP, 0, 1, &ts, 0) })
		add("futex wait "+name, func() string {
			var w uint32
			return done(syscall.SYS_FUTEX, &w, 128, 0, &ts)
		})
		add("ppoll "+name, func() string { return call(syscall.SYS_PPOLL, 0, 0, &ts, 0, 8) })
	}
	add("nanosleep realtime, now and a little", func() string {
		t := time.Now().Add(2 * time.Millisecond)
		ts := [2]int64{t.Unix(), int64(t.Nanosecond())}
		answer := await(beside(func() string { return done(syscall.SYS_CLOCK_NANOSLEEP, 0, 1, &ts, 0) }))
		return list(answer, fmt.Sprint(!time.Now().Before(t.Round(0))))
	})
	add("nanosleep TAI, now and a little", func() string {
		var ts [2]int64
		_, e := raw(syscall.SYS_CLOCK_GETTIME, 11, &ts)
		ts[1] = (ts[1] + 2e6) % 1e9
		must(e)
		return await(beside(func() string { return done(syscall.SYS_CLOCK_NANOSLEEP, 11, 1, &ts, 0) }))
	})
	add("clocks agree", func() string {
		var real, tai, coarse, mono, boot [2]int64
		for i, ts := range []*[2]int64{&real, &tai, &coarse, &mono, &boot} {
			_, e := raw(syscall.SYS_CLOCK_GETTIME, []int{0, 11, 5, 1, 7}[i], ts)
			must(e)
		}
		near := func(a, b [2]int64, most int64) bool { return a[0]-b[0] <= most && b[0]-a[0] <= most }
		return fmt.Sprint(near(real, tai, 60), near(real, coarse, 20), boot[0] >= mono[0])
	})
	add("gettimeofday zone", func() string {
		zone := [2]int32{7, 7}
		answer := done(syscall.SYS_GETTIMEOFDAY, 0, &zone)
		return list(answer, fmt.Sprint(zone))
	})
	add("time tells the same twice", func() string {
		var t int64
		v, e := raw(syscall.SYS_TIME, &t)
		return list(name(e), fmt.Sprint(int64(v) == t))
	})
	for _, id := range []int{2, 3} {
		add(fmt.Sprint("CPU clock counts ", id), func() string {
			return apart(func() string {
				var a, b [2]int64
				_, e := raw(syscall.SYS_CLOCK_GETTIME, id, &a)
				must(e)
				for b[0]*1e9+b[1] < a[0]*1e9+a[1]+1e6 {
					_, e = raw(syscall.SYS_CLOCK_GETTIME, id, &b)
					must(e)
				}
				return "yes"
			})
		})
	}
	return all
}

// badTimes are times that no call takes, or that are past.
var badTimes = [][2]int64{{0, 1e9}, {0, -1}, {-1, 0}, {-1, 1e9}, {math.MinInt64, 0}, {0, math.MaxInt64}, {0, 0}}
