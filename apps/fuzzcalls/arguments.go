package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// An argument makes a value of one kind.
type argument func(f *fuzzer) uintptr

const page = 4096

// scratch is memory that calls may read and write as they like; the Go heap is left
// alone. Its last page ends where nothing is mapped.
const scratchSize = 64 * page

var (
	scratch []byte
	spare   []byte // nothing but madvise uses it
	// readonly is memory that can be read, bad are addresses that can't be the
	// program's, or not for this.
	readonly uintptr
	bad      []uintptr
	far      []uintptr // those of them that have nothing of the program's near
	dir      string
)

// nobodys is an address that could be mapped and never is: mmap begins lower.
const nobodys = 0x2000_0000_0000

// Descriptors that calls are about are dup'ed to these numbers.
const (
	firstFd = 100
	lastFd  = firstFd + 15
)

func prepare() {
	room, err := syscall.Mmap(-1, 0, scratchSize+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
	must(syscall.Mprotect(room[scratchSize:], syscall.PROT_NONE))
	scratch = room[:scratchSize]
	for i := range scratch {
		scratch[i] = byte(i * 7)
	}
	b, err := syscall.Mmap(-1, 0, page, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
	readonly = addr(b)
	spare, err = syscall.Mmap(-1, 0, 16*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
	far = []uintptr{
		0, 8, page, 0x103000, 0x104000, 0x120000, 0x160000, 0x161000, 0xfea00000, 0xfee00000,
		0x7e80_0000_0000, 0x7e84_0000_0000, 0x7e88_0000_0000, 0x7e98_0000_0000, 0x7e9c_0000_0000, 0x7ea0_0010_0000, 0x7f00_0000_0000, 0x7f80_0000_0000,
		1<<47 - page, 1 << 47, 0x1234_5678_9abc_def0, ^uintptr(0), ^uintptr(7), nobodys,
	}
	bad = append([]uintptr{addr(room) + scratchSize, addr(room) + scratchSize - 3}, far...)
	dir, err = os.MkdirTemp("/dev/shm", "fuzz")
	must(err)
	must(os.Chdir(dir))
	binary.LittleEndian.PutUint64(event[8:], uint64(syscall.SIGUSR1)) // sigev_signo; SIGEV_SIGNAL
	must(refill())
	r, w, err := os.Pipe() // the runtime's own descriptors come with the first of these
	must(err)
	must(r.Close())
	must(w.Close())
}

// refill opens anew what the descriptors are.
func refill() error {
	var fds []int
	for _, name := range []string{"a", "b", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/full"} {
		fd, err := syscall.Open(name, syscall.O_RDWR|syscall.O_CREAT, 0o644)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fds = append(fds, fd)
	}
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_NONBLOCK); err != nil {
		return err
	}
	ep, err := syscall.EpollCreate1(0)
	if err != nil {
		return err
	}
	count, _, _ := syscall.Syscall(syscall.SYS_EVENTFD2, 1, syscall.O_NONBLOCK, 0)
	path, err := syscall.Open("a", 0o10000000, 0)
	if err != nil {
		return err
	}
	folder, err := syscall.Open("/dev/shm", syscall.O_RDONLY, 0)
	if err != nil {
		return err
	}
	status, err := syscall.Open("/proc/self/status", syscall.O_RDONLY, 0)
	if err != nil {
		return err
	}
	for i, fd := range append(fds, p[0], p[1], ep, int(count), path, folder, status) {
		if err := syscall.Dup2(fd, firstFd+i); err != nil {
			return err
		}
		syscall.Close(fd)
	}
	return nil
}

// maxTries is how often the descriptors are listed before that counts as broken.
const maxTries = 1000

// descriptors are those that are open.
func descriptors() map[int]bool {
	open := map[int]bool{}
	entries, err := os.ReadDir("/proc/self/fd")
	for tries := 0; err != nil && tries < maxTries; tries++ { // a worker closed what ReadDir had opened
		entries, err = os.ReadDir("/proc/self/fd")
	}
	must(err)
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			open[fd] = true
		}
	}
	return open
}

