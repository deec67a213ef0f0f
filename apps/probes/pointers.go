package main

import (
	"syscall"
	"unsafe"
)

// Directions of a pointer argument.
const (
	reads  = iota // the call reads there
	writes        // it writes there
	prints        // it reads there, and prints what it can
)

// An argument is a pointer argument of a call: calls with all else right.
type argument struct {
	name string
	way  int
	call func(p uintptr) string
}

// pointers asks what each call says of each kind of bad address.
func pointers() (all []probe) {
	kinds := places()
	for _, a := range append(arguments(), elders()...) {
		for _, k := range kinds {
			if k.readable && a.way != writes || k.name == "end of a mapping" && a.way == prints {
				continue
			}
			all = append(all, probe{a.name + "/" + k.name, func() string {
				if k.name == "end of a mapping" {
					*bytesAt(k.p) = 'x' // an earlier call may have written its one byte
				}
				return a.call(k.p)
			}})
		}
	}
	return all
}

func arguments() []argument {
	rw := file("some text to read")
	fds := []int{rw, file("more of it")}
	r, w := pipe(syscall.O_NONBLOCK)
	_, err := syscall.Write(w, []byte("something to read"))
	must(err)
	full := open("/dev/full", syscall.O_RDWR)
	random, zero, null := open("/dev/urandom", syscall.O_RDONLY), open("/dev/zero", syscall.O_RDONLY), open("/dev/null", syscall.O_RDWR)
	ep, err := syscall.EpollCreate1(0)
	must(err)
	must(syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, r, &syscall.EpollEvent{Events: syscall.EPOLLIN}))
	count, e := raw(syscall.SYS_EVENTFD2, 1, syscall.O_NONBLOCK)
	must(e)
	folder := open(dir, syscall.O_RDONLY)
	link, path := fresh(), fresh()
	must(syscall.Symlink("to somewhere", link))
	good := make([]byte, 4096)
	status, proc := open("/proc/self/status", syscall.O_RDONLY), open("/proc/self", syscall.O_RDONLY)
	here := -100 // AT_FDCWD
	var timer int32
	_, e = raw(syscall.SYS_TIMER_CREATE, 1, 0, &timer)
	must(e)
	zeros, word := [4]int64{}, uint32(0)
	iov := func(fd, nr int) func(p uintptr) string {
		return func(p uintptr) string {
			return call(uintptr(nr), fd, []syscall.Iovec{{Base: (*byte)(unsafe.Pointer(&good[0])), Len: 0}, {Base: bytesAt(p), Len: 10}}, 2, 0, 0)
		}
	}
	c := func(nr int, args ...any) func(p uintptr) string { return with(uintptr(nr), args...) }
	return []argument{
		{"read file", writes, c(syscall.SYS_PREAD64, rw, here_, 10, 0)},
		{"read pipe", writes, c(syscall.SYS_READ, r, here_, 10)},
		{"read urandom", writes, c(syscall.SYS_READ, random, here_, 10)},
		{"read zero", writes, c(syscall.SYS_READ, zero, here_, 10)},
		{"read eventfd", writes, c(syscall.SYS_READ, count, here_, 8)},
		{"read proc", writes, c(syscall.SYS_PREAD64, status, here_, 10, 0)},
		{"readv file", writes, iov(rw, syscall.SYS_PREADV)},
		{"readv iovec", reads, c(syscall.SYS_READV, zero, here_, 2)},
		{"write file", reads, c(syscall.SYS_PWRITE64, rw, here_, 10, 0)},
		{"write pipe", reads, c(syscall.SYS_WRITE, w, here_, 10)},
		{"write null", reads, func(p uintptr) string {
			return call(syscall.SYS_WRITE, null, p, 10)
		}},
		{"write full", reads, c(syscall.SYS_WRITE, full, here_, 10)},
		{"write eventfd", reads, c(syscall.SYS_WRITE, count, here_, 8)},
		{"write stdout", prints, c(syscall.SYS_WRITE, 1, here_, 10)},
		{"write stderr", prints, c(syscall.SYS_WRITE, 2, here_, 10)},
		{"writev file", reads, iov(rw, syscall.SYS_PWRITEV)},
		{"writev pipe", reads, iov(w, syscall.SYS_WRITEV)},
		{"writev iovec", reads, c(syscall.SYS_WRITEV, w, here_, 2)},
		{"open", reads, c(syscall.SYS_OPENAT, here, here_, 0, 0)},
		{"openat2 how", reads, c(437, here, "/", here_, 24)},
		{"stat path", reads, c(syscall.SYS_NEWFSTATAT, here, here_, good, 0)},
		{"stat", writes, c(syscall.SYS_NEWFSTATAT, here, "/", here_, 0)},
		{"fstat", writes, c(syscall.SYS_FSTAT, rw, here_)},
		{"fstat pipe", writes, c(syscall.SYS_FSTAT, r, here_)},
		{"statx", writes, c(332, here, "/", 0, 0x7ff, here_)},
		{"statfs", writes, c(syscall.SYS_STATFS, "/", here_)},
		{"access", reads, c(syscall.SYS_FACCESSAT, here, here_, 0)},
		{"readlink path", reads, c(syscall.SYS_READLINKAT, here, here_, good, 100)},
		{"readlink", writes, c(syscall.SYS_READLINKAT, here, link, here_, 100)},
		{"readlink proc", writes, c(syscall.SYS_READLINKAT, proc, "exe", here_, 100)},
		{"getdents", writes, c(syscall.SYS_GETDENTS64, folder, here_, 1000)},
		{"getcwd", writes, c(syscall.SYS_GETCWD, here_, 1000)},
		{"mkdir", reads, c(syscall.SYS_MKDIRAT, here, here_, 0o755)},
		{"unlink", reads, c(syscall.SYS_UNLINKAT, here, here_, 0)},
		{"rename from", reads, c(syscall.SYS_RENAMEAT, here, here_, here, path)},
		{"rename to", reads, c(syscall.SYS_RENAMEAT, here, link, here, here_)},
		{"link to", reads, c(syscall.SYS_LINKAT, here, link, here, here_, 0)},
		{"symlink text", reads, c(syscall.SYS_SYMLINKAT, here_, here, path)},
		{"symlink path", reads, c(syscall.SYS_SYMLINKAT, "x", here, here_)},
		{"chmod", reads, c(syscall.SYS_FCHMODAT, here, here_, 0o644)},
		{"chdir", reads, c(syscall.SYS_CHDIR, here_)},
		{"truncate", reads, c(syscall.SYS_TRUNCATE, here_, 0)},
		{"memfd", reads, c(319, here_, 0)},
		{"utimensat", reads, func(p uintptr) string {
			if p == 0 {
				return "now"
			}
			return call(syscall.SYS_UTIMENSAT, here, dir, p, 0)
		}},
		{"copy_file_range", writes, func(p uintptr) string {
			if p == 0 {
				return "position"
			}
			return call(326, rw, p, fds[1], 0, 1, 0)
		}},
		{"sendfile", writes, func(p uintptr) string {
			if p == 0 {
				return "position"
			}
			return call(syscall.SYS_SENDFILE, fds[1], rw, p, 1)
		}},
		{"pipe2", writes, c(syscall.SYS_PIPE2, here_, 0)},
		{"ioctl FIONREAD", writes, c(syscall.SYS_IOCTL, r, 0x541b, here_)},
		{"ioctl FIONBIO", reads, c(syscall.SYS_IOCTL, r, 0x5421, here_)},
		{"fcntl GETLK", writes, c(syscall.SYS_FCNTL, rw, syscall.F_GETLK, here_)},
		{"fcntl SETLK", reads, c(syscall.SYS_FCNTL, rw, syscall.F_SETLK, here_)},
		{"fcntl OFD_SETLK", reads, c(syscall.SYS_FCNTL, rw, 37, here_)},
		{"epoll_ctl", reads, c(syscall.SYS_EPOLL_CTL, ep, syscall.EPOLL_CTL_MOD, r, here_)},
		{"epoll_wait", writes, c(syscall.SYS_EPOLL_WAIT, ep, here_, 1, 0)},
		{"poll", writes, c(syscall.SYS_POLL, here_, 1, 0)},
		{"ppoll timeout", reads, func(p uintptr) string {
			if p == 0 {
				return "for ever"
			}
			return call(syscall.SYS_PPOLL, 0, 0, p, 0, 8)
		}},
		{"getrandom", writes, c(318, here_, 10, 0)},
		{"clock_gettime realtime", writes, c(syscall.SYS_CLOCK_GETTIME, 0, here_)},
		{"clock_gettime monotonic", writes, c(syscall.SYS_CLOCK_GETTIME, 1, here_)},
		{"clock_gettime process", writes, c(syscall.SYS_CLOCK_GETTIME, 2, here_)},
		{"clock_gettime thread", writes, c(syscall.SYS_CLOCK_GETTIME, 3, here_)},
		{"clock_getres", writes, c(syscall.SYS_CLOCK_GETRES, 1, here_)},
		{"gettimeofday", writes, c(syscall.SYS_GETTIMEOFDAY, here_, 0)},
		{"gettimeofday zone", writes, c(syscall.SYS_GETTIMEOFDAY, 0, here_)},
		{"time", writes, func(p uintptr) string {
			if p == 0 {
				return "not wanted"
			}
			return call(syscall.SYS_TIME, p)
		}},
		{"times", writes, func(p uintptr) string {
			if p == 0 {
				return "not wanted"
			}
			return call(syscall.SYS_TIMES, p)
		}},
		{"nanosleep", reads, c(syscall.SYS_NANOSLEEP, here_, 0)},
		{"clock_nanosleep", reads, c(syscall.SYS_CLOCK_NANOSLEEP, 1, 1, here_, 0)},
		{"futex wait", reads, c(syscall.SYS_FUTEX, here_, 128, 0, 0)},
		{"futex wait timeout", reads, func(p uintptr) string {
			if p == 0 {
				return "for ever"
			}
			return call(syscall.SYS_FUTEX, &word, 128, 0, p)
		}},
		{"futex wake", reads, c(syscall.SYS_FUTEX, here_, 129, 1)},
		{"uname", writes, c(syscall.SYS_UNAME, here_)},
		{"sysinfo", writes, c(syscall.SYS_SYSINFO, here_)},
		{"getrusage", writes, c(syscall.SYS_GETRUSAGE, 0, here_)},
		{"getrlimit", writes, c(syscall.SYS_GETRLIMIT, 7, here_)},
		{"setrlimit", reads, c(syscall.SYS_SETRLIMIT, 7, here_)},
		{"prlimit64 new", reads, c(302, 0, 7, here_, 0)},
		{"prlimit64 old", writes, c(302, 0, 7, 0, here_)},
		{"rt_sigaction new", reads, c(syscall.SYS_RT_SIGACTION, 10, here_, 0, 8)},
		{"rt_sigaction old", writes, c(syscall.SYS_RT_SIGACTION, 10, 0, here_, 8)},
		{"rt_sigprocmask new", reads, c(syscall.SYS_RT_SIGPROCMASK, 0, here_, 0, 8)},
		{"rt_sigprocmask old", writes, c(syscall.SYS_RT_SIGPROCMASK, 0, 0, here_, 8)},
		{"sigaltstack new", reads, c(syscall.SYS_SIGALTSTACK, here_, 0)},
		{"sigaltstack old", writes, c(syscall.SYS_SIGALTSTACK, 0, here_)},
		{"getcpu", writes, func(p uintptr) string {
			if p == 0 {
				return "not wanted"
			}
			return call(getcpu, p, 0, 0)
		}},
		{"getcpu node", writes, func(p uintptr) string {
			if p == 0 {
				return "not wanted"
			}
			return call(getcpu, 0, p, 0)
		}},
		{"sched_getaffinity", writes, c(syscall.SYS_SCHED_GETAFFINITY, 0, 128, here_)},
		{"capget header", reads, c(syscall.SYS_CAPGET, here_, 0)},
		{"capget data", writes, c(syscall.SYS_CAPGET, &[2]int32{0x20080522, 0}, here_)},
		{"getresuid", writes, func(p uintptr) string { return call(syscall.SYS_GETRESUID, good, good, p) }},
		{"arch_prctl GET_FS", writes, c(syscall.SYS_ARCH_PRCTL, 0x1003, here_)},
		{"prctl GET_NAME", writes, c(syscall.SYS_PRCTL, 16, here_)},
		{"prctl SET_NAME", reads, c(syscall.SYS_PRCTL, 15, here_)},
		{"timer_create event", reads, func(p uintptr) string {
			if p == 0 {
				return "default"
			}
			var id int32
			return call(syscall.SYS_TIMER_CREATE, 1, p, &id)
		}},
		{"timer_create id", writes, c(syscall.SYS_TIMER_CREATE, 1, 0, here_)},
		{"timer_settime new", reads, c(syscall.SYS_TIMER_SETTIME, int(timer), 0, here_, 0)},
		{"timer_settime old", writes, c(syscall.SYS_TIMER_SETTIME, int(timer), 0, &zeros, here_)},
		{"timer_gettime", writes, c(syscall.SYS_TIMER_GETTIME, int(timer), here_)},
		{"setitimer new", reads, c(syscall.SYS_SETITIMER, 1, here_, 0)},
		{"setitimer old", writes, c(syscall.SYS_SETITIMER, 1, &zeros, here_)},
		{"getitimer", writes, c(syscall.SYS_GETITIMER, 1, here_)},
		{"mincore", writes, c(syscall.SYS_MINCORE, mapped(1, 3), page, here_)},
	}
}

