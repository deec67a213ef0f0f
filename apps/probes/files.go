package main

import (
	"fmt"
	"math"
	"syscall"
)

const openPath = 0o10000000 // O_PATH

func files() (all []probe) {
	add := func(name string, ask func(fd int) string) {
		all = append(all, probe{name, func() string {
			fd := file("0123456789")
			defer syscall.Close(fd)
			return ask(fd)
		}})
	}
	buf := make([]byte, 100)
	seek := func(fd int, off, whence int) string { return call(syscall.SYS_LSEEK, fd, off, whence) }
	add("lseek", func(fd int) string {
		return list(seek(fd, 5, 0), seek(fd, 2, 1), seek(fd, -2, 2), seek(fd, -100, 1), seek(fd, -1, 0), seek(fd, 0, 5), seek(fd, 0, -1), seek(fd, 0, 1))
	})
	add("lseek far", func(fd int) string {
		return list(seek(fd, 1<<40, 0), seek(fd, 1<<62, 0), seek(fd, math.MaxInt64, 0), seek(fd, math.MaxInt64, 2), seek(fd, 1, 1))
	})
	add("lseek data and hole", func(fd int) string {
		must(syscall.Ftruncate(fd, 1<<20))
		_, err := syscall.Pwrite(fd, []byte("x"), 1<<19)
		must(err)
		return list(seek(fd, 0, 3), seek(fd, 0, 4), seek(fd, 5000, 3), seek(fd, 1<<19, 4), seek(fd, 1<<20, 3), seek(fd, 1<<20, 4), seek(fd, -1, 3), seek(fd, -1, 4), seek(fd, 1<<19+5000, 3))
	})
	add("read", func(fd int) string {
		return list(call(syscall.SYS_READ, fd, buf, 4), call(syscall.SYS_READ, fd, buf, 0), call(syscall.SYS_READ, fd, buf, 100), call(syscall.SYS_READ, fd, buf, 100), call(syscall.SYS_READ, fd, buf, 1<<62), call(syscall.SYS_READ, fd, buf, -1))
	})
	add("pread", func(fd int) string {
		return list(call(syscall.SYS_PREAD64, fd, buf, 4, 8), call(syscall.SYS_PREAD64, fd, buf, 4, 10), call(syscall.SYS_PREAD64, fd, buf, 4, -1), call(syscall.SYS_PREAD64, fd, buf, 4, math.MaxInt64), call(syscall.SYS_PREAD64, fd, buf, 4, math.MinInt64), call(syscall.SYS_PREAD64, -1, buf, 4, 0))
	})
	add("write", func(fd int) string {
		return list(call(syscall.SYS_WRITE, fd, buf, 4), call(syscall.SYS_WRITE, fd, buf, 0), call(syscall.SYS_WRITE, fd, buf, 1<<62), call(syscall.SYS_WRITE, fd, buf, -1), call(syscall.SYS_PWRITE64, fd, buf, 1, -1), call(syscall.SYS_PWRITE64, fd, buf, 0, -1), seek(fd, 0, 1))
	})
	add("write at the end of all", func(fd int) string {
		return list(call(syscall.SYS_PWRITE64, fd, buf, 1, math.MaxInt64), call(syscall.SYS_PWRITE64, fd, buf, 10, math.MaxInt64-5))
	})
	add("write beyond the end", func(fd int) string {
		return list(call(syscall.SYS_PWRITE64, fd, []byte("x"), 1, 20), call(syscall.SYS_PREAD64, fd, buf, 100, 0), fmt.Sprintf("%q", buf[8:21]))
	})
	add("append", func(fd int) string {
		a := open(fmt.Sprintf("/proc/self/fd/%d", fd), syscall.O_WRONLY|syscall.O_APPEND)
		defer syscall.Close(a)
		answer := list(call(syscall.SYS_WRITE, a, []byte("ab"), 2), call(syscall.SYS_PWRITE64, a, []byte("cd"), 2, 0), seek(a, 0, 1), call(syscall.SYS_READ, a, buf, 1))
		n, _ := syscall.Pread(fd, buf, 0)
		return list(answer, fmt.Sprintf("%q", buf[:n]))
	})
	add("readv", func(fd int) string {
		v := iovecs("123", "", "4567", "890123")
		return list(call(syscall.SYS_READV, fd, v, 4), call(syscall.SYS_PREADV, fd, v, 4, 5, 0), call(syscall.SYS_PREADV, fd, v, 4, -1, -1), call(327, fd, v, 1, -1, -1, 0), call(327, fd, v, 1, 3, 0, 0x10000), call(327, fd, v, 1, -2, -1, 0))
	})
	add("writev", func(fd int) string {
		v := iovecs("abc", "", "defg")
		answer := list(call(syscall.SYS_WRITEV, fd, v, 3), call(syscall.SYS_PWRITEV, fd, v, 3, 8, 0), call(328, fd, v, 1, -1, -1, 0x10000))
		n, _ := syscall.Pread(fd, buf, 0)
		return list(answer, fmt.Sprintf("%q", buf[:n]))
	})
	add("vectors with a length beyond all", func(fd int) string {
		v := iovecs("abc", "def")
		v[1].Len = 1 << 63
		answer := list(call(syscall.SYS_READV, fd, v, 2), call(syscall.SYS_WRITEV, fd, v, 2))
		v[1].Len = 1<<63 - 1
		return list(answer, call(syscall.SYS_READV, fd, v, 2), call(syscall.SYS_READV, fd, v, 1025), call(syscall.SYS_READV, fd, v, -1), call(syscall.SYS_READV, fd, 8, 0))
	})
	add("vectors with a bad part", func(fd int) string {
		v := iovecs("abc", "def")
		v[1].Base = bytesAt(8)
		return list(call(syscall.SYS_READV, fd, v, 2), call(syscall.SYS_WRITEV, fd, v, 2), seek(fd, 0, 1))
	})
	add("truncate", func(fd int) string {
		r := open(fmt.Sprintf("/proc/self/fd/%d", fd), syscall.O_RDONLY)
		p := open(fmt.Sprintf("/proc/self/fd/%d", fd), openPath)
		defer closeAll(r, p)
		return list(done(syscall.SYS_FTRUNCATE, fd, 5), done(syscall.SYS_FTRUNCATE, fd, -1), done(syscall.SYS_FTRUNCATE, r, 5), done(syscall.SYS_FTRUNCATE, p, 5), done(syscall.SYS_FTRUNCATE, -1, 5), done(syscall.SYS_TRUNCATE, dir, 5), done(syscall.SYS_TRUNCATE, "", 5),
			done(syscall.SYS_TRUNCATE, "/dev/null", 5), done(syscall.SYS_TRUNCATE, dir, -1))
	})
	add("ftruncate others", func(_ int) string {
		d, z := open(dir, 0), open("/dev/null", syscall.O_RDWR)
		defer closeAll(d, z)
		return list(done(syscall.SYS_FTRUNCATE, d, 0), done(syscall.SYS_FTRUNCATE, z, 0))
	})
	add("fallocate", func(fd int) string {
		r := open(fmt.Sprintf("/proc/self/fd/%d", fd), syscall.O_RDONLY)
		d, z := open(dir, 0), open("/dev/null", syscall.O_RDWR)
		defer closeAll(r, d, z)
		return list(done(syscall.SYS_FALLOCATE, fd, 0, 0, 100), done(syscall.SYS_FALLOCATE, fd, 0, -1, 1), done(syscall.SYS_FALLOCATE, fd, 0, 0, 0), done(syscall.SYS_FALLOCATE, fd, 0, 0, -1), done(syscall.SYS_FALLOCATE, fd, 0, math.MaxInt64, 1), done(syscall.SYS_FALLOCATE, r, 0, 0, 1), done(syscall.SYS_FALLOCATE, d, 0, 0, 1),
			done(syscall.SYS_FALLOCATE, z, 0, 0, 1), done(syscall.SYS_FALLOCATE, fd, 2, 0, 1), done(syscall.SYS_FALLOCATE, fd, 3, 0, 1), done(syscall.SYS_FALLOCATE, fd, 1<<20, 0, 1))
	})
	add("copy_file_range", func(fd int) string {
		to, r := file(""), open(fmt.Sprintf("/proc/self/fd/%d", fd), syscall.O_RDONLY)
		d, a, p, n := open(dir, 0), open(fmt.Sprintf("/proc/self/fd/%d", to), syscall.O_WRONLY|syscall.O_APPEND), open(fmt.Sprintf("/proc/self/fd/%d", to), openPath), open("/dev/null", syscall.O_RDWR)
		defer closeAll(to, r, d, a, p, n)
		neg, far, one := int64(-1), int64(math.MaxInt64), int64(1)
		c := func(in int, inOff any, out int, outOff any, n, flags int) string {
			return call(326, in, inOff, out, outOff, n, flags)
		}
		return list(c(fd, 0, to, 0, 4, 0), c(fd, 0, to, 0, 0, 0), c(fd, 0, to, 0, 100, 0), c(fd, 0, to, 0, 100, 0), c(fd, &neg, to, 0, 1, 0), c(fd, &one, to, &far, 2, 0), c(fd, 0, to, 0, 1, 1), c(fd, &one, fd, &one, 2, 0), c(to, 0, r, 0, 1, 0), c(d, 0, to, 0, 1, 0),
			c(fd, 0, d, 0, 1, 0), c(fd, 0, a, 0, 1, 0), c(fd, 0, p, 0, 1, 0), c(fd, 0, n, 0, 1, 0), c(n, 0, to, 0, 1, 0), c(-1, 0, to, 0, 1, 0), c(fd, 0, -1, 0, 1, 0), c(fd, &one, to, &one, -1, 0))
	})
	add("sendfile", func(fd int) string {
		to, d, n := file(""), open(dir, 0), open("/dev/null", syscall.O_RDWR)
		z := open("/dev/zero", 0)
		a := open(fmt.Sprintf("/proc/self/fd/%d", to), syscall.O_WRONLY|syscall.O_APPEND)
		r, w := pipe(0)
		defer closeAll(to, d, n, z, r, w, a)
		neg, one := int64(-1), int64(1)
		s := func(out, in int, off any, n int) string { return call(syscall.SYS_SENDFILE, out, in, off, n) }
		return list(s(to, fd, 0, 4), s(to, fd, &one, 4), s(to, fd, 0, 100), s(to, fd, 0, 100), s(to, fd, &neg, 1), s(to, fd, 0, -1), s(-1, fd, 0, 1), s(to, -1, 0, 1), s(d, fd, 0, 1), s(to, d, 0, 1), s(fd, r, 0, 1), s(a, fd, &one, 1), s(fd, w, 0, 1))
	})
	add("devices", func(_ int) string {
		n, z, f, u := open("/dev/null", syscall.O_RDWR), open("/dev/zero", syscall.O_RDWR), open("/dev/full", syscall.O_RDWR), open("/dev/urandom", syscall.O_RDWR)
		defer closeAll(n, z, f, u)
		var s string
		for _, fd := range []int{n, z, f} {
			s = list(s, call(syscall.SYS_READ, fd, buf, 10), call(syscall.SYS_WRITE, fd, buf, 10), call(syscall.SYS_PREAD64, fd, buf, 10, 5), call(syscall.SYS_PWRITE64, fd, buf, 10, 5), seek(fd, 7, 0), seek(fd, 0, 1), done(syscall.SYS_FSYNC, fd), call(syscall.SYS_GETDENTS64, fd, buf, 100))
		}
		return list(s, call(syscall.SYS_READ, u, buf, 10), seek(u, 7, 0), call(syscall.SYS_PREAD64, u, buf, 10, 5))
	})
	add("lengths to devices", func(_ int) string {
		n, z := open("/dev/null", syscall.O_RDWR), open("/dev/zero", syscall.O_RDWR)
		defer closeAll(n, z)
		var s string
		for _, k := range []int{1 << 31, 1 << 40, 1 << 46, 1 << 47, 1 << 62, -1} {
			s = list(s, call(syscall.SYS_WRITE, n, buf, k), call(syscall.SYS_WRITE, z, buf, k), call(syscall.SYS_READ, n, buf, k))
		}
		return s
	})
	add("folders", func(_ int) string {
		d := open(dir, 0)
		defer syscall.Close(d)
		return list(call(syscall.SYS_READ, d, buf, 1), call(syscall.SYS_WRITE, d, buf, 1), call(syscall.SYS_PREAD64, d, buf, 1, 0), done(syscall.SYS_FSYNC, d), done(syscall.SYS_FDATASYNC, d), seek(d, 0, 0), seek(d, -1, 0))
	})
	add("path only", func(fd int) string {
		p := open(fmt.Sprintf("/proc/self/fd/%d", fd), openPath)
		pd := open(dir, openPath)
		defer closeAll(p, pd)
		var st syscall.Stat_t
		many := []string{
			call(syscall.SYS_READ, p, buf, 1), call(syscall.SYS_WRITE, p, buf, 1), seek(p, 0, 0), done(syscall.SYS_FCHMOD, p, 0o644), done(syscall.SYS_FCHOWN, p, -1, -1), call(syscall.SYS_GETDENTS64, pd, buf, 100), done(syscall.SYS_FSYNC, p),
			done(syscall.SYS_FSTAT, p, &st), done(syscall.SYS_FCHDIR, p), done(syscall.SYS_FLOCK, p, syscall.LOCK_SH), done(syscall.SYS_IOCTL, p, 0x541b, buf), done(syscall.SYS_FALLOCATE, p, 0, 0, 1), done(syscall.SYS_FADVISE64, p, 0, 0, 0),
			done(syscall.SYS_SYNC_FILE_RANGE, p, 0, 0, 0), done(306, p), done(syscall.SYS_MMAP, 0, page, 1, syscall.MAP_PRIVATE, p, 0), done(syscall.SYS_UTIMENSAT, p, 0, 0, 0), call(syscall.SYS_FCNTL, p, syscall.F_GETFD),
			fmt.Sprintf("%#o", flagsOf(p)), done(syscall.SYS_FCNTL, p, syscall.F_SETFL, 0), done(syscall.SYS_READAHEAD, p, 0, 1), done(syscall.SYS_FSTATFS, p, make([]byte, 200)),
			done(syscall.SYS_NEWFSTATAT, p, "", &st, 0x1000), done(syscall.SYS_FCHMODAT, pd, ".", 0o700), done(syscall.SYS_OPENAT, p, "x", 0, 0),
		}
		return list(many...)
	})
	add("flags", func(fd int) string {
		d := open(dir, syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC)
		a := open(fmt.Sprintf("/proc/self/fd/%d", fd), syscall.O_WRONLY|syscall.O_APPEND|syscall.O_NONBLOCK|syscall.O_SYNC)
		defer closeAll(d, a)
		answer := fmt.Sprintf("%#o %#o %#o", flagsOf(fd), flagsOf(d), flagsOf(a))
		return list(answer, done(syscall.SYS_FCNTL, fd, syscall.F_SETFL, -1&^0o40000&^0o20000), fmt.Sprintf("%#o", flagsOf(fd)), done(syscall.SYS_FCNTL, fd, syscall.F_SETFL, 0), fmt.Sprintf("%#o", flagsOf(fd)))
	})
	add("FIONREAD", func(fd int) string {
		var n int32
		seek(fd, 3, 0)
		answer := list(done(syscall.SYS_IOCTL, fd, 0x541b, &n), fmt.Sprint(n))
		seek(fd, 100, 0)
		d, z := open(dir, 0), open("/dev/null", 0)
		defer closeAll(d, z)
		return list(answer, done(syscall.SYS_IOCTL, fd, 0x541b, &n), fmt.Sprint(n), done(syscall.SYS_IOCTL, d, 0x541b, &n), done(syscall.SYS_IOCTL, z, 0x541b, &n))
	})
	add("ioctl", func(fd int) string {
		n := int32(1)
		d := open(dir, 0)
		defer syscall.Close(d)
		return list(done(syscall.SYS_IOCTL, fd, 0x5401, buf), done(syscall.SYS_IOCTL, fd, 0x5421, &n), fmt.Sprintf("%#o", flagsOf(fd)), done(syscall.SYS_IOCTL, fd, 0x5451), done(syscall.SYS_FCNTL, fd, syscall.F_GETFD), done(syscall.SYS_IOCTL, fd, 0x5450), done(syscall.SYS_IOCTL, fd, 0x1234, 0),
			done(syscall.SYS_IOCTL, d, 0x5401, buf), done(syscall.SYS_IOCTL, -1, 0x5401, buf))
	})
	add("advice", func(fd int) string {
		r, w := pipe(0)
		defer closeAll(r, w)
		return list(done(syscall.SYS_FADVISE64, fd, 0, 0, 0), done(syscall.SYS_FADVISE64, fd, 0, 0, 99), done(syscall.SYS_FADVISE64, fd, 0, -1, 0), done(syscall.SYS_FADVISE64, -1, 0, 0, 0), done(syscall.SYS_READAHEAD, fd, 0, 10), done(syscall.SYS_READAHEAD, r, 0, 10),
			done(syscall.SYS_SYNC_FILE_RANGE, fd, 0, 0, 0), done(syscall.SYS_SYNC_FILE_RANGE, fd, -1, 0, 0), done(syscall.SYS_SYNC_FILE_RANGE, fd, 0, 0, 99), done(syscall.SYS_SYNC_FILE_RANGE, r, 0, 0, 0), done(306, fd), done(306, r), done(306, -1), done(syscall.SYS_SYNC))
	})
	add("memfd", func(_ int) string {
		fd, e := raw(319, "some name", 1)
		must(e)
		defer syscall.Close(fd)
		return list(call(syscall.SYS_WRITE, fd, buf, 10), fmt.Sprintf("%#o", flagsOf(fd)), call(syscall.SYS_FCNTL, fd, syscall.F_GETFD), done(319, "x", 1<<20), done(319, string(make([]byte, 0))+string(bytesOf(250)), 0))
	})
	add("stat of descriptors", func(fd int) string {
		r, w := pipe(0)
		ep, _ := syscall.EpollCreate1(0)
		ev, _ := raw(syscall.SYS_EVENTFD2, 0, 0)
		n := open("/dev/null", 0)
		defer closeAll(r, w, ep, ev, n)
		var s string
		for _, f := range []int{fd, r, w, ep, ev, n} {
			var st syscall.Stat_t
			must(syscall.Fstat(f, &st))
			s = list(s, fmt.Sprintf("%#o:%d:%d:%#x", st.Mode, st.Nlink, st.Size, st.Rdev))
		}
		return s
	})
	return all
}

func bytesOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'n'
	}
	return b
}

func flagsOf(fd int) int {
	n, e := raw(syscall.SYS_FCNTL, fd, syscall.F_GETFL)
	if e != 0 {
		return -int(e)
	}
	return n
}
