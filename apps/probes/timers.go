package main

import (
	"fmt"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sigevent is struct sigevent of siginfo.h.
type sigevent struct {
	value         uint64
	signo, notify int32
	thread        int32
	_             [44]byte
}

const (
	notifySignal = 0
	notifyNone   = 1
	notifyThread = 2
	notifyTID    = 4
)

// newTimer makes a timer; its number comes with the answer.
func newTimer(clock int, e *sigevent) (int, string) {
	var id int32
	answer := done(syscall.SYS_TIMER_CREATE, clock, e, &id)
	return int(id), answer
}

func end(id int) { raw(syscall.SYS_TIMER_DELETE, id) }

func timers() (all []probe) {
	add := func(name string, ask func() string) { all = append(all, probe{name, ask}) }
	for _, id := range []int{0, 1, 2, 4, 5, 6, 7, 11, 12, 99} {
		add(fmt.Sprint("create clock ", id), func() string {
			t, answer := newTimer(id, &sigevent{signo: 10, notify: notifyNone})
			if answer == "ok" {
				end(t)
			}
			return answer
		})
	}
	for _, e := range []sigevent{
		{signo: 0}, {signo: 65}, {signo: 64}, {signo: -1}, {signo: 10, notify: 3}, {signo: 10, notify: 5}, {signo: 10, notify: notifyThread},
		{signo: 0, notify: notifyNone}, {signo: 99, notify: notifyNone}, {signo: 10, notify: notifyTID}, {signo: 10, notify: notifyTID, thread: 4194000},
	} {
		add(fmt.Sprintf("create signal %d notify %d thread %d", e.signo, e.notify, e.thread), func() string {
			t, answer := newTimer(1, &e)
			if answer == "ok" {
				end(t)
			}
			return answer
		})
	}
	for _, id := range []int{-1, 12345, math.MaxInt32} {
		add(fmt.Sprint("gettime of none ", id), func() string { return done(syscall.SYS_TIMER_GETTIME, id, &[4]int64{}) })
		add(fmt.Sprint("settime of none ", id), func() string { return done(syscall.SYS_TIMER_SETTIME, id, 0, &[4]int64{}, 0) })
		add(fmt.Sprint("overrun of none ", id), func() string { return done(syscall.SYS_TIMER_GETOVERRUN, id) })
		add(fmt.Sprint("delete of none ", id), func() string { return done(syscall.SYS_TIMER_DELETE, id) })
	}
	for _, v := range [][4]int64{{0, 0, 0, 1e9}, {0, 1e9, 1, 0}, {0, -1, 1, 0}, {-1, 0, 1, 0}, {0, 0, -1, 0}, {0, 0, 0, -1}, {-1, -1, 0, 0}, {0, 0, math.MaxInt64, 0}} {
		add(fmt.Sprint("settime ", v), func() string {
			t, _ := newTimer(1, &sigevent{notify: notifyNone})
			defer end(t)
			return done(syscall.SYS_TIMER_SETTIME, t, 0, &v, 0)
		})
		usec := v
		usec[1], usec[3] = usec[1]/1000, usec[3]/1000
		add(fmt.Sprint("setitimer ", usec), func() string {
			defer raw(syscall.SYS_SETITIMER, 1, &[4]int64{}, 0)
			return done(syscall.SYS_SETITIMER, 1, &usec, 0)
		})
	}
	for _, which := range []int{-1, 0, 1, 2, 3} {
		add(fmt.Sprint("getitimer ", which), func() string {
			v := [4]int64{1, 2, 3, 4}
			answer := done(syscall.SYS_GETITIMER, which, &v)
			return list(answer, fmt.Sprint(v))
		})
	}
	add("setitimer tells the old one", func() string {
		raw(syscall.SYS_SETITIMER, 1, &[4]int64{100, 5, 1000, 0}, 0)
		var old [4]int64
		answer := done(syscall.SYS_SETITIMER, 1, &[4]int64{}, &old)
		return list(answer, fmt.Sprint(old[:2]), fmt.Sprint(old[2] >= 900 && old[2] <= 1000))
	})
	add("setitimer without new", func() string { return done(syscall.SYS_SETITIMER, 1, 0, 0) })
	add("timer that tells nobody sends no signal", func() string {
		c := make(chan os.Signal, 9)
		signal.Notify(c, syscall.SIGUSR1)
		defer signal.Stop(c)
		t, answer := newTimer(1, &sigevent{signo: int32(syscall.SIGUSR1), notify: notifyNone})
		defer end(t)
		raw(syscall.SYS_TIMER_SETTIME, t, 0, &[4]int64{0, 0, 0, 1e6}, 0)
		select {
		case <-c:
			return "a signal"
		case <-time.After(nap):
			var v [4]int64
			raw(syscall.SYS_TIMER_GETTIME, t, &v)
			return list(answer, fmt.Sprint(v))
		}
	})
	add("timer that tells nobody goes on", func() string {
		t, _ := newTimer(1, &sigevent{notify: notifyNone})
		defer end(t)
		raw(syscall.SYS_TIMER_SETTIME, t, 0, &[4]int64{0, 1e6, 0, 1e6}, 0)
		time.Sleep(5 * time.Millisecond)
		var v [4]int64
		raw(syscall.SYS_TIMER_GETTIME, t, &v)
		return fmt.Sprint(v[:2], v[2] == 0 && v[3] > 0 && v[3] <= 1e6)
	})
	for clock, what := range []string{"realtime", "monotonic"} {
		add("absolute "+what+" fires", func() string {
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGUSR1)
			defer signal.Stop(c)
			t, answer := newTimer(clock, &sigevent{signo: int32(syscall.SIGUSR1)})
			defer end(t)
			var now [2]int64
			raw(syscall.SYS_CLOCK_GETTIME, clock, &now)
			ns := now[0]*1e9 + now[1] + 2e6
			raw(syscall.SYS_TIMER_SETTIME, t, 1, &[4]int64{0, 0, ns / 1e9, ns % 1e9}, 0)
			return list(answer, await(beside(func() string { return fmt.Sprint(<-c) })))
		})
	}
	for _, us := range []int64{1, 10, 100} {
		add(fmt.Sprint("setitimer every ", us, " us lets the program go on"), func() string {
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGALRM)
			defer signal.Stop(c)
			raw(syscall.SYS_SETITIMER, 0, &[4]int64{0, us, 0, us}, 0)
			sum := 0
			for i := range 1_000_000 {
				sum += i & 1
			}
			<-c
			raw(syscall.SYS_SETITIMER, 0, &[4]int64{}, 0)
			return fmt.Sprint(sum)
		})
	}
	add("delete twice", func() string {
		t, _ := newTimer(1, nil)
		return list(done(syscall.SYS_TIMER_DELETE, t), done(syscall.SYS_TIMER_DELETE, t))
	})
	return all
}
