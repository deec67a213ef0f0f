package main

import (
	"fmt"
	"os/signal"
	"syscall"
)

func iovecs(parts ...string) []syscall.Iovec {
	var v []syscall.Iovec
	for _, p := range parts {
		b := append([]byte(p), 0)
		v = append(v, syscall.Iovec{Base: &b[0], Len: uint64(len(p))})
	}
	return v
}

func pipes() (all []probe) {
	signal.Ignore(syscall.SIGPIPE)
	add := func(name string, ask func(r, w int) string) {
		all = append(all, probe{name, func() string {
			r, w := pipe(syscall.O_NONBLOCK)
			defer closeAll(r, w)
			return ask(r, w)
		}})
	}
	buf := make([]byte, 1<<20)
	read := func(fd, n int) string { return call(syscall.SYS_READ, fd, buf, n) }
	write := func(fd, n int) string { return call(syscall.SYS_WRITE, fd, buf, n) }
	add("empty", func(r, w int) string { return list(read(r, 1), read(r, 0), write(w, 0)) })
	add("wrong end", func(r, w int) string { return list(read(w, 1), write(r, 1), read(w, 0), write(r, 0)) })
	add("no writer", func(r, w int) string {
		write(w, 3)
		syscall.Close(w)
		return list(read(r, 10), read(r, 10), read(r, 0))
	})
	add("no reader", func(r, w int) string {
		syscall.Close(r)
		return list(write(w, 1), write(w, 0), call(syscall.SYS_WRITEV, w, iovecs("", ""), 2))
	})
	add("fill", func(r, w int) string {
		return list(write(w, 1<<20), write(w, 1), read(r, 100), write(w, 1), read(r, 4096), write(w, 4096), write(w, 4097))
	})
	add("atomic", func(r, w int) string {
		return list(write(w, 65536-10), write(w, 4096), read(r, 4096), write(w, 4096), write(w, 5000))
	})
	add("writev", func(r, w int) string {
		n := call(syscall.SYS_WRITEV, w, iovecs("", "hello ", "", "world", ""), 5)
		got, e := raw(syscall.SYS_READ, r, buf, 100)
		return list(n, name(e), fmt.Sprintf("%q", buf[:max(got, 0)]))
	})
	add("writev is atomic", func(r, w int) string {
		write(w, 65536-4096)
		read(r, 10)
		part := string(make([]byte, 2048))
		return list(call(syscall.SYS_WRITEV, w, iovecs(part, part), 2), call(syscall.SYS_WRITEV, w, iovecs(part, part), 2), call(syscall.SYS_WRITEV, w, iovecs(part, part+"x"), 2))
	})
	add("writev with a bad part", func(r, w int) string {
		v := iovecs("good", "bad", "good")
		v[1].Base = bytesAt(8)
		n := call(syscall.SYS_WRITEV, w, v, 3)
		got, e := raw(syscall.SYS_READ, r, buf, 100)
		return list(n, name(e), fmt.Sprintf("%q", buf[:max(got, 0)]))
	})
	add("readv", func(r, w int) string {
		write(w, 10)
		v := iovecs("1234", "", "1234", "1234")
		return list(call(syscall.SYS_READV, r, v, 4), call(syscall.SYS_READV, r, v, 4))
	})
	add("vectors that are too many or too long", func(r, w int) string {
		v := iovecs("a", "b")
		v[1].Len = 1 << 63
		return list(call(syscall.SYS_WRITEV, w, v, 1025), call(syscall.SYS_WRITEV, w, v, 2), call(syscall.SYS_READV, r, v, 2), call(syscall.SYS_WRITEV, w, v, -1),
			call(syscall.SYS_WRITEV, 99, v, 0), call(syscall.SYS_WRITEV, w, v, 0), call(syscall.SYS_READV, r, 0, 0))
	})
	add("lengths beyond all memory", func(r, w int) string {
		return list(write(w, 1<<62), write(w, -1), read(r, 1<<62), read(r, -1))
	})
	add("position", func(r, w int) string {
		return list(call(syscall.SYS_LSEEK, r, 0, 0), call(syscall.SYS_PREAD64, r, buf, 1, 0), call(syscall.SYS_PWRITE64, w, buf, 1, 0), call(syscall.SYS_PREADV, r, iovecs("a"), 1, 0, 0))
	})
	add("what is for files", func(r, w int) string {
		return list(done(syscall.SYS_FTRUNCATE, w, 0), done(syscall.SYS_FSYNC, w), done(syscall.SYS_FDATASYNC, w), done(syscall.SYS_FCHDIR, w), done(syscall.SYS_FALLOCATE, w, 0, 0, 10),
			done(syscall.SYS_FADVISE64, w, 0, 0, 0), call(syscall.SYS_GETDENTS64, r, buf, 100), done(syscall.SYS_FCHMOD, r, 0o600))
	})
	add("size", func(r, w int) string {
		const set, get = 1031, 1032
		answer := list(call(syscall.SYS_FCNTL, w, get), call(syscall.SYS_FCNTL, w, set, 1), call(syscall.SYS_FCNTL, w, get), call(syscall.SYS_FCNTL, r, set, 5000))
		write(w, 8192)
		return list(answer, call(syscall.SYS_FCNTL, r, set, 4096), call(syscall.SYS_FCNTL, r, set, 0), call(syscall.SYS_FCNTL, r, set, 1<<31), call(syscall.SYS_FCNTL, r, set, -1), call(syscall.SYS_FCNTL, 0+open("/dev/null", 0), get))
	})
	add("FIONREAD", func(r, w int) string {
		write(w, 77)
		var n, m int32
		answer := list(done(syscall.SYS_IOCTL, r, 0x541b, &n), done(syscall.SYS_IOCTL, w, 0x541b, &m))
		return list(answer, fmt.Sprint(n, m))
	})
	add("flags", func(r, w int) string {
		var p [2]int32
		return list(done(syscall.SYS_PIPE2, &p, 1), done(syscall.SYS_PIPE2, &p, 0o2000), done(syscall.SYS_PIPE2, &p, -1), call(syscall.SYS_FCNTL, r, syscall.F_GETFL), call(syscall.SYS_FCNTL, w, syscall.F_GETFL), call(syscall.SYS_FCNTL, r, syscall.F_GETFD))
	})
	add("proc", func(r, w int) string {
		write(w, 3)
		again := open(fmt.Sprintf("/proc/self/fd/%d", r), syscall.O_WRONLY|syscall.O_NONBLOCK)
		defer syscall.Close(again)
		return list(write(again, 2), read(again, 1), read(r, 100))
	})
	add("splice and sendfile", func(r, w int) string {
		f := file("some text")
		defer syscall.Close(f)
		return list(call(syscall.SYS_SENDFILE, w, r, 0, 10), call(syscall.SYS_SENDFILE, f, r, 0, 10), call(326, r, 0, f, 0, 10, 0), call(326, f, 0, r, 0, 10, 0), call(326, f, 0, w, 0, 10, 0))
	})
	fifo := func(name string, ask func(path string) string) {
		all = append(all, probe{"fifo " + name, func() string {
			path := fresh()
			must(syscall.Mkfifo(path, 0o600))
			return ask(path)
		}})
	}
	opened := func(path string, flags int) <-chan string {
		return beside(func() string {
			fd, err := syscall.Open(path, flags, 0)
			if err != nil {
				return name(err.(syscall.Errno))
			}
			defer syscall.Close(fd)
			if flags&3 == syscall.O_WRONLY {
				return "opened, wrote " + call(syscall.SYS_WRITE, fd, []byte("hello"), 5)
			}
			b := make([]byte, 10)
			n, e := raw(syscall.SYS_READ, fd, b, 10)
			return fmt.Sprintf("opened, read %s %q", name(e), b[:max(n, 0)])
		})
	}
	fifo("writer without reader", func(path string) string {
		_, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
		return name(err.(syscall.Errno))
	})
	fifo("both wait", func(path string) string {
		r := opened(path, syscall.O_RDONLY)
		w := opened(path, syscall.O_WRONLY)
		return list(await(r), await(w))
	})
	fifo("a reader that does not stay lets nobody through", func(path string) string {
		r := opened(path, syscall.O_RDONLY)
		answer := still(r)
		b := open(path, syscall.O_RDONLY|syscall.O_NONBLOCK)
		answer = list(answer, still(r), read(b, 1))
		syscall.Close(b)
		w := opened(path, syscall.O_WRONLY)
		return list(answer, await(r), await(w))
	})
	fifo("non-blocking is one's own", func(path string) string {
		a := open(path, syscall.O_RDONLY|syscall.O_NONBLOCK)
		w := open(path, syscall.O_WRONLY)
		b := open(path, syscall.O_RDONLY)
		defer closeAll(a, b)
		answer := list(read(a, 1), call(syscall.SYS_FCNTL, b, syscall.F_GETFL), call(syscall.SYS_FCNTL, a, syscall.F_GETFL))
		c := beside(func() string { return call(syscall.SYS_READ, b, make([]byte, 1), 1) })
		answer = list(answer, still(c))
		syscall.Close(w)
		return list(answer, await(c))
	})
	fifo("two writers", func(path string) string {
		r := open(path, syscall.O_RDONLY|syscall.O_NONBLOCK)
		a, b := open(path, syscall.O_WRONLY|syscall.O_NONBLOCK), open(path, syscall.O_WRONLY|syscall.O_NONBLOCK)
		defer syscall.Close(r)
		answer := list(write(a, 2), read(r, 10), read(r, 10))
		syscall.Close(a)
		answer = list(answer, read(r, 10))
		syscall.Close(b)
		return list(answer, read(r, 10))
	})
	return all
}
