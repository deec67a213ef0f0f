package main

import (
	"fmt"
	"math"
	"os"
	"syscall"
)

// Commands of fcntl for locks of an open file (linux/fcntl.h), and of flock.
const (
	ofdGet, ofdSet, ofdWait = 36, 37, 38

	rd, wr, un = syscall.F_RDLCK, syscall.F_WRLCK, syscall.F_UNLCK

	sh, ex, nb, off = syscall.LOCK_SH, syscall.LOCK_EX, syscall.LOCK_NB, syscall.LOCK_UN
)

// twice opens a new file two times.
func twice() (a, b int) {
	path := fileNamed("0123456789")
	return open(path, syscall.O_RDWR), open(path, syscall.O_RDWR)
}

func fcntl(fd, cmd int, l syscall.Flock_t) string { return done(syscall.SYS_FCNTL, fd, cmd, &l) }

// found is what a command that looks for a lock says.
func found(fd, cmd int, l syscall.Flock_t) string {
	answer := done(syscall.SYS_FCNTL, fd, cmd, &l)
	who := fmt.Sprint(l.Pid)
	if int(l.Pid) == os.Getpid() {
		who = "self"
	}
	return list(answer, fmt.Sprint(l.Type, l.Whence, l.Start, l.Len), who)
}

func span(kind int16, start, n int64) syscall.Flock_t {
	return syscall.Flock_t{Type: kind, Start: start, Len: n}
}

