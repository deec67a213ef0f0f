package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// errors of Linux by their names (asm-generic/errno-base.h, errno.h).
var errors = map[syscall.Errno]string{
	0: "ok", syscall.EPERM: "EPERM", syscall.ENOENT: "ENOENT", syscall.ESRCH: "ESRCH", syscall.EINTR: "EINTR",
	syscall.ENXIO: "ENXIO", syscall.E2BIG: "E2BIG", syscall.EBADF: "EBADF", syscall.EAGAIN: "EAGAIN",
	syscall.ENOMEM: "ENOMEM", syscall.EACCES: "EACCES", syscall.EFAULT: "EFAULT", syscall.EBUSY: "EBUSY",
	syscall.EEXIST: "EEXIST", syscall.EXDEV: "EXDEV", syscall.ENODEV: "ENODEV", syscall.ENOTDIR: "ENOTDIR",
	syscall.EISDIR: "EISDIR", syscall.EINVAL: "EINVAL", syscall.EMFILE: "EMFILE", syscall.ENOTTY: "ENOTTY",
	syscall.ETXTBSY: "ETXTBSY", syscall.EFBIG: "EFBIG", syscall.ENOSPC: "ENOSPC", syscall.ESPIPE: "ESPIPE",
	syscall.EROFS: "EROFS", syscall.EPIPE: "EPIPE", syscall.EDOM: "EDOM", syscall.ERANGE: "ERANGE",
	syscall.EDEADLK: "EDEADLK", syscall.ENAMETOOLONG: "ENAMETOOLONG", syscall.ENOLCK: "ENOLCK",
	syscall.ENOSYS: "ENOSYS", syscall.ENOTEMPTY: "ENOTEMPTY", syscall.ELOOP: "ELOOP", syscall.EOVERFLOW: "EOVERFLOW",
	syscall.EOPNOTSUPP: "EOPNOTSUPP", syscall.ETIMEDOUT: "ETIMEDOUT", syscall.ECHILD: "ECHILD",
}

func name(e syscall.Errno) string {
	if s, ok := errors[e]; ok {
		return s
	}
	return fmt.Sprintf("errno %d", int(e))
}

// call makes a system call and returns its value, or the name of its error.
func call(nr uintptr, args ...any) string {
	v, e := raw(nr, args...)
	if e != 0 {
		return name(e)
	}
	return fmt.Sprint(v)
}

// done makes a system call and returns "ok", or the name of its error.
func done(nr uintptr, args ...any) string {
	_, e := raw(nr, args...)
	return name(e)
}

// raw makes a system call. Arguments are integers, or pointers to what stays in place.
func raw(nr uintptr, args ...any) (int, syscall.Errno) {
	var x [6]uintptr
	for i, a := range args {
		x[i] = word(a)
	}
	r, _, e := syscall.Syscall6(nr, x[0], x[1], x[2], x[3], x[4], x[5])
	runtime.KeepAlive(args)
	return int(r), e
}

// word is an argument as a register holds it. What a pointer leads to is on the
// heap: it has escaped into an interface.
func word(a any) uintptr {
	switch v := a.(type) {
	case int:
		return uintptr(v)
	case int64:
		return uintptr(v)
	case uintptr:
		return v
	case *byte:
		return uintptr(unsafe.Pointer(v))
	case *int32:
		return uintptr(unsafe.Pointer(v))
	case *uint32:
		return uintptr(unsafe.Pointer(v))
	case *int64:
		return uintptr(unsafe.Pointer(v))
	case *uint64:
		return uintptr(unsafe.Pointer(v))
	case *[2]int32:
		return uintptr(unsafe.Pointer(v))
	case *[2]int64:
		return uintptr(unsafe.Pointer(v))
	case *[4]int64:
		return uintptr(unsafe.Pointer(v))
	case *syscall.Stat_t:
		return uintptr(unsafe.Pointer(v))
	case *syscall.Flock_t:
		return uintptr(unsafe.Pointer(v))
	case *sigevent:
		return uintptr(unsafe.Pointer(v))
	case *pollfd:
		return uintptr(unsafe.Pointer(v))
	case []byte:
		return uintptr(unsafe.Pointer(unsafe.SliceData(v)))
	case []uint64:
		return uintptr(unsafe.Pointer(unsafe.SliceData(v)))
	case []syscall.Iovec:
		return uintptr(unsafe.Pointer(unsafe.SliceData(v)))
	case []pollfd:
		return uintptr(unsafe.Pointer(unsafe.SliceData(v)))
	case string:
		return word(append([]byte(v), 0))
	}
	panic(fmt.Sprintf("an argument of type %T", a))
}

// must ends the program when what a probe needs can't be had.
func must(err error) {
	if err != nil && err != syscall.Errno(0) {
		panic(err)
	}
}

// list joins several answers.
func list(answers ...string) string { return strings.Join(answers, " ") }

// dir is a folder of the program's own, in memory.
var dir string

func prepare() {
	var err error
	dir, err = os.MkdirTemp("/dev/shm", "probes")
	if err != nil {
		fmt.Fprintln(os.Stderr, "probes:", err)
		os.Exit(1)
	}
}

// fresh is a path that nothing has.
func fresh() string {
	serial++
	return filepath.Join(dir, fmt.Sprint(serial))
}

var serial int

// file makes a file with a text and opens it for reading and writing.
func file(text string) int { return open(fileNamed(text), syscall.O_RDWR) }

func fileNamed(text string) string {
	path := fresh()
	must(os.WriteFile(path, []byte(text), 0o644))
	return path
}

func open(path string, flags int) int {
	fd, err := syscall.Open(path, flags, 0o644)
	must(err)
	return fd
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

// pipe makes a pipe; flags are pipe2's.
func pipe(flags int) (r, w int) {
	var p [2]int
	must(syscall.Pipe2(p[:], flags))
	return p[0], p[1]
}

// patience is how long something may take that must come; nap how long nothing
// must come for it to count as never.
const (
	patience = 30 * time.Second
	nap      = 40 * time.Millisecond
)

// await returns what a function that runs beside returns, or that it never did.
func await(result <-chan string) string {
	select {
	case s := <-result:
		return s
	case <-time.After(patience):
		return "never"
	}
}

// still says whether a function that runs beside goes on.
func still(result <-chan string) string {
	select {
	case s := <-result:
		return s
	case <-time.After(nap):
		return "waits"
	}
}

// beside runs a function in a goroutine.
func beside(f func() string) <-chan string {
	c := make(chan string, 1)
	go func() { c <- f() }()
	return c
}

// apart runs a function on a thread of its own, which ends with it.
func apart(f func() string) string {
	return await(beside(func() string {
		runtime.LockOSThread()
		return f()
	}))
}
