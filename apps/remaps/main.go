// Command remaps makes long calls about memory from several threads at a time, which the
// kernel serves in slices, and looks whether each call keeps its word meanwhile.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/doze-vm/doze/pv"
)

const (
	page   = 4 << 10
	size   = 12 << 20
	access = syscall.PROT_READ | syscall.PROT_WRITE
	flags  = syscall.MAP_ANON | syscall.MAP_PRIVATE
)

// stop ends the threads.
var stop atomic.Bool

func main() {
	span := flag.Duration("for", time.Second, "how long to try")
	flag.Parse()
	debug.SetGCPercent(-1)
	replace()
	run(10 * time.Millisecond) // what the runtime needs for the threads
	before := free()
	stop.Store(false)
	run(*span)
	kept := before - free()
	fmt.Printf("remaps: memory came back: %v\n", kept < 4<<20)
	if kept >= 4<<20 {
		fmt.Printf("remaps: %d KiB did not\n", kept>>10)
	}
}

func run(span time.Duration) {
	var all sync.WaitGroup
	for _, f := range []func(){protect, replace, replace, unmap, neighbours, neighbours, move, cut} {
		all.Go(func() {
			for !stop.Load() {
				f()
			}
		})
	}
	time.Sleep(span)
	stop.Store(true)
	all.Wait()
}

// protect takes the right to write from a range that another thread writes: nothing in it
// may change from then on.
func protect() {
	b := mapped(size)
	var over atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for v := byte(1); !over.Load(); v++ {
			mark(b, v)
		}
	})
	for range 3 {
		mark(b, 1)
		check(syscall.Mprotect(b, syscall.PROT_READ))
		was := sum(b)
		time.Sleep(time.Millisecond)
		expect("a page that is read-only changed", sum(b) == was)
		check(syscall.Mprotect(b, access))
	}
	over.Store(true)
	writer.Wait()
	check(syscall.Munmap(b))
}

// mark writes to every page, until one can't be written.
func mark(b []byte, v byte) {
	debug.SetPanicOnFault(true)
	defer func() { _ = recover() }()
	for i := 0; i < len(b); i += page {
		b[i] = v
	}
}

func sum(b []byte) (n int) {
	for i := 0; i < len(b); i += page {
		n = n*31 + int(b[i])
	}
	return n
}

// Both replace the same range, and touch it: its pages are those of one mapping or the
// other, and never nobody's.
var common = sync.OnceValue(func() []byte { return mapped(size) })

func replace() {
	b := common()
	_, _, e := syscall.Syscall6(syscall.SYS_MMAP, uintptr(unsafe.Pointer(unsafe.SliceData(b))), size, access, flags|syscall.MAP_FIXED, ^uintptr(0), 0)
	if e != 0 {
		check(e)
	}
	for i := 0; i < size; i += page {
		v := b[i]
		expect("a page that was replaced holds something else", v == 0 || v == 'r')
		b[i] = 'r'
	}
}

// unmap gives a range back while others map theirs.
func unmap() {
	b := mapped(size)
	mark(b, 'u')
	check(syscall.Mprotect(b[size/4:size/2], syscall.PROT_READ))
	check(syscall.Munmap(b))
}

// neighbours map ranges where others give theirs back: what they hold is their own.
func neighbours() {
	var list [8][]byte
	for k := range list {
		list[k] = mapped(size / 16)
		for i := 0; i < len(list[k]); i += page {
			expect("a fresh page holds something", list[k][i] == 0)
		}
		mark(list[k], byte(k+1))
	}
	for k, b := range list {
		for i := 0; i < len(b); i += page {
			expect("a page is somebody else's", b[i] == byte(k+1))
		}
		check(syscall.Munmap(b))
	}
}

// move lets a range grow and shrink.
func move() {
	const mayMove = 1
	b := mapped(1 << 20)
	mark(b, 'm')
	for n := 2 << 20; n <= size; n *= 2 {
		r, _, e := syscall.Syscall6(syscall.SYS_MREMAP, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(n), mayMove, 0, 0)
		if e != 0 {
			check(e)
		}
		b = unsafe.Slice(*(**byte)(unsafe.Pointer(&r)), n)
		expect("a page that was moved is lost", b[0] == 'm' && b[1<<20-page] == 'm' && b[n-page] == 0)
	}
	mark(b, 's')
	r, _, e := syscall.Syscall6(syscall.SYS_MREMAP, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), page, 0, 0, 0)
	if e != 0 {
		check(e)
	}
	b = unsafe.Slice(*(**byte)(unsafe.Pointer(&r)), page)
	if _, _, e = syscall.Syscall(syscall.SYS_MUNMAP, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0); e != 0 {
		check(e)
	}
}

// cut cuts a file short that is mapped: what is beyond comes back as zeros.
func cut() {
	const unnamed = 0o20200000 // O_TMPFILE
	fd, err := syscall.Open(os.TempDir(), syscall.O_RDWR|unnamed, 0o600)
	check(err)
	check(syscall.Ftruncate(fd, size))
	b, err := syscall.Mmap(fd, 0, size, access, syscall.MAP_SHARED)
	check(err)
	mark(b, 'c')
	check(syscall.Ftruncate(fd, size/2+page))
	check(syscall.Ftruncate(fd, size))
	expect("what was cut off is still there", b[size/2] == 'c' && b[size/2+page] == 0 && b[size-page] == 0)
	check(syscall.Munmap(b))
	check(syscall.Close(fd))
}

func mapped(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, access, flags)
	check(err)
	return b
}

// free is how much memory the machine has free, 0 in a process.
func free() int {
	debug.FreeOSMemory()
	m, _ := pv.Memory()
	return int(m.Free)
}

func expect(what string, ok bool) {
	if !ok {
		fmt.Println("remaps:", what)
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		fmt.Println("remaps:", err)
		os.Exit(1)
	}
}
