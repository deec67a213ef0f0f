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
	place  = 8 // of the mark in a page
	access = syscall.PROT_READ | syscall.PROT_WRITE
	flags  = syscall.MAP_ANON | syscall.MAP_PRIVATE
)

// way is a way to give pages back while somebody stores into them.
type way struct {
	name string
	size int
	give func(b []byte)
}

var ways = []way{
	{"runs", 64 * page, func(b []byte) { check(syscall.Madvise(b, syscall.MADV_DONTNEED)) }},
	{"tables", block, func(b []byte) { check(syscall.Madvise(b, syscall.MADV_DONTNEED)) }},
	{"blocks", 2 * block, func(b []byte) { check(syscall.Madvise(b, syscall.MADV_DONTNEED)) }},
	{"pieces", 2 * block, func(b []byte) { check(syscall.Madvise(b[block/2:][:block], syscall.MADV_DONTNEED)) }},
	{"protected", 64 * page, func(b []byte) {
		check(syscall.Mprotect(b, syscall.PROT_READ))
		check(syscall.Madvise(b, syscall.MADV_DONTNEED))
		check(syscall.Mprotect(b, access))
	}},
}

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
		b := mapAt(w.size)
		all.Go(func() {
			for !stop.Load() {
				store(b)
			}
		})
		all.Go(func() {
			for !stop.Load() {
				w.give(b)
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
	for i := place; i < len(b); i += page {
		b[i] = mark
	}
}

// fresh maps as much anew and counts the pages that are not zero.
func fresh(size int) (dirty int64) {
	b := mapAt(size)
	for i := place; i < len(b); i += page {
		if b[i] != 0 {
			dirty++
		}
	}
	check(syscall.Munmap(b))
	return dirty
}

// mapAt maps memory at a multiple of a block's size, if it is as large as one, and
// as the heap does.
func mapAt(size int) []byte {
	b, err := syscall.Mmap(-1, 0, size, access, flags)
	check(err)
	_, _, e := syscall.Syscall6(syscall.SYS_MMAP, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(size), access, flags|syscall.MAP_FIXED, ^uintptr(0), 0)
	if e != 0 {
		check(e)
	}
	return b
}

func check(err error) {
	if err != nil {
		fmt.Println("zeroed:", err)
		os.Exit(1)
	}
}