func locks() (all []probe) {
	add := func(name string, ask func(a, b int) string) {
		all = append(all, probe{name, func() string {
			a, b := twice()
			defer closeAll(a, b)
			return ask(a, b)
		}})
	}
	flock := func(fd, op int) string { return done(syscall.SYS_FLOCK, fd, op) }
	add("flock exclusive twice", func(a, b int) string { return list(flock(a, ex|nb), flock(b, ex|nb), flock(a, ex|nb)) })
	add("flock shared twice", func(a, b int) string { return list(flock(a, sh|nb), flock(b, sh|nb), flock(a, ex|nb), flock(b, sh|nb)) })
	add("flock a lost upgrade", func(a, b int) string {
		return list(flock(a, sh|nb), flock(b, sh|nb), flock(a, ex|nb), flock(b, ex|nb), flock(a, sh|nb))
	})
	add("flock unlock", func(a, b int) string { return list(flock(a, ex|nb), flock(a, off), flock(b, ex|nb), flock(a, off)) })
	add("flock close unlocks", func(a, b int) string {
		c := open(fmt.Sprintf("/proc/self/fd/%d", a), syscall.O_RDWR)
		answer := list(flock(c, ex|nb), flock(b, ex|nb))
		syscall.Close(c)
		return list(answer, flock(b, ex|nb))
	})
	add("flock dup shares", func(a, b int) string {
		c, err := syscall.Dup(a)
		must(err)
		answer := list(flock(a, ex|nb), flock(c, ex|nb))
		syscall.Close(a)
		answer = list(answer, flock(b, ex|nb))
		syscall.Close(c)
		return list(answer, flock(b, ex|nb))
	})
	add("flock operations", func(a, b int) (s string) {
		for _, op := range []int{0, nb, 3, 16, 64, off | nb, sh | ex, 77, -1} {
			s = list(s, flock(a, op))
		}
		return s
	})
	add("flock waits", func(a, b int) string {
		flock(a, ex)
		c := beside(func() string { return flock(b, ex) })
		answer := still(c)
		flock(a, off)
		return list(answer, await(c))
	})
	add("flock waits for the last of two", func(a, b int) string {
		flock(a, sh)
		path := fmt.Sprintf("/proc/self/fd/%d", a)
		d := open(path, syscall.O_RDWR)
		defer syscall.Close(d)
		flock(d, sh)
		c := beside(func() string { return flock(b, ex) })
		flock(a, off)
		answer := still(c)
		flock(d, off)
		return list(answer, await(c))
	})
	add("flock waits for a close", func(a, b int) string {
		flock(a, ex)
		c := beside(func() string { return flock(b, sh) })
		answer := still(c)
		syscall.Close(a)
		return list(answer, await(c))
	})
	add("flock bad descriptor", func(a, b int) string { return flock(-1, ex) })
	add("flock pipe", func(_, _ int) string {
		r, w := pipe(0)
		defer closeAll(r, w)
		return list(flock(r, ex|nb), flock(w, ex|nb))
	})
	add("flock folder", func(_, _ int) string {
		a, b := open(dir, 0), open(dir, 0)
		defer closeAll(a, b)
		return list(flock(a, ex|nb), flock(b, ex|nb))
	})
	add("flock and fcntl are apart", func(a, b int) string {
		return list(flock(a, ex|nb), fcntl(b, ofdSet, span(wr, 0, 0)), fcntl(b, syscall.F_SETLK, span(rd, 0, 0)))
	})
	for _, c := range []struct {
		name string
		set  int
	}{{"OFD", ofdSet}, {"POSIX", syscall.F_SETLK}} {
		add(c.name+" write twice", func(a, b int) string { return list(fcntl(a, c.set, span(wr, 0, 10)), fcntl(b, c.set, span(wr, 0, 10))) })
		add(c.name+" read twice", func(a, b int) string { return list(fcntl(a, c.set, span(rd, 0, 10)), fcntl(b, c.set, span(rd, 0, 10))) })
		add(c.name+" neighbours", func(a, b int) string {
			return list(fcntl(a, c.set, span(wr, 0, 10)), fcntl(b, c.set, span(wr, 10, 10)), fcntl(b, c.set, span(wr, 9, 1)))
		})
		add(c.name+" to the end", func(a, b int) string {
			return list(fcntl(a, c.set, span(wr, 5, 0)), fcntl(b, c.set, span(wr, math.MaxInt64-1, 1)), fcntl(b, c.set, span(wr, 0, 5)))
		})
		add(c.name+" bad spans", func(a, b int) (s string) {
			for _, l := range []syscall.Flock_t{span(wr, -1, 1), span(wr, 0, -1), span(wr, 5, -5), span(wr, 5, -6), span(wr, math.MaxInt64, 1), span(wr, math.MaxInt64, 2), span(wr, 1, math.MaxInt64),
				span(7, 0, 1), {Type: wr, Whence: 3}, {Type: wr, Whence: 1, Start: -1}, {Type: wr, Whence: 2, Start: -10, Len: 1}, {Type: wr, Whence: 2, Start: -11, Len: 1}} {
				s = list(s, fcntl(a, c.set, l))
			}
			return s
		})
		add(c.name+" needs the right mode", func(a, _ int) string {
			path := fmt.Sprintf("/proc/self/fd/%d", a)
			r, w, p := open(path, syscall.O_RDONLY), open(path, syscall.O_WRONLY), open(path, 0o10000000)
			defer closeAll(r, w, p)
			return list(fcntl(r, c.set, span(rd, 0, 1)), fcntl(r, c.set, span(wr, 0, 1)), fcntl(w, c.set, span(rd, 0, 1)), fcntl(w, c.set, span(wr, 0, 1)), fcntl(p, c.set, span(rd, 0, 1)))
		})
	}
	add("OFD process number", func(a, b int) string {
		l := span(wr, 0, 1)
		l.Pid = 1
		return list(fcntl(a, ofdSet, l), fcntl(a, ofdGet, l), fcntl(a, syscall.F_SETLK, l))
	})
	add("OFD get", func(a, b int) string {
		fcntl(a, ofdSet, span(wr, 3, 4))
		return list(found(b, ofdGet, span(rd, 0, 0)), found(b, ofdGet, span(rd, 0, 3)), found(a, ofdGet, span(wr, 0, 0)))
	})
	add("OFD get what is read", func(a, b int) string {
		fcntl(a, ofdSet, span(rd, 3, 0))
		return list(found(b, ofdGet, span(rd, 0, 0)), found(b, ofdGet, span(wr, 0, 0)))
	})
	add("POSIX get", func(a, b int) string {
		fcntl(a, syscall.F_SETLK, span(wr, 3, 4))
		return list(found(b, syscall.F_GETLK, span(wr, 0, 0)), found(b, ofdGet, span(wr, 0, 0)), found(b, syscall.F_GETLK, span(un, 0, 0)))
	})
	add("POSIX and OFD", func(a, b int) string {
		answer := list(fcntl(a, syscall.F_SETLK, span(wr, 0, 10)), fcntl(a, ofdSet, span(wr, 0, 10)), fcntl(b, ofdSet, span(rd, 5, 1)))
		fcntl(b, syscall.F_SETLK, span(un, 0, 0))
		return list(answer, fcntl(a, ofdSet, span(wr, 0, 10)), fcntl(b, syscall.F_SETLK, span(rd, 2, 2)), found(b, syscall.F_GETLK, span(rd, 2, 2)))
	})
	add("POSIX a close of any descriptor unlocks", func(a, b int) string {
		c := open(fmt.Sprintf("/proc/self/fd/%d", a), syscall.O_RDWR)
		answer := list(fcntl(a, syscall.F_SETLK, span(wr, 0, 10)), fcntl(b, ofdSet, span(wr, 0, 10)))
		syscall.Close(c)
		return list(answer, fcntl(b, ofdSet, span(wr, 0, 10)))
	})
	add("OFD a hole", func(a, b int) string {
		return list(fcntl(a, ofdSet, span(wr, 0, 100)), fcntl(a, ofdSet, span(un, 40, 20)), fcntl(b, ofdSet, span(wr, 40, 20)), fcntl(b, ofdSet, span(wr, 39, 1)),
			fcntl(b, ofdSet, span(wr, 60, 1)), found(b, ofdGet, span(wr, 60, 1)), found(b, ofdGet, span(wr, 0, 0)))
	})
	add("OFD a change of a part", func(a, b int) string {
		return list(fcntl(a, ofdSet, span(wr, 0, 100)), fcntl(a, ofdSet, span(rd, 40, 20)), fcntl(b, ofdSet, span(rd, 45, 5)), fcntl(b, ofdSet, span(rd, 39, 2)),
			found(b, ofdGet, span(wr, 45, 1)), fcntl(a, ofdSet, span(wr, 0, 100)))
	})
	add("OFD neighbours become one", func(a, b int) string {
		fcntl(a, ofdSet, span(wr, 0, 10))
		fcntl(a, ofdSet, span(wr, 20, 10))
		fcntl(a, ofdSet, span(wr, 10, 10))
		return found(b, ofdGet, span(wr, 0, 0))
	})
	add("OFD waits", func(a, b int) string {
		fcntl(a, ofdSet, span(wr, 0, 10))
		c := beside(func() string { return fcntl(b, ofdWait, span(wr, 5, 10)) })
		answer := still(c)
		fcntl(a, ofdSet, span(un, 0, 7))
		answer = list(answer, still(c))
		fcntl(a, ofdSet, span(un, 0, 0))
		return list(answer, await(c))
	})
	add("OFD waits for a close", func(a, b int) string {
		fcntl(a, ofdSet, span(wr, 0, 10))
		c := beside(func() string { return fcntl(b, ofdWait, span(wr, 5, 10)) })
		answer := still(c)
		syscall.Close(a)
		return list(answer, await(c))
	})
	add("leases and the like", func(a, b int) string {
		return list(done(syscall.SYS_FCNTL, a, 99), done(syscall.SYS_FCNTL, -1, syscall.F_GETLK, 0))
	})
	return all
}
