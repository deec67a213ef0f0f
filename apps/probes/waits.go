package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// waits are calls that wait while other goroutines, or other calls, do something.
func waits() (all []probe) {
	add := func(name string, ask func() string) { all = append(all, probe{name, ask}) }
	// Each of many goroutines waits in a call of its own; another one must get on.
	crowd := func(name string, wait func(i int), release func()) {
		add("many wait in "+name, func() string {
			n := 2*runtime.GOMAXPROCS(0) + 2
			ended := make(chan bool, n)
			for i := range n {
				go func() {
					wait(i)
					ended <- true
				}()
			}
			return await(beside(func() string {
				time.Sleep(nap)
				release()
				for range n {
					<-ended
				}
				return "all went on"
			}))
		})
	}
	var word uint32
	crowd("futex", func(int) {
		for atomic.LoadUint32(&word) == 0 {
			done(syscall.SYS_FUTEX, &word, 128, 0, 0)
		}
	}, func() {
		atomic.StoreUint32(&word, 1)
		done(syscall.SYS_FUTEX, &word, 129, 1<<30)
	})
	r, w := pipe(0)
	crowd("read", func(int) { syscall.Read(r, make([]byte, 1)) }, func() { syscall.Close(w) })
	a, b := -1, -1
	var holding atomic.Bool
	crowd("flock", func(i int) {
		fd := open(fmt.Sprintf("/proc/self/fd/%d", a), syscall.O_RDWR)
		for !holding.Load() {
			runtime.Gosched()
		}
		done(syscall.SYS_FLOCK, fd, syscall.LOCK_EX)
		syscall.Close(fd)
	}, func() { done(syscall.SYS_FLOCK, b, syscall.LOCK_UN) })
	flock := all[len(all)-1].ask
	all[len(all)-1].ask = func() string {
		a, b = twice()
		defer closeAll(a, b)
		done(syscall.SYS_FLOCK, b, syscall.LOCK_EX)
		holding.Store(true)
		return flock()
	}
	crowd("nanosleep", func(int) { done(syscall.SYS_NANOSLEEP, &[2]int64{0, int64(2 * nap)}, 0) }, func() {})
	for _, us := range []int{80, 500, 5000} {
		add(fmt.Sprintf("naps of %d us let others run", us), func() string {
			old := runtime.GOMAXPROCS(1)
			defer runtime.GOMAXPROCS(old)
			var ticks atomic.Int32
			quit := make(chan bool)
			go func() {
				for {
					select {
					case <-quit:
						return
					case <-time.After(time.Millisecond):
						ticks.Add(1)
					}
				}
			}()
			defer close(quit)
			start := time.Now()
			for ticks.Load() < 5 {
				if time.Since(start) > patience {
					return "starved"
				}
				done(syscall.SYS_NANOSLEEP, &[2]int64{0, int64(us) * 1000}, 0)
			}
			return "they run"
		})
		add(fmt.Sprintf("polls of %d us let others run", us), func() string {
			old := runtime.GOMAXPROCS(1)
			defer runtime.GOMAXPROCS(old)
			var ran atomic.Bool
			go func() {
				time.Sleep(time.Millisecond)
				ran.Store(true)
			}()
			start := time.Now()
			for !ran.Load() {
				if time.Since(start) > patience {
					return "starved"
				}
				done(syscall.SYS_PPOLL, 0, 0, &[2]int64{0, int64(us) * 1000}, 0, 8)
			}
			return "they run"
		})
	}
	add("read goes on with its file after dup2", func() string {
		r1, w1 := pipe(0)
		r2, w2 := pipe(0)
		defer closeAll(r1, w1, r2, w2)
		buf := make([]byte, 100)
		c := beside(func() string {
			n, e := raw(syscall.SYS_READ, r1, buf, 100)
			return fmt.Sprintf("%s %q", name(e), buf[:max(n, 0)])
		})
		answer := still(c)
		must(syscall.Dup2(r2, r1))
		syscall.Write(w2, []byte("for the second"))
		answer = list(answer, still(c))
		syscall.Write(w1, []byte("for the first"))
		return list(answer, await(c))
	})
	add("read goes on after close", func() string {
		r, w := pipe(0)
		defer syscall.Close(w)
		buf := make([]byte, 100)
		c := beside(func() string {
			n, e := raw(syscall.SYS_READ, r, buf, 100)
			return fmt.Sprintf("%s %q", name(e), buf[:max(n, 0)])
		})
		answer := still(c)
		syscall.Close(r)
		answer = list(answer, still(c), call(syscall.SYS_WRITE, w, []byte("late"), 4))
		return list(answer, await(c))
	})
	add("write goes on after close", func() string {
		r, w := pipe(0)
		defer syscall.Close(r)
		c := beside(func() string { return call(syscall.SYS_WRITE, w, make([]byte, 100_000), 100_000) })
		answer := still(c)
		syscall.Close(w)
		answer = list(answer, still(c))
		n, b := 0, make([]byte, 65536)
		for {
			got, err := syscall.Read(r, b)
			must(err)
			if n += got; got == 0 {
				break
			}
		}
		return list(answer, await(c), fmt.Sprint(n))
	})
	add("epoll_wait goes on after close", func() string {
		ep, err := syscall.EpollCreate1(0)
		must(err)
		r, w := pipe(0)
		defer closeAll(r, w)
		must(syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, r, &syscall.EpollEvent{Events: 1}))
		c := beside(func() string { return call(syscall.SYS_EPOLL_WAIT, ep, make([]byte, 12), 1, -1) })
		answer := still(c)
		syscall.Close(ep)
		answer = list(answer, still(c))
		syscall.Write(w, []byte("x"))
		return list(answer, await(c))
	})
	add("eventfd read goes on after close", func() string {
		fd, e := raw(syscall.SYS_EVENTFD2, 0, 0)
		must(e)
		d, err := syscall.Dup(fd)
		must(err)
		defer syscall.Close(d)
		c := beside(func() string { return call(syscall.SYS_READ, fd, make([]byte, 8), 8) })
		answer := still(c)
		syscall.Close(fd)
		answer = list(answer, still(c))
		syscall.Write(d, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		return list(answer, await(c))
	})
	add("a broken pipe ends a write that waits", func() string {
		r, w := pipe(0)
		defer syscall.Close(w)
		c := beside(func() string { return call(syscall.SYS_WRITE, w, make([]byte, 100_000), 100_000) })
		answer := still(c)
		syscall.Close(r)
		return list(answer, await(c), call(syscall.SYS_WRITE, w, []byte("x"), 1))
	})
	add("writev that waits", func() string {
		r, w := pipe(0)
		defer closeAll(r, w)
		part := string(make([]byte, 50_000))
		c := beside(func() string { return call(syscall.SYS_WRITEV, w, iovecs(part, part, "end"), 3) })
		answer := still(c)
		n, b := 0, make([]byte, 65536)
		for n < 100_003 {
			got, err := syscall.Read(r, b)
			must(err)
			n += got
		}
		return list(answer, await(c), fmt.Sprint(n))
	})
	return all
}
