package main

import (
	"fmt"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func signals() (all []probe) {
	add := func(name string, ask func() string) {
		all = append(all, probe{name, func() string { return apart(ask) }})
	}
	mask := func(how int, set any, size int) string { return done(syscall.SYS_RT_SIGPROCMASK, how, set, 0, size) }
	current := func() string {
		var v uint64
		raw(syscall.SYS_RT_SIGPROCMASK, 0, 0, &v, 8)
		return fmt.Sprintf("%#x", v)
	}
	add("rt_sigprocmask", func() string {
		all := ^uint64(0)
		none, usr2 := uint64(0), uint64(1<<11)
		answer := list(mask(3, &none, 8), mask(-1, &none, 8), mask(99, 0, 8), mask(0, &none, 4), mask(0, &none, 16), mask(0, 0, 0), mask(2, &usr2, 8), current(), mask(0, &usr2, 8), mask(1, &usr2, 8), current())
		return list(answer, mask(2, &all, 8), current(), mask(2, &none, 8), current())
	})
	action := func(sig int, act, old any, size int) string {
		return done(syscall.SYS_RT_SIGACTION, sig, act, old, size)
	}
	add("rt_sigaction", func() string {
		var v [4]int64
		answer := list(action(0, 0, &v, 8), action(65, 0, &v, 8), action(-1, 0, &v, 8), action(9, 0, &v, 8), action(19, 0, &v, 8), action(10, 0, &v, 4), action(10, 0, &v, 0), action(10, 0, &v, 16), action(10, 0, 0, 8), action(64, 0, &v, 8))
		raw(syscall.SYS_RT_SIGACTION, 9, 0, &v, 8)
		return list(answer, fmt.Sprint(v), action(9, &v, 0, 8), action(19, &v, 0, 8), action(0, &v, 0, 8))
	})
	add("sigaltstack", func() string {
		var old [4]int64
		must0(raw(syscall.SYS_SIGALTSTACK, 0, &old))
		set := func(sp uintptr, flags int32, size int64) string {
			return done(syscall.SYS_SIGALTSTACK, &[4]int64{int64(sp), int64(flags), size}, 0)
		}
		area := mapped(4, 3)
		answer := list(set(area, 0, 100), set(area, 0, 2047), set(area, 4, 8192), set(area, 3, 8192), set(area, 0, 0), set(0, 2, 0), set(0, 1, 8192), set(area, 0, 8192))
		var now [4]int64
		must0(raw(syscall.SYS_SIGALTSTACK, 0, &now))
		return list(answer, fmt.Sprint(uintptr(now[0]) == area, int32(now[1]), now[2]), done(syscall.SYS_SIGALTSTACK, &old, 0))
	})
	add("sigaltstack disabled", func() string {
		var old, now [4]int64
		must0(raw(syscall.SYS_SIGALTSTACK, 0, &old))
		a := done(syscall.SYS_SIGALTSTACK, &[4]int64{5, 2, 7}, &now)
		same := now == old
		must0(raw(syscall.SYS_SIGALTSTACK, 0, &now))
		return list(a, fmt.Sprint(same, now[0], int32(now[1]), now[2]), done(syscall.SYS_SIGALTSTACK, &old, 0))
	})
	for _, sig := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGWINCH, syscall.SIGURG, syscall.SIGCONT, syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGIO, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, 40, 64} {
		add(fmt.Sprintf("a read that waits goes on after signal %d", int(sig)), func() string {
			if sig == syscall.SIGTSTP || sig == syscall.SIGTTIN || sig == syscall.SIGTTOU {
				signal.Ignore(sig)
			} else {
				c := make(chan os.Signal, 9)
				signal.Notify(c, sig)
				defer signal.Stop(c)
			}
			r, w := pipe(0)
			defer closeAll(r, w)
			tid := syscall.Gettid()
			beside(func() string {
				time.Sleep(nap / 2)
				done(syscall.SYS_TGKILL, os.Getpid(), tid, int(sig))
				time.Sleep(nap / 2)
				return call(syscall.SYS_WRITE, w, []byte("x"), 1)
			})
			return call(syscall.SYS_READ, r, make([]byte, 9), 9)
		})
	}
	interrupted := func(name string, call func() string) {
		add(name+" interrupted by a handler", func() string {
			c := make(chan os.Signal, 9)
			signal.Notify(c, syscall.SIGUSR1)
			defer signal.Stop(c)
			tid := syscall.Gettid()
			quit := make(chan bool)
			defer close(quit)
			go func() {
				for { // until it was taken: the call may not have begun yet
					select {
					case <-quit:
						return
					case <-time.After(nap):
						done(syscall.SYS_TGKILL, os.Getpid(), tid, int(syscall.SIGUSR1))
					}
				}
			}()
			return call()
		})
	}
	interrupted("nanosleep", func() string {
		rem := [2]int64{77, 77}
		answer := done(syscall.SYS_NANOSLEEP, &[2]int64{100, 0}, &rem)
		return list(answer, fmt.Sprint(rem[0] == 99, rem[1] >= 0 && rem[1] < 1e9))
	})
	interrupted("nanosleep without remainder", func() string { return done(syscall.SYS_NANOSLEEP, &[2]int64{100, 0}, 0) })
	interrupted("nanosleep with a bad remainder", func() string { return done(syscall.SYS_NANOSLEEP, &[2]int64{100, 0}, 8) })
	interrupted("clock_nanosleep", func() string {
		rem := [2]int64{77, 77}
		answer := done(syscall.SYS_CLOCK_NANOSLEEP, 1, 0, &[2]int64{100, 0}, &rem)
		return list(answer, fmt.Sprint(rem[0] == 99))
	})
	interrupted("clock_nanosleep until", func() string {
		rem := [2]int64{77, 77}
		answer := done(syscall.SYS_CLOCK_NANOSLEEP, 1, 1, &[2]int64{math.MaxInt32, 0}, &rem)
		return list(answer, fmt.Sprint(rem))
	})
	interrupted("poll", func() string { return call(syscall.SYS_POLL, 0, 0, -1) })
	interrupted("ppoll", func() string { return call(syscall.SYS_PPOLL, 0, 0, &[2]int64{100, 0}, 0, 8) })
	interrupted("epoll_wait", func() string {
		ep, _ := syscall.EpollCreate1(0)
		defer syscall.Close(ep)
		return call(syscall.SYS_EPOLL_WAIT, ep, make([]byte, 12), 1, -1)
	})
	interrupted("futex", func() string {
		var w uint32
		return done(syscall.SYS_FUTEX, &w, 128, 0, &[2]int64{100, 0})
	})
	add("ignored signals leave a sleep alone", func() string {
		signal.Ignore(syscall.SIGUSR2)
		defer signal.Reset(syscall.SIGUSR2)
		tid := syscall.Gettid()
		quit := make(chan bool)
		defer close(quit)
		go func() {
			for {
				select {
				case <-quit:
					return
				case <-time.After(time.Millisecond):
					done(syscall.SYS_TGKILL, os.Getpid(), tid, int(syscall.SIGUSR2))
				}
			}
		}()
		return done(syscall.SYS_NANOSLEEP, &[2]int64{0, int64(nap)}, 0)
	})
	return all
}

func must0(_ int, e syscall.Errno) { must(e) }
