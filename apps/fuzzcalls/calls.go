package main

import (
	"syscall"
)

// A kind is a call and what its arguments are.
type kind struct {
	name  string
	nr    uintptr
	args  []argument
	after func(r uintptr, x [6]uintptr) // undoes what the call did
	fails bool                          // it never goes well: it is refused
}

func args(a ...argument) []argument { return a }

// closes closes what a call has opened.
func closes(r uintptr, _ [6]uintptr) { syscall.Close(int(r)) }

// unmaps unmaps what a call has mapped.
func unmaps(r uintptr, x [6]uintptr) { syscall.Syscall(syscall.SYS_MUNMAP, r, x[1], 0) }

// deletes deletes the timer that a call has made, or all of a range.
func deletes(_ uintptr, _ [6]uintptr) {
	for id := range uintptr(64) {
		syscall.Syscall(syscall.SYS_TIMER_DELETE, id, 0, 0)
	}
}

// nonblock is O_NONBLOCK: what leaks gets a number that others may read from.
const nonblock = 0o4000

// Not among them: calls that end or replace the program (exit, execve, rt_sigreturn),
// threads (clone), handlers and masks that the runtime needs (rt_sigaction,
// rt_sigprocmask and sigaltstack get nothing to set), signals that end it, arch_prctl to
// set FS, limits of descriptors, waits without an end (F_SETLKW, flock without LOCK_NB,
// blocking descriptors, FIFOs), and mappings outside the scratch memory.
var calls = []kind{
	{name: "read", nr: 0, args: args(fd, out, size)},
	{name: "write", nr: 1, args: args(fd, in, size)},
	{name: "open", nr: 2, args: args(path, number, number), after: closes},
	{name: "close", nr: 3, args: args(fd)},
	{name: "stat", nr: 4, args: args(path, out)},
	{name: "fstat", nr: 5, args: args(fd, out)},
	{name: "lstat", nr: 6, args: args(path, out)},
	{name: "poll", nr: 7, args: args(out, few, of(0, 1))},
	{name: "lseek", nr: 8, args: args(fd, number, number)},
	{name: "mmap", nr: 9, args: args(of(0), little, of(0, 1, 2, 3, 7), of(0, 1, 2, 0x21, 0x22), fd, number), after: unmaps},
	{name: "rt_sigaction", nr: 13, args: args(few, onlyBadOrNone, out, of(8, 8, 8, 4))},
	{name: "rt_sigprocmask", nr: 14, args: args(few, onlyBadOrNone, out, of(8, 8, 8, 4))},
	{name: "ioctl", nr: 16, args: args(fd, of(0x541b, 0x5401, 0x5450, 0x5451, 77), out)},
	{name: "pread64", nr: 17, args: args(fd, out, size, number)},
	{name: "pwrite64", nr: 18, args: args(fd, in, little, little)},
	{name: "readv", nr: 19, args: args(fd, vector, few)},
	{name: "writev", nr: 20, args: args(fd, vector, few)},
	{name: "access", nr: 21, args: args(path, number)},
	{name: "pipe", nr: 22, args: args(onlyBadOrNone), fails: true},
	{name: "sched_yield", nr: 24},
	{name: "msync", nr: 26, args: args(sparePage, of(0, page, mostSpare*page), of(0, 1, 2, 4, 5, 99))},
	{name: "mincore", nr: 27, args: args(sparePage, of(0, page, mostSpare*page), out)},
	{name: "madvise", nr: 28, args: args(sparePage, of(0, page, mostSpare*page), number)},
	{name: "dup", nr: 32, args: args(fd), after: closes},
	{name: "dup2", nr: 33, args: args(fd, fd)},
	{name: "nanosleep", nr: 35, args: args(badOr(&moment), out)},
	{name: "getitimer", nr: 36, args: args(few, out)},
	{name: "setitimer", nr: 38, args: args(of(0, 1, 2, 3), onlyBadOrNone, out)},
	{name: "getpid", nr: 39},
	{name: "sendfile", nr: 40, args: args(fd, fd, out, little)},
	{name: "kill", nr: 62, args: args(of(0, 1, 99999), of(0, 99))},
	{name: "uname", nr: 63, args: args(out)},
	{name: "fcntl", nr: 72, args: args(fd, of(0, 1, 2, 3, 5, 6, 36, 37, 1030, 1031, 1032, 99), fcntlArg)},
	{name: "flock", nr: 73, args: args(fd, of(4|1, 4|2, 8, 4|8, 4|77))},
	{name: "fsync", nr: 74, args: args(fd)},
	{name: "fdatasync", nr: 75, args: args(fd)},
	{name: "truncate", nr: 76, args: args(path, number)},
	{name: "ftruncate", nr: 77, args: args(fd, number)},
	{name: "getcwd", nr: 79, args: args(out, size)},
	{name: "chdir", nr: 80, args: args(path)},
	{name: "fchdir", nr: 81, args: args(fd)},
	{name: "rename", nr: 82, args: args(path, path)},
	{name: "mkdir", nr: 83, args: args(path, number)},
	{name: "rmdir", nr: 84, args: args(path)},
	{name: "creat", nr: 85, args: args(path, number), after: closes},
	{name: "link", nr: 86, args: args(path, path)},
	{name: "unlink", nr: 87, args: args(path)},
	{name: "symlink", nr: 88, args: args(path, path)},
	{name: "readlink", nr: 89, args: args(path, out, size)},
	{name: "chmod", nr: 90, args: args(path, number)},
	{name: "fchmod", nr: 91, args: args(fd, number)},
	{name: "chown", nr: 92, args: args(path, number, number)},
	{name: "fchown", nr: 93, args: args(fd, number, number)},
	{name: "lchown", nr: 94, args: args(path, number, number)},
	{name: "umask", nr: 95, args: args(number)},
	{name: "gettimeofday", nr: 96, args: args(out, out)},
	{name: "getrlimit", nr: 97, args: args(few, out)},
	{name: "getrusage", nr: 98, args: args(number, out)},
	{name: "sysinfo", nr: 99, args: args(out)},
	{name: "times", nr: 100, args: args(out)},
	{name: "getuid", nr: 102},
	{name: "getgid", nr: 104},
	{name: "setuid", nr: 105, args: args(number)},
	{name: "setgid", nr: 106, args: args(number)},
	{name: "geteuid", nr: 107},
	{name: "getegid", nr: 108},
	{name: "getppid", nr: 110},
	{name: "getpgrp", nr: 111},
	{name: "setreuid", nr: 113, args: args(number, number)},
	{name: "setregid", nr: 114, args: args(number, number)},
	{name: "getgroups", nr: 115, args: args(few, out)},
	{name: "setgroups", nr: 116, args: args(few, in)},
	{name: "setresuid", nr: 117, args: args(number, number, number)},
	{name: "getresuid", nr: 118, args: args(out, out, out)},
	{name: "setresgid", nr: 119, args: args(number, number, number)},
	{name: "getresgid", nr: 120, args: args(out, out, out)},
	{name: "getsid", nr: 124, args: args(number)},
	{name: "capget", nr: 125, args: args(badOr(&capHead), out)},
	{name: "sigaltstack", nr: 131, args: args(onlyBadOrNone, out)},
	{name: "mknod", nr: 133, args: args(path, of(0o644, 0o100600, 0o40000, 0o140600), number)},
	{name: "statfs", nr: 137, args: args(path, out)},
	{name: "fstatfs", nr: 138, args: args(fd, out)},
	{name: "mlock", nr: 149, args: args(sparePage, of(0, page, mostSpare*page))},
	{name: "munlock", nr: 150, args: args(sparePage, of(0, page, mostSpare*page))},
	{name: "prctl", nr: 157, args: args(of(1, 2, 3, 4, 7, 8, 15, 16, 38, 39, 99), prctlArg, of(0), of(0), of(0))},
	{name: "arch_prctl", nr: 158, args: args(of(0x1003, 0x1003, 77), out)},
	{name: "setrlimit", nr: 160, args: args(of(4, 4, 3, 99), in)},
	{name: "sync", nr: 162},
	{name: "gettid", nr: 186},
	{name: "readahead", nr: 187, args: args(fd, number, number)},
	{name: "getxattr", nr: 191, args: args(path, path, out, size), fails: true},
	{name: "tkill", nr: 200, args: args(number, of(0, 99))},
	{name: "time", nr: 201, args: args(out)},
	{name: "futex", nr: 202, args: args(out, of(0, 1, 9, 10, 128, 129, 137, 138, 393, 99), number, badOrMoment, out, number)},
	{name: "sched_getaffinity", nr: 204, args: args(of(0, 0, 1, 99999), size, out)},
	{name: "epoll_create", nr: 213, args: args(number), after: closes},
	{name: "getdents64", nr: 217, args: args(fd, out, size)},
	{name: "fadvise64", nr: 221, args: args(fd, number, number, number)},
	{name: "timer_create", nr: 222, args: args(number, badOr(&event), out), after: deletes},
	{name: "timer_settime", nr: 223, args: args(few, number, badOr(&moment), out), after: deletes, fails: true},
	{name: "timer_gettime", nr: 224, args: args(few, out), fails: true},
	{name: "timer_getoverrun", nr: 225, args: args(few), fails: true},
	{name: "timer_delete", nr: 226, args: args(number)},
	{name: "clock_settime", nr: 227, args: args(number, badOr(&moment)), fails: true},
	{name: "clock_gettime", nr: 228, args: args(number, out)},
	{name: "clock_getres", nr: 229, args: args(number, out)},
	{name: "clock_nanosleep", nr: 230, args: args(of(0, 1, 2, 3, 7, 11, ^uintptr(5), 99), of(0, 1), badOr(&moment), out)},
	{name: "epoll_wait", nr: 232, args: args(fd, out, number, of(0, 1))},
	{name: "epoll_ctl", nr: 233, args: args(fd, of(1, 2, 3, 9), fd, in)},
	{name: "tgkill", nr: 234, args: args(number, number, of(0, 99))},
	{name: "utimes", nr: 235, args: args(path, in)},
	{name: "openat", nr: 257, args: args(dirfd, path, number, number), after: closes},
	{name: "mkdirat", nr: 258, args: args(dirfd, path, number)},
	{name: "mknodat", nr: 259, args: args(dirfd, path, of(0o644, 0o100600, 0o40000, 0o140600), number)},
	{name: "fchownat", nr: 260, args: args(dirfd, path, number, number, of(0, 0x100, 0x1000, 7))},
	{name: "futimesat", nr: 261, args: args(dirfd, path, in)},
	{name: "newfstatat", nr: 262, args: args(dirfd, path, out, of(0, 0x100, 0x1000, 0x7fff))},
	{name: "unlinkat", nr: 263, args: args(dirfd, path, of(0, 0x200, 77))},
	{name: "renameat", nr: 264, args: args(dirfd, path, dirfd, path)},
	{name: "linkat", nr: 265, args: args(dirfd, path, dirfd, path, of(0, 0x400, 0x1000))},
	{name: "symlinkat", nr: 266, args: args(path, dirfd, path)},
	{name: "readlinkat", nr: 267, args: args(dirfd, path, out, size)},
	{name: "fchmodat", nr: 268, args: args(dirfd, path, number)},
	{name: "faccessat", nr: 269, args: args(dirfd, path, number)},
	{name: "ppoll", nr: 271, args: args(out, few, badOrMoment, of(0, 0, 8))},
	{name: "sync_file_range", nr: 277, args: args(fd, number, number, number)},
	{name: "utimensat", nr: 280, args: args(dirfd, path, in, of(0, 0x100, 0x1000, 7))},
	{name: "epoll_pwait", nr: 281, args: args(fd, out, number, of(0, 1), of(0, 8))},
	{name: "eventfd", nr: 284, args: args(number), after: closes},
	{name: "fallocate", nr: 285, args: args(fd, of(0, 1, 3, 16, 99), little, little)},
	{name: "eventfd2", nr: 290, args: args(number, of(nonblock, nonblock|1, 77)), after: closes},
	{name: "epoll_create1", nr: 291, args: args(of(0, 1<<19, 7)), after: closes},
	{name: "dup3", nr: 292, args: args(fd, fd, of(0, 1<<19, 7))},
	{name: "pipe2", nr: 293, args: args(out, of(nonblock, nonblock|1<<19, 7))},
	{name: "preadv", nr: 295, args: args(fd, vector, few, number)},
	{name: "pwritev", nr: 296, args: args(fd, vector, few, little)},
	{name: "prlimit64", nr: 302, args: args(of(0, 1, 99999), of(4, 4, 3, 99), in, out)},
	{name: "syncfs", nr: 306, args: args(fd)},
	{name: "getcpu", nr: 309, args: args(out, out)},
	{name: "renameat2", nr: 316, args: args(dirfd, path, dirfd, path, of(0, 1, 2, 3, 99))},
	{name: "getrandom", nr: 318, args: args(out, little, number)},
	{name: "memfd_create", nr: 319, args: args(path, number), after: closes},
	{name: "mlock2", nr: 325, args: args(sparePage, of(0, page, mostSpare*page), of(0, 1, 2))},
	{name: "copy_file_range", nr: 326, args: args(fd, out, fd, out, little, of(0, 0, 0, 1))},
	{name: "preadv2", nr: 327, args: args(fd, vector, few, number, of(0), of(0, 0, 99))},
	{name: "pwritev2", nr: 328, args: args(fd, vector, few, little, of(0), of(0, 0, 99))},
	{name: "statx", nr: 332, args: args(dirfd, path, of(0, 0x100, 0x1000, 0x7fff), number, out)},
	{name: "close_range", nr: 436, args: args(of(firstFd, firstFd+3), of(firstFd, firstFd+5), of(0, 4, 77))},
	{name: "openat2", nr: 437, args: args(dirfd, path, in, of(24, 24, 23, 4097)), after: closes},
	{name: "faccessat2", nr: 439, args: args(dirfd, path, number, number)},
	{name: "epoll_pwait2", nr: 441, args: args(fd, out, number, badOrMoment, of(0, 8))},
	{name: "fchmodat2", nr: 452, args: args(dirfd, path, number, of(0, 0x100, 0x1000, 7))},
	{name: "unknown", nr: 999, args: args(number, number, number), fails: true},
}

