package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

const getcpu = 309 // package syscall does not have it

func processes() (all []probe) {
	add := func(name string, ask func() string) { all = append(all, probe{name, ask}) }
	add("getrandom", func() string {
		b := make([]byte, 600)
		return list(call(318, b, 600, 0), call(318, b, 0, 0), call(318, b, 10, 1), call(318, b, 10, 2), call(318, b, 10, 4), call(318, b, 10, 6), call(318, b, 10, 8), call(318, b, 10, 0x80), call(318, b, 10, 3), call(318, 0, 0, 0))
	})
	add("getcpu", func() string {
		cpu, node := uint32(99999), uint32(99999)
		answer := list(call(getcpu, &cpu, &node, 0), call(getcpu, 0, 0, 0), call(getcpu, &cpu, 0, 1))
		return list(answer, fmt.Sprint(cpu < 4096, node < 4096))
	})
	add("sched_getaffinity", func() string {
		b := bytesOf(128)
		get := func(pid, n int) string { return call(syscall.SYS_SCHED_GETAFFINITY, pid, n, b) }
		answer := list(get(0, 0), get(0, 4), get(0, 7), get(0, 12), get(0, 9), get(4194000, 64), get(-1, 64))
		n, e := raw(syscall.SYS_SCHED_GETAFFINITY, 0, 128, b)
		return list(answer, name(e), fmt.Sprint(n >= 8 && n%8 == 0, b[n] == 'n'))
	})
	add("sched_getaffinity of a process and a thread", func() string {
		b := make([]byte, 1024)
		ok := func(pid int) string {
			n, e := raw(syscall.SYS_SCHED_GETAFFINITY, pid, 1024, b)
			return list(name(e), fmt.Sprint(n > 0))
		}
		return list(ok(0), ok(os.Getpid()), ok(syscall.Gettid()))
	})
	for _, resource := range []int{0, 3, 4, 7, 9, 15, 16, -1, 99} {
		add(fmt.Sprint("getrlimit ", resource), func() string {
			var r [2]int64
			return list(done(syscall.SYS_GETRLIMIT, resource, &r), done(302, 0, resource, 0, &r), done(302, 0, resource, 0, 0))
		})
	}
	add("setrlimit", func() string {
		set := func(resource int, cur, most int64) string {
			return done(syscall.SYS_SETRLIMIT, resource, &[2]int64{cur, most})
		}
		var old, r [2]int64
		raw(syscall.SYS_GETRLIMIT, 7, &old)
		defer raw(syscall.SYS_SETRLIMIT, 7, &old)
		answer := list(set(99, 1, 1), set(7, 2, 1), set(7, 100, old[1]))
		raw(syscall.SYS_GETRLIMIT, 7, &r)
		return list(answer, fmt.Sprint(r[0], r[1] == old[1]), done(302, 0, 7, &[2]int64{200, old[1]}, &r), fmt.Sprint(r[0]), done(302, 4194000, 7, 0, &r), done(302, os.Getpid(), 7, 0, &r), fmt.Sprint(r[0]), set(4, 0, 1<<62))
	})
	add("setrlimit of core", func() string {
		var r [2]int64
		return list(done(syscall.SYS_SETRLIMIT, 4, &[2]int64{0, 4096}), done(syscall.SYS_GETRLIMIT, 4, &r), fmt.Sprint(r))
	})
	add("prctl", func() string {
		b := make([]byte, 16)
		p := func(op int, args ...any) string { return call(syscall.SYS_PRCTL, append([]any{op}, args...)...) }
		return apart(func() string {
			answer := list(p(15, "a-name-that-is-longer-than-fits"), p(16, b), strings.TrimRight(string(b), "\x00"), p(3, 0), p(7, 0), p(8, 1), p(7, 0), p(8, 0), p(8, 2), p(9999, 0), p(4, 5), p(1, 99))
			return list(answer, p(2, b), p(38, 2, 0, 0, 0), p(38, 0, 0, 0, 0), p(39, 1, 0, 0, 0))
		})
	})
	add("prctl no new privileges", func() string {
		return apart(func() string {
			return list(call(syscall.SYS_PRCTL, 38, 1, 0, 0, 0), call(syscall.SYS_PRCTL, 39, 0, 0, 0, 0))
		})
	})
	add("prctl dumpable", func() string {
		answer := list(call(syscall.SYS_PRCTL, 4, 0), call(syscall.SYS_PRCTL, 3), call(syscall.SYS_PRCTL, 4, 1), call(syscall.SYS_PRCTL, 3), call(syscall.SYS_PRCTL, 4, 2))
		return answer
	})
	add("capget", func() string {
		data := make([]byte, 24)
		get := func(version, pid int32) string {
			h := [2]int32{version, pid}
			return list(done(syscall.SYS_CAPGET, &h, data), fmt.Sprintf("%#x", h[0]))
		}
		return list(get(0x20080522, 0), get(0x20071026, 0), get(0x19980330, 0), get(1, 0), get(0x20080522, 4194000), get(0x20080522, -1), done(syscall.SYS_CAPGET, &[2]int32{0x20080522}, 0), done(syscall.SYS_CAPGET, &[2]int32{1}, 0))
	})
	add("getrusage", func() string {
		b := make([]byte, 144)
		return list(done(syscall.SYS_GETRUSAGE, 0, b), done(syscall.SYS_GETRUSAGE, 1, b), done(syscall.SYS_GETRUSAGE, -1, b), done(syscall.SYS_GETRUSAGE, 2, b), done(syscall.SYS_GETRUSAGE, -2, b))
	})
	add("uname", func() string {
		b := bytesOf(400)
		answer := done(syscall.SYS_UNAME, b)
		sys, _, _ := strings.Cut(string(b), "\x00")
		arch, _, _ := strings.Cut(string(b[65*4:]), "\x00")
		return list(answer, sys, arch, fmt.Sprint(b[390] == 'n'))
	})
	add("arch_prctl", func() string {
		var v int64
		answer := list(done(syscall.SYS_ARCH_PRCTL, 0x1003, &v), fmt.Sprint(v != 0), done(syscall.SYS_ARCH_PRCTL, 0x9999, &v))
		return list(answer, done(syscall.SYS_ARCH_PRCTL, 0x1002, uintptr(1)<<47), done(syscall.SYS_ARCH_PRCTL, 0x1002, ^uintptr(0)))
	})
	add("ids", func() string {
		id := func(nr int) string { return fmt.Sprint(call(uintptr(nr)) == fmt.Sprint(os.Getuid())) }
		return list(id(syscall.SYS_GETUID), id(syscall.SYS_GETEUID), fmt.Sprint(os.Getpid() > 0, os.Getppid() >= 0))
	})
	add("kill", func() string {
		kill := func(pid, sig int) string { return done(syscall.SYS_KILL, pid, sig) }
		return list(kill(os.Getpid(), 0), kill(os.Getpid(), 65), kill(os.Getpid(), -1), kill(4194000, 0), kill(-4194000, 0), kill(4194000, 99))
	})
	add("tgkill", func() string {
		self, tid := os.Getpid(), syscall.Gettid()
		kill := func(group, tid, sig int) string { return done(syscall.SYS_TGKILL, group, tid, sig) }
		return list(kill(self, tid, 0), kill(self, tid, 65), kill(self, tid, -1), kill(self, 0, 0), kill(0, tid, 0), kill(-1, tid, 0), kill(self, -1, 0), kill(self, 4194000, 0), kill(4194000, tid, 0), kill(self, tid, 99),
			done(syscall.SYS_TKILL, 0, 0), done(syscall.SYS_TKILL, -1, 0), done(syscall.SYS_TKILL, tid, 0), done(syscall.SYS_TKILL, tid, 99), done(syscall.SYS_TKILL, 4194000, 0))
	})
	add("unknown calls", func() string {
		return list(done(9999), done(^uintptr(0)), done(180), done(1<<32|39))
	})
	add("clone", func() string {
		return list(done(syscall.SYS_CLONE, 0x10000, 0, 0, 0, 0), done(syscall.SYS_CLONE, 0x800, 0, 0, 0, 0))
	})
	return all
}