// elders asks the same of calls whose younger or older siblings arguments has.
func elders() []argument {
	c := func(nr int, args ...any) func(p uintptr) string { return with(uintptr(nr), args...) }
	old, link := file("of an elder"), fresh()
	must(syscall.Symlink("to somewhere", link))
	good := make([]byte, 4096)
	ep, err := syscall.EpollCreate1(0)
	must(err)
	here := -100 // AT_FDCWD
	var zeros [4]int64
	all := []argument{
		{"open", reads, c(syscall.SYS_OPEN, here_, 0, 0)},
		{"creat", reads, c(syscall.SYS_CREAT, here_, 0o600)},
		{"stat path", reads, c(syscall.SYS_STAT, here_, good)},
		{"stat", writes, c(syscall.SYS_STAT, "/", here_)},
		{"lstat path", reads, c(syscall.SYS_LSTAT, here_, good)},
		{"lstat", writes, c(syscall.SYS_LSTAT, "/", here_)},
		{"fstatfs", writes, c(syscall.SYS_FSTATFS, old, here_)},
		{"access", reads, c(syscall.SYS_ACCESS, here_, 0)},
		{"faccessat2", reads, c(439, here, here_, 0, 0)},
		{"pipe", writes, c(syscall.SYS_PIPE, here_)},
		{"rename from", reads, c(syscall.SYS_RENAME, here_, link)},
		{"rename to", reads, c(syscall.SYS_RENAME, link, here_)},
		{"renameat2 from", reads, c(316, here, here_, here, link, 1)},
		{"renameat2 to", reads, c(316, here, link, here, here_, 1)},
		{"mkdir", reads, c(syscall.SYS_MKDIR, here_, 0o755)},
		{"rmdir", reads, c(syscall.SYS_RMDIR, here_)},
		{"link from", reads, c(syscall.SYS_LINK, here_, link)},
		{"link to", reads, c(syscall.SYS_LINK, link, here_)},
		{"unlink", reads, c(syscall.SYS_UNLINK, here_)},
		{"symlink text", reads, c(syscall.SYS_SYMLINK, here_, link)},
		{"symlink path", reads, c(syscall.SYS_SYMLINK, "x", here_)},
		{"readlink path", reads, c(syscall.SYS_READLINK, here_, good, 100)},
		{"readlink", writes, c(syscall.SYS_READLINK, link, here_, 100)},
		{"chmod", reads, c(syscall.SYS_CHMOD, here_, 0o644)},
		{"fchmodat2", reads, c(452, here, here_, 0o644, 0)},
		{"chown", reads, c(syscall.SYS_CHOWN, here_, 0, 0)},
		{"lchown", reads, c(syscall.SYS_LCHOWN, here_, 0, 0)},
		{"fchownat", reads, c(syscall.SYS_FCHOWNAT, here, here_, 0, 0, 0)},
		{"mknod", reads, c(syscall.SYS_MKNOD, here_, 0o644, 0)},
		{"mknodat", reads, c(syscall.SYS_MKNODAT, here, here_, 0o644, 0)},
		{"utimes path", reads, c(syscall.SYS_UTIMES, here_, &zeros)},
		{"utimes", reads, func(p uintptr) string {
			if p == 0 {
				return "now"
			}
			return call(syscall.SYS_UTIMES, dir, p)
		}},
		{"futimesat path", reads, func(p uintptr) string {
			if p == 0 {
				return "the directory"
			}
			return call(syscall.SYS_FUTIMESAT, here, p, &zeros)
		}},
		{"preadv2 iovec", reads, c(327, old, here_, 1, 0, 0, 0)},
		{"pwritev2 iovec", reads, c(328, old, here_, 1, 0, 0, 0)},
		{"epoll_pwait", writes, c(syscall.SYS_EPOLL_PWAIT, ep, here_, 1, 0, 0, 8)},
		{"epoll_pwait2", writes, c(441, ep, here_, 1, &zeros, 0, 8)},
		{"epoll_pwait2 timeout", reads, func(p uintptr) string {
			if p == 0 {
				return "for ever"
			}
			return call(441, ep, good, 1, p, 0, 8)
		}},
		{"clock_settime", reads, c(syscall.SYS_CLOCK_SETTIME, 1, here_)},
		{"getresgid", writes, c(syscall.SYS_GETRESGID, good, good, here_)},
		{"setgroups", reads, c(syscall.SYS_SETGROUPS, 1, here_)},
	}
	for i := range all {
		all[i].name = "elder " + all[i].name
	}
	return all
}

// here_ stands for the pointer argument in question.
const here_ = "here"

// with returns a call whose argument here_ is the address, and the others as given.
// An address of 0 that the call takes for "not wanted" is answered by its value.
func with(nr uintptr, args ...any) func(p uintptr) string {
	return func(p uintptr) string {
		x := make([]any, len(args))
		for i, a := range args {
			if x[i] = a; a == here_ {
				x[i] = p
			}
		}
		return call(nr, x...)
	}
}

func bytesAt(p uintptr) *byte { return *(**byte)(unsafe.Pointer(&p)) }
