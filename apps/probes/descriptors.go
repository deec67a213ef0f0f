package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

func descriptors() (all []probe) {
	add := func(name string, ask func(fd int) string) {
		all = append(all, probe{name, func() string {
			fd := open("/dev/null", syscall.O_RDWR)
			defer syscall.Close(fd)
			return ask(fd)
		}})
	}
	limit := func(nr int) string {
		var r [2]int64
		_, e := raw(syscall.SYS_GETRLIMIT, 7, &r)
		must(e)
		old := r
		r[0] = int64(nr)
		_, e = raw(syscall.SYS_SETRLIMIT, 7, &r)
		defer raw(syscall.SYS_SETRLIMIT, 7, &old)
		var opened []int
		answer := ""
		for range 100 {
			fd, err := syscall.Open("/dev/null", 0, 0)
			if err != nil {
				answer = name(err.(syscall.Errno))
				break
			}
			opened = append(opened, fd)
		}
		highest := -1
		if len(opened) > 0 {
			highest = opened[len(opened)-1]
		}
		var p [2]int32
		answer = list(name(e), answer, fmt.Sprint(highest < nr), done(syscall.SYS_PIPE2, &p, 0), done(syscall.SYS_DUP, 0), done(syscall.SYS_DUP2, 0, nr), done(syscall.SYS_DUP3, 0, nr, 0), done(syscall.SYS_FCNTL, 0, 0, nr), done(syscall.SYS_EVENTFD2, 0, 0), done(syscall.SYS_EPOLL_CREATE1, 0))
		for _, fd := range opened {
			syscall.Close(fd)
		}
		return answer
	}
	add("limit 64", func(int) string { return limit(64) })
	add("limit 0", func(int) string { return limit(0) })
	add("dup2 of itself", func(fd int) string {
		return list(fmt.Sprint(call(syscall.SYS_DUP2, fd, fd) == fmt.Sprint(fd)), call(syscall.SYS_DUP2, 900, 900), call(syscall.SYS_DUP3, fd, fd, 0), call(syscall.SYS_DUP3, 900, 900, 0))
	})
	add("dup to bad numbers", func(fd int) string {
		return list(call(syscall.SYS_DUP2, fd, -1), call(syscall.SYS_DUP2, fd, 1<<30), call(syscall.SYS_DUP3, fd, -1, 0), call(syscall.SYS_DUP3, fd, 70, 1), call(syscall.SYS_DUP, -1), call(syscall.SYS_DUP2, -1, 70), call(syscall.SYS_FCNTL, fd, 0, -1), call(syscall.SYS_FCNTL, fd, 0, 1<<30), call(syscall.SYS_FCNTL, fd, 1030, -1))
	})
	add("close on exec", func(fd int) string {
		a, e := raw(syscall.SYS_FCNTL, fd, 1030, 60)
		must(e)
		b, e := raw(syscall.SYS_DUP3, fd, 80, syscall.O_CLOEXEC)
		must(e)
		c, e := raw(syscall.SYS_DUP2, b, 81)
		must(e)
		defer closeAll(a, b, c)
		get := func(fd int) string { return call(syscall.SYS_FCNTL, fd, syscall.F_GETFD) }
		return list(get(fd), fmt.Sprint(a >= 60), get(a), get(b), get(c), done(syscall.SYS_FCNTL, c, syscall.F_SETFD, -1), get(c), done(syscall.SYS_FCNTL, c, syscall.F_SETFD, 2), get(c))
	})
	add("close", func(fd int) string {
		d, err := syscall.Dup(fd)
		must(err)
		return list(done(syscall.SYS_CLOSE, d), done(syscall.SYS_CLOSE, d), done(syscall.SYS_CLOSE, -1), done(syscall.SYS_CLOSE, 1<<20), done(syscall.SYS_CLOSE, 1<<40))
	})
	add("close_range", func(fd int) string {
		for i := 90; i < 95; i++ {
			must(syscall.Dup2(fd, i))
		}
		answer := list(done(436, 91, 92, 0), done(436, 94, 93, 0), done(436, 90, 90, 4), done(436, 200, 300, 8), done(436, 500, 1<<30, 0))
		return list(answer, call(syscall.SYS_FCNTL, 90, 1), call(syscall.SYS_FCNTL, 91, 1), call(syscall.SYS_FCNTL, 93, 1), done(436, 90, 95, 0))
	})
	add("upper half of a number", func(fd int) string {
		return list(call(syscall.SYS_READ, uintptr(fd)|1<<32, make([]byte, 1), 1), done(syscall.SYS_FSYNC, uintptr(1)<<32|1<<20))
	})
	add("unknown fcntl", func(fd int) string {
		return list(done(syscall.SYS_FCNTL, fd, 77), done(syscall.SYS_FCNTL, fd, -1), done(syscall.SYS_FCNTL, 1<<20, syscall.F_GETFL), done(syscall.SYS_FCNTL, fd, 1034), done(syscall.SYS_FCNTL, fd, 1033, 0))
	})
	add("positions are shared", func(int) string {
		fd := file("0123456789")
		d, err := syscall.Dup(fd)
		must(err)
		e := open(fmt.Sprintf("/proc/self/fd/%d", fd), 0)
		defer closeAll(fd, d, e)
		_, err = syscall.Seek(fd, 7, 0)
		must(err)
		return list(call(syscall.SYS_LSEEK, d, 0, 1), call(syscall.SYS_LSEEK, e, 0, 1))
	})
	add("names", func(fd int) string {
		r, w := pipe(0)
		ep, _ := syscall.EpollCreate1(0)
		ev, _ := raw(syscall.SYS_EVENTFD2, 0, 0)
		f := file("x")
		defer closeAll(r, w, ep, ev, f)
		var s string
		for _, fd := range []int{fd, r, w, ep, ev, f} {
			to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
			must(err)
			to = strings.TrimPrefix(to, dir)
			if strings.HasPrefix(to, "/") && to[1] < 'a' {
				to = "its path"
			}
			for i := range to {
				if to[i] >= '0' && to[i] <= '9' {
					to = to[:i]
					break
				}
			}
			s = list(s, to)
		}
		return s
	})
	return all
}
