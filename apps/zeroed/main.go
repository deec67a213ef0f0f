// Command zeroed stores into memory from some threads while others give it back
// and take fresh pages, and counts those that are not zero: there must be none,
// however many CPUs there are.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	page   = 4 << 10
	block  = 2 << 20 // what the machine may map as a whole
	mark   = 0xaa
	marked = 8 // where in a page
	access = syscall.PROT_READ | syscall.PROT_WRITE
	flags  = syscall.MAP_ANON | syscall.MAP_PRIVATE
)

// place is where pages are stored into, and given back from.
type place struct {
	b    []byte
	file int // that it shows, if it does
}

// way is a way to give pages back while somebody stores into them.
type way struct {
	name string
	make func(size int) place
	size int
	give func(p place)
}

var ways = []way{
	{"runs", memory, 64 * page, giveBack},
	{"tables", memory, block, giveBack},
	{"blocks", memory, 2 * block, giveBack},
	{"pieces", memory, 2 * block, func(p place) { check(syscall.Madvise(p.b[block/2:][:block], syscall.MADV_DONTNEED)) }},
	{"protected", memory, 64 * page, func(p place) {
		check(syscall.Mprotect(p.b, syscall.PROT_READ))
		giveBack(p)
		check(syscall.Mprotect(p.b, access))
	}},
	{"replaced", memory, 2 * block, func(p place) { replace(p.b) }},
	{"truncated", shown, 300 * page, func(p place) {
		check(syscall.Ftruncate(p.file, 10*page))
		check(syscall.Ftruncate(p.file, 300*page))
	}},
	{"punched", shown, 300 * page, func(p place) {
		const punch = 3 // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
		check(syscall.Fallocate(p.file, punch, 0, 200*page))
	}},
	{"copied", func(size int) place {
		p := shown(size)
		b, err := syscall.Mmap(p.file, 0, size, access, syscall.MAP_PRIVATE)
		check(err)
		return place{b, p.file}
	}, 300 * page, giveBack},
}

func giveBack(p place) { check(syscall.Madvise(p.b, syscall.MADV_DONTNEED)) }

func main() {
	span := flag.Duration("for", time.Second, "how long to try each way")
	flag.Parse()
	debug.SetGCPercent(-1)
	for _, w := range ways {
		rounds, dirty := w.try(*span)
		fmt.Printf("zeroed: %s: went round: %v, fresh pages that were not zero: %d\n", w.name, rounds > 0, dirty)
	}
}

// try runs a way with half of the CPUs storing and half giving back.
func (w *way) try(span time.Duration) (rounds, dirty int64) {
	var stop atomic.Bool
	var n, d atomic.Int64
	var all sync.WaitGroup
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		p := w.make(w.size)
		all.Go(func() {
			for !stop.Load() {
				store(p.b)
			}
		})
		all.Go(func() {
			for !stop.Load() {
				w.give(p)
				d.Add(fresh(w.size))
				n.Add(1)
			}
		})
	}
	time.Sleep(span)
	stop.Store(true)
	all.Wait()
	return n.Load(), d.Load()
}

// store marks every page, until one can't be written.
func store(b []byte) {
	debug.SetPanicOnFault(true)
	defer func() { _ = recover() }()
	for i := marked; i < len(b); i += page {
		b[i] = mark
	}
}

// fresh maps as much anew and counts the pages that are not zero.
func fresh(size int) (dirty int64) {
	b := memory(size).b
	for i := marked; i < len(b); i += page {
		if b[i] != 0 {
			dirty++
		}
	}
	check(syscall.Munmap(b))
	return dirty
}

// memory is memory of the program's: at a multiple of a block's size, if it is as large as
// one, and mapped as the heap does it.
func memory(size int) place {
	b, err := syscall.Mmap(-1, 0, size, access, flags)
	check(err)
	replace(b)
	return place{b: b}
}

// replace maps fresh memory in the place of b.
func replace(b []byte) {
	_, _, e := syscall.Syscall6(syscall.SYS_MMAP, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), access, flags|syscall.MAP_FIXED, ^uintptr(0), 0)
	if e != 0 {
		check(e)
	}
}

// shown is a file without a name.
func shown(size int) place {
	const unnamed = 0o20200000 // O_TMPFILE
	fd, err := syscall.Open(os.TempDir(), syscall.O_RDWR|unnamed, 0o600)
	check(err)
	check(syscall.Ftruncate(fd, int64(size)))
	b, err := syscall.Mmap(fd, 0, size, access, syscall.MAP_SHARED)
	check(err)
	return place{b, fd}
}

func check(err error) {
	if err != nil {
		fmt.Println("zeroed:", err)
		os.Exit(1)
	}
}
