// Command pipes uses pipes, eventfds, epoll and poll in the ways in which
// programs do, and prints what came of it: the same as on Linux.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Calls and numbers of Linux that package syscall has no name for.
const (
	getPipeSize = 1032
	setPipeSize = 1031
	fionread    = 0x541b
	pollIn      = 1
	pollOut     = 4
	edge        = 1 << 31
	oneshot     = 1 << 30
)

func main() {
	through()
	ends()
	deadlines()
	closing()
	blocking()
	sizes()
	counters()
	epolls()
	polls()
	many()
}

// through sends a megabyte through a pipe and compares its digest.
func through() {
	r, w := pipe()
	data := bytes.Repeat([]byte("doze of the pipe\n"), 1<<20/17)
	go func() {
		_, err := w.Write(data)
		check(err)
		check(w.Close())
	}()
	got, err := io.ReadAll(r)
	check(err)
	fmt.Printf("pipes: %d bytes, the same: %v\n", len(got), sha256.Sum256(got) == sha256.Sum256(data))
	check(r.Close())
}

// ends shows what the other end sees of a close.
func ends() {
	r, w := pipe()
	check(w.Close())
	n, err := r.Read(make([]byte, 1))
	fmt.Printf("pipes: read without writers: %d %v\n", n, err)
	r.Close()
	r, w = pipe()
	check(r.Close())
	_, err = w.Write([]byte("x"))
	fmt.Printf("pipes: write without readers: EPIPE %v\n", errors.Is(err, syscall.EPIPE))
	w.Close()
}

func deadlines() {
	r, w := pipe()
	start := time.Now()
	check(r.SetReadDeadline(start.Add(50 * time.Millisecond)))
	_, err := r.Read(make([]byte, 1))
	fmt.Printf("pipes: read deadline: %v, early: %v\n", errors.Is(err, os.ErrDeadlineExceeded), time.Since(start) < 50*time.Millisecond)
	data := make([]byte, 1<<20)
	check(w.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)))
	n, err := w.Write(data)
	fmt.Printf("pipes: write deadline: %d %v\n", n, errors.Is(err, os.ErrDeadlineExceeded))
	check(r.SetReadDeadline(time.Time{}))
	got, err := io.ReadFull(r, make([]byte, n))
	fmt.Printf("pipes: read what was written: %d %v\n", got, err)
	r.Close()
	w.Close()
}

// closing closes a pipe while a goroutine waits for it.
func closing() {
	r, w := pipe()
	done := make(chan error)
	go func() { _, err := r.Read(make([]byte, 1)); done <- err }()
	time.Sleep(20 * time.Millisecond)
	check(r.Close())
	fmt.Printf("pipes: closed while a read waits: %v\n", errors.Is(<-done, os.ErrClosed))
	w.Close()
}

// blocking uses descriptors without O_NONBLOCK: the calls themselves wait.
func blocking() {
	var fds [2]int
	check(syscall.Pipe(fds[:]))
	done := make(chan int)
	go func() { n, _ := syscall.Write(fds[1], make([]byte, 300_000)); done <- n }()
	time.Sleep(20 * time.Millisecond)
	sum := 0
	for buf := make([]byte, 7777); sum < 300_000; {
		n, err := syscall.Read(fds[0], buf)
		check(err)
		sum += n
	}
	fmt.Printf("pipes: a blocking write of %d, read %d\n", <-done, sum)
	go func() { n, _ := syscall.Read(fds[0], make([]byte, 10)); done <- n }()
	time.Sleep(20 * time.Millisecond)
	_, err := syscall.Write(fds[1], []byte("abc"))
	check(err)
	fmt.Printf("pipes: a blocking read of %d\n", <-done)
	syscall.Close(fds[0])
	syscall.Close(fds[1])
}

func sizes() {
	var fds [2]int
	check(syscall.Pipe2(fds[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC))
	n, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fds[1]), getPipeSize, 0)
	m, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fds[1]), setPipeSize, 100_000)
	flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fds[1]), syscall.F_GETFD, 0)
	fmt.Printf("pipes: sizes %d %d, close on exec %d\n", n, m, flags)
	filled, err := syscall.Write(fds[1], make([]byte, 1<<20))
	fmt.Printf("pipes: filled with %d, %v\n", filled, err)
	_, err = syscall.Write(fds[1], []byte("x"))
	fmt.Printf("pipes: full: %v\n", err)
	var left int32
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fds[0]), fionread, uintptr(unsafe.Pointer(&left)))
	fmt.Printf("pipes: to be read: %d %v\n", left, errno)
	_, _, errno = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fds[1]), setPipeSize, 4096)
	fmt.Printf("pipes: too small for what is in it: %v\n", errno)
	_, err = syscall.Seek(fds[0], 0, 0)
	fmt.Printf("pipes: seek: %v\n", err)
	_, err = syscall.Read(fds[1], make([]byte, 1))
	fmt.Printf("pipes: read from the end to write: %v\n", err)
	var st syscall.Stat_t
	check(syscall.Fstat(fds[0], &st))
	fmt.Printf("pipes: a fifo: %v\n", st.Mode&syscall.S_IFMT == syscall.S_IFIFO)
	syscall.Close(fds[0])
	syscall.Close(fds[1])
}

