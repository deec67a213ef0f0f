package main

import (
	"fmt"
	"syscall"
)

type pollfd struct {
	fd              int32
	events, revents int16
}

func poll(fd int, events int16) string {
	p := pollfd{int32(fd), events, 0x5555}
	n := call(syscall.SYS_POLL, &p, 1, 0)
	return fmt.Sprintf("%s:%#x", n, uint16(p.revents))
}

// everything is all that can be polled for.
const everything = 0x7fff &^ 0x20

func events() (all []probe) {
	add := func(name string, ask func() string) { all = append(all, probe{name, ask}) }
	for _, of := range []struct {
		name string
		make func() int
	}{
		{"pipe empty", func() int { r, _ := pipe(0); return r }},
		{"pipe full of one", func() int { r, w := pipe(0); syscall.Write(w, []byte("x")); return r }},
		{"pipe to write", func() int { _, w := pipe(0); return w }},
		{"pipe without writer", func() int { r, w := pipe(0); syscall.Close(w); return r }},
		{"pipe with a last byte", func() int { r, w := pipe(0); syscall.Write(w, []byte("x")); syscall.Close(w); return r }},
		{"pipe without reader", func() int { r, w := pipe(0); syscall.Close(r); return w }},
		{"pipe that is full", func() int { _, w := pipe(syscall.O_NONBLOCK); syscall.Write(w, make([]byte, 1<<20)); return w }},
		{"file", func() int { return file("x") }},
		{"path", func() int { return open(dir, 0o10000000) }},
		{"folder", func() int { return open(dir, 0) }},
		{"null", func() int { return open("/dev/null", syscall.O_RDWR) }},
		{"urandom", func() int { return open("/dev/urandom", 0) }},
		{"eventfd 0", func() int { fd, _ := raw(syscall.SYS_EVENTFD2, 0, 0); return fd }},
		{"eventfd 1", func() int { fd, _ := raw(syscall.SYS_EVENTFD2, 1, 0); return fd }},
		{"epoll", func() int { fd, _ := syscall.EpollCreate1(0); return fd }},
		{"closed", func() int { return 1000 }},
		{"none", func() int { return -1 }},
	} {
		add("poll "+of.name, func() (s string) {
			fd := of.make()
			defer syscall.Close(fd)
			for _, events := range []int16{0, 1, 4, 0x40, 0x100, 0x2000, everything} {
				s = list(s, poll(fd, events))
			}
			return s
		})
		add("epoll add "+of.name, func() string {
			fd := of.make()
			defer syscall.Close(fd)
			ep, err := syscall.EpollCreate1(0)
			must(err)
			defer syscall.Close(ep)
			e := syscall.EpollEvent{Events: 0x3fff &^ 0x2020, Fd: 7, Pad: 9}
			answer := "ok"
			if err := syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &e); err != nil {
				answer = name(err.(syscall.Errno))
			}
			var got [2]syscall.EpollEvent
			n, err := syscall.EpollWait(ep, got[:], 0)
			must(err)
			return list(answer, fmt.Sprintf("%d:%#x %d %d", n, got[0].Events, got[0].Fd, got[0].Pad))
		})
	}
	add("poll counts", func() string {
		many := make([]pollfd, 3)
		return list(call(syscall.SYS_POLL, many, 0, 0), call(syscall.SYS_POLL, many, -1, 0), call(syscall.SYS_POLL, many, 1<<31, 0), call(syscall.SYS_POLL, 0, 0, 1))
	})
	epoll := func(name string, ask func(ep, r, w int) string) {
		add("epoll "+name, func() string {
			ep, err := syscall.EpollCreate1(0)
			must(err)
			r, w := pipe(syscall.O_NONBLOCK)
			defer closeAll(ep, r, w)
			return ask(ep, r, w)
		})
	}
	ctl := func(ep, op, fd int, events uint32) string {
		b := make([]byte, 12)
		b[0], b[1], b[2], b[3], b[4] = byte(events), byte(events>>8), byte(events>>16), byte(events>>24), byte(fd)
		return done(syscall.SYS_EPOLL_CTL, ep, op, fd, b)
	}
	wait := func(ep int) string {
		var got [4]syscall.EpollEvent
		n, err := syscall.EpollWait(ep, got[:], 0)
		if err != nil {
			return name(err.(syscall.Errno))
		}
		s := fmt.Sprint(n)
		for _, e := range got[:n] {
			s += fmt.Sprintf(":%#x", e.Events)
		}
		return s
	}
	const addOp, del, mod = syscall.EPOLL_CTL_ADD, syscall.EPOLL_CTL_DEL, syscall.EPOLL_CTL_MOD
	const in, out, oneshot, edge, exclusive, wakeup = 1, 4, 1 << 30, 1 << 31, 1 << 28, 1 << 29
	epoll("operations", func(ep, r, w int) string {
		return list(ctl(ep, mod, r, in), ctl(ep, del, r, in), ctl(ep, addOp, r, in), ctl(ep, addOp, r, in), ctl(ep, 0, r, in), ctl(ep, 4, r, in), ctl(ep, mod, r, out), ctl(ep, del, r, 0), ctl(ep, addOp, 99, in), ctl(99, addOp, r, in),
			ctl(r, addOp, w, in), ctl(ep, addOp, ep, in))
	})
	epoll("exclusive", func(ep, r, w int) string {
		other, err := syscall.EpollCreate1(0)
		must(err)
		defer syscall.Close(other)
		return list(ctl(ep, addOp, r, in|exclusive), ctl(ep, mod, r, in|exclusive), ctl(ep, mod, r, in), ctl(ep, addOp, w, in|exclusive|oneshot), ctl(ep, addOp, w, exclusive|1<<13), ctl(ep, addOp, w, in|exclusive|edge|wakeup), ctl(ep, mod, w, in|exclusive))
	})
	epoll("level", func(ep, r, w int) string {
		ctl(ep, addOp, r, in)
		answer := wait(ep)
		syscall.Write(w, []byte("xy"))
		answer = list(answer, wait(ep), wait(ep))
		syscall.Read(r, make([]byte, 5))
		return list(answer, wait(ep))
	})
	epoll("edge", func(ep, r, w int) string {
		ctl(ep, addOp, r, in|edge)
		syscall.Write(w, []byte("xy"))
		answer := list(wait(ep), wait(ep))
		syscall.Write(w, []byte("xy"))
		answer = list(answer, wait(ep), wait(ep), ctl(ep, mod, r, in|edge), wait(ep), wait(ep))
		syscall.Close(w)
		return list(answer, wait(ep), wait(ep))
	})
	epoll("one shot", func(ep, r, w int) string {
		ctl(ep, addOp, r, in|oneshot)
		syscall.Write(w, []byte("xy"))
		answer := list(wait(ep), wait(ep))
		syscall.Close(w)
		return list(answer, wait(ep), ctl(ep, mod, r, in), wait(ep))
	})
	epoll("read normal", func(ep, r, w int) string {
		ctl(ep, addOp, r, 0x40)
		ctl(ep, addOp, w, 0x100)
		syscall.Write(w, []byte("xy"))
		return wait(ep)
	})
	epoll("closed descriptor", func(ep, r, w int) string {
		ctl(ep, addOp, r, in)
		syscall.Write(w, []byte("xy"))
		d, err := syscall.Dup(r)
		must(err)
		syscall.Close(r)
		answer := list(wait(ep), ctl(ep, del, r, 0))
		syscall.Close(d)
		return list(answer, wait(ep))
	})
	epoll("sizes", func(ep, r, w int) string {
		b := make([]byte, 48)
		return list(call(syscall.SYS_EPOLL_WAIT, ep, b, 0, 0), call(syscall.SYS_EPOLL_WAIT, ep, b, -1, 0), call(syscall.SYS_EPOLL_WAIT, ep, b, 1<<30, 0), call(syscall.SYS_EPOLL_WAIT, r, b, 1, 0), call(syscall.SYS_EPOLL_WAIT, 99, b, 1, 0),
			done(syscall.SYS_EPOLL_CREATE, 0), done(syscall.SYS_EPOLL_CREATE, -1), done(syscall.SYS_EPOLL_CREATE1, 1), done(syscall.SYS_EPOLL_CREATE1, syscall.O_NONBLOCK))
	})
	epoll("read and write", func(ep, r, w int) string {
		return list(call(syscall.SYS_READ, ep, make([]byte, 8), 8), call(syscall.SYS_WRITE, ep, make([]byte, 8), 8), call(syscall.SYS_LSEEK, ep, 0, 0), call(syscall.SYS_PREAD64, ep, make([]byte, 8), 8, 0))
	})
	counter := func(name string, ask func() string) { add("eventfd "+name, ask) }
	b8 := func(v uint64) []byte {
		b := make([]byte, 8)
		for i := range b {
			b[i] = byte(v >> (8 * i))
		}
		return b
	}
	counter("counts", func() string {
		fd, e := raw(syscall.SYS_EVENTFD2, 5, syscall.O_NONBLOCK)
		must(e)
		defer syscall.Close(fd)
		b := make([]byte, 8)
		answer := list(call(syscall.SYS_WRITE, fd, b8(7), 8), call(syscall.SYS_READ, fd, b, 8), fmt.Sprint(b[0]), call(syscall.SYS_READ, fd, b, 8), call(syscall.SYS_READ, fd, b, 7), call(syscall.SYS_WRITE, fd, b, 7))
		return list(answer, call(syscall.SYS_WRITE, fd, b8(^uint64(0)), 8), call(syscall.SYS_WRITE, fd, b8(^uint64(0)-1), 8), call(syscall.SYS_WRITE, fd, b8(1), 8), call(syscall.SYS_WRITE, fd, b8(0), 8), poll(fd, 5),
			call(syscall.SYS_LSEEK, fd, 0, 0), call(syscall.SYS_PREAD64, fd, b, 8, 0), call(syscall.SYS_READ, fd, b, 100))
	})
	counter("semaphore", func() string {
		fd, e := raw(syscall.SYS_EVENTFD2, 2, syscall.O_NONBLOCK|1)
		must(e)
		defer syscall.Close(fd)
		b := make([]byte, 8)
		return list(call(syscall.SYS_READ, fd, b, 8), fmt.Sprint(b[0]), call(syscall.SYS_READ, fd, b, 8), call(syscall.SYS_READ, fd, b, 8))
	})
	counter("flags", func() string { return list(done(syscall.SYS_EVENTFD2, 0, 2), done(syscall.SYS_EVENTFD2, 0, -1)) })
	return all
}