// tidy closes what calls have left open, shrinks what they made large, and opens anew
// what they closed.
func tidy(baseline map[int]bool) {
	for fd := range descriptors() {
		if !baseline[fd] {
			syscall.Close(fd)
		}
	}
	_ = syscall.Chdir(dir)
	for _, name := range []string{"a", "b", "c"} {
		os.RemoveAll(name)
	}
	_ = refill() // others may close what it opens; the next time it will do
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzzcalls:", err)
		os.Exit(1)
	}
}

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// Prepared arguments. They are read by the kernel only.
var (
	moment   = [4]int64{0, 50_000, 0, 50_000} // a timespec or itimerspec
	event    [64]byte                         // a sigevent
	capHead  = [2]uint32{0x20080522, 0}
	lockArg  = syscall.Flock_t{Type: syscall.F_WRLCK, Len: 10}
	strings_ = [][]byte{[]byte("a\x00"), []byte("b\x00"), []byte("c\x00"), []byte("c/d\x00"), []byte(".\x00"), []byte("\x00"), []byte("none/x\x00"), []byte("/proc/self/fd/2\x00"), long()}
)

func long() []byte {
	b := make([]byte, 5000)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

func one[T any](f *fuzzer, of []T) T { return of[f.r.IntN(len(of))] }

// out is where a call writes: mostly scratch.
func out(f *fuzzer) uintptr {
	switch f.r.IntN(8) {
	case 0, 1:
		return one(f, bad)
	case 2:
		return readonly + uintptr(f.r.IntN(page))
	case 3:
		return addr(scratch) + scratchSize - uintptr(f.r.IntN(64))
	}
	return addr(scratch) + uintptr(f.r.IntN(scratchSize/8))*8
}

// in is where a call reads.
func in(f *fuzzer) uintptr { return out(f) }

// badOr is a bad address, or a prepared argument.
func badOr[T any](p *T) argument {
	return func(f *fuzzer) uintptr {
		if f.r.IntN(3) == 0 {
			return one(f, bad)
		}
		return uintptr(unsafe.Pointer(p))
	}
}

func path(f *fuzzer) uintptr {
	if f.r.IntN(4) == 0 {
		return one(f, bad)
	}
	return addr(one(f, strings_))
}

func fd(f *fuzzer) uintptr {
	switch f.r.IntN(12) {
	case 0:
		return ^uintptr(0)
	case 1:
		return uintptr(f.r.IntN(1<<20))&0xfff00 | 500
	}
	return uintptr(firstFd + f.r.IntN(lastFd-firstFd+1))
}

// dirfd is where a path begins.
func dirfd(f *fuzzer) uintptr {
	if f.r.IntN(2) == 0 {
		return ^uintptr(99) // AT_FDCWD
	}
	return fd(f)
}

// size is a length that the scratch memory has, or one beyond everything.
func size(f *fuzzer) uintptr {
	switch f.r.IntN(10) {
	case 0:
		return one(f, []uintptr{1 << 31, 1 << 40, 1 << 47, 1 << 62, 1<<63 - 1, 1 << 63, ^uintptr(0)})
	case 1:
		return 0
	}
	return uintptr(f.r.IntN(scratchSize/2)) >> f.r.IntN(17)
}

// few is a small number.
func few(f *fuzzer) uintptr { return uintptr(f.r.IntN(70)) }

// little is a length that costs no memory.
func little(f *fuzzer) uintptr {
	if f.r.IntN(8) == 0 {
		return ^uintptr(0) - uintptr(f.r.IntN(100))
	}
	return uintptr(f.r.IntN(1 << 18))
}

// number is any number at all.
func number(f *fuzzer) uintptr {
	switch f.r.IntN(4) {
	case 0:
		return uintptr(f.r.IntN(16))
	case 1:
		return 1 << f.r.IntN(64)
	case 2:
		return ^uintptr(f.r.IntN(300))
	}
	return uintptr(f.r.Uint64()) >> f.r.IntN(64)
}

// of is one of some values.
func of(values ...uintptr) argument {
	return func(f *fuzzer) uintptr { return one(f, values) }
}