// number reads or writes the eight bytes of an eventfd.
func number(call, fd uintptr, v *uint64) error {
	if _, _, errno := syscall.Syscall(call, fd, uintptr(unsafe.Pointer(v)), 8); errno != 0 {
		return errno
	}
	return nil
}

func counters() {
	for _, flags := range []uintptr{0, 1} {
		fd, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 3, flags|syscall.O_NONBLOCK, 0)
		if errno != 0 {
			check(errno)
		}
		v := uint64(4)
		check(number(syscall.SYS_WRITE, fd, &v))
		check(number(syscall.SYS_READ, fd, &v))
		fmt.Printf("pipes: eventfd with flags %d: %d, ", flags, v)
		v = ^uint64(0) - 1
		fmt.Printf("to its limit: %v, ", number(syscall.SYS_WRITE, fd, &v))
		v++
		fmt.Printf("beyond: %v\n", number(syscall.SYS_WRITE, fd, &v))
		syscall.Close(int(fd))
	}
}

func epolls() {
	ep, err := syscall.EpollCreate1(0)
	check(err)
	var fds [2]int
	check(syscall.Pipe2(fds[:], syscall.O_NONBLOCK))
	add := func(fd int, events uint32) error {
		return syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd - fds[0] + 100)})
	}
	wait := func(what string, ms int) {
		var list [8]syscall.EpollEvent
		n, err := syscall.EpollWait(ep, list[:], ms)
		fmt.Printf("pipes: epoll: %s: %d %v", what, n, err)
		for _, e := range list[:max(n, 0)] {
			fmt.Printf(" %#x of %d", e.Events, e.Fd)
		}
		fmt.Println()
	}
	check(add(fds[0], syscall.EPOLLIN))
	fmt.Printf("pipes: epoll: twice: %v, a file: %v, itself: %v, nothing: %v\n", add(fds[0], 1), add(open("/proc/self/exe", "/proc/doze"), 1), add(ep, 1), add(12345, 1))
	wait("nothing yet", 0)
	wait("nothing for 10 ms", 10)
	write(fds[1], "ab")
	wait("level", -1)
	wait("level again", -1)
	check(syscall.EpollCtl(ep, syscall.EPOLL_CTL_MOD, fds[0], &syscall.EpollEvent{Events: pollIn | edge, Fd: 7}))
	wait("edge", 0)
	wait("edge again", 0)
	write(fds[1], "c")
	wait("edge anew", 0)
	check(syscall.EpollCtl(ep, syscall.EPOLL_CTL_MOD, fds[0], &syscall.EpollEvent{Events: pollIn | oneshot, Fd: 8}))
	wait("one shot", 0)
	write(fds[1], "d")
	wait("one shot again", 0)
	check(syscall.EpollCtl(ep, syscall.EPOLL_CTL_DEL, fds[0], nil))
	fmt.Printf("pipes: epoll: not there: %v\n", syscall.EpollCtl(ep, syscall.EPOLL_CTL_DEL, fds[0], nil))
	check(add(fds[1], syscall.EPOLLOUT))
	wait("room", 0)
	check(add(fds[0], 0))
	syscall.Close(fds[1])
	wait("hang-up unasked", 1000)
	syscall.Close(fds[0])
	wait("closed files are gone", 0)
	syscall.Close(ep)
	wait("a closed epoll", 0)
}

func polls() {
	var fds [2]int
	check(syscall.Pipe2(fds[:], syscall.O_NONBLOCK))
	list := []pollFd{{int32(fds[0]), pollIn, 0}, {int32(fds[1]), pollOut, 0}, {-1, pollIn, 0}, {4321, pollIn, 0}}
	poll(list, 0)
	go func() { time.Sleep(20 * time.Millisecond); write(fds[1], "x") }()
	poll(list[:1], 1000)
	check2(syscall.Read(fds[0], make([]byte, 1)))
	poll(list[:1], 10)
	syscall.Close(fds[0])
	poll(list[1:2], 0)
	syscall.Close(fds[1])
}

type pollFd struct {
	fd              int32
	events, revents uint16
}

func poll(list []pollFd, ms int) {
	n, _, errno := syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)), uintptr(ms))
	fmt.Printf("pipes: poll: %d %d", n, errno)
	for _, p := range list {
		fmt.Printf(" %#x", p.revents)
	}
	fmt.Println()
}

// many passes a word around a ring of pipes.
func many() {
	const n, rounds = 200, 20
	first, in := pipe()
	from := first
	for range n {
		r, w := pipe()
		go func(from *os.File) { _, _ = io.Copy(w, from); w.Close() }(from)
		from = r
	}
	word := make([]byte, 4)
	for range rounds {
		check2(in.Write([]byte("word")))
		check2(io.ReadFull(from, word))
	}
	in.Close()
	rest, err := io.ReadAll(from)
	fmt.Printf("pipes: %q %d times through %d pipes, then %d %v\n", word, rounds, n, len(rest), err)
}

func pipe() (r, w *os.File) {
	r, w, err := os.Pipe()
	check(err)
	return r, w
}

// open opens the first of the files that is there.
func open(names ...string) int {
	for _, name := range names {
		if fd, err := syscall.Open(name, syscall.O_RDONLY, 0); err == nil {
			return fd
		}
	}
	return -1
}

func write(fd int, text string) { check2(syscall.Write(fd, []byte(text))) }

func check2(_ int, err error) { check(err) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}