// onlyBadOrNone is an address from which nothing can be read, or 0.
func onlyBadOrNone(f *fuzzer) uintptr {
	for {
		if p := one(f, bad); p == 0 || p&(page-1) != page-3 {
			return p
		}
	}
}

// badOrMoment is a time-out.
func badOrMoment(f *fuzzer) uintptr {
	for {
		if p := badOr(&moment)(f); p != 0 {
			return p
		}
	}
}

// vector is an array of struct iovec: bad, or one of random words, which the fuzzer
// fills with addresses of all kinds.
func vector(f *fuzzer) uintptr {
	if f.r.IntN(4) == 0 {
		return one(f, bad)
	}
	at := f.r.IntN(scratchSize/2-2048) &^ 7
	for i := range 8 {
		put(at+i*16, out(f))
		put(at+i*16+8, size(f)>>(f.r.IntN(2)*20))
	}
	return addr(scratch) + uintptr(at)
}

func put(at int, v uintptr) {
	for i := range 8 {
		scratch[at+i] = byte(v >> (8 * i))
	}
}

// mostSpare is how many pages are given back at once.
const mostSpare = 3

// sparePage is a page that may be given back, or one that is not there.
func sparePage(f *fuzzer) uintptr {
	if f.r.IntN(4) == 0 {
		return one(f, far)
	}
	return addr(spare) + uintptr(f.r.IntN(len(spare)/page-mostSpare))*page
}

// fcntlArg is a number, a lock, or a bad address.
func fcntlArg(f *fuzzer) uintptr {
	if f.r.IntN(2) == 0 {
		return uintptr(f.r.IntN(300))
	}
	return badOr(&lockArg)(f)
}

func prctlArg(f *fuzzer) uintptr {
	if f.r.IntN(2) == 0 {
		return uintptr(f.r.IntN(3))
	}
	return out(f)
}
