// Command still measures how long one long call keeps the rest of the program from
// running: a goroutine on another CPU reads the clock all the time, and the longest
// time between two readings is what it stood still. It prints, for each call, the least
// of that and of the call's own time over some rounds; run it in a process, too, to compare.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	page    = 4 << 10
	size    = 32 << 20
	random  = 8 << 20
	access  = syscall.PROT_READ | syscall.PROT_WRITE
	private = syscall.MAP_ANON | syscall.MAP_PRIVATE
)

// call is a long call; prepare returns what is measured.
type call struct {
	name    string
	prepare func() func()
}

var calls = []call{
	{"nothing for 20 ms", func() func() { return func() { time.Sleep(20 * time.Millisecond) } }},
	{"munmap of 32 MiB", func() func() { b := touched(access); return func() { check(syscall.Munmap(b)) } }},
	{"munmap of 32 MiB read-only", func() func() { b := touched(syscall.PROT_READ); return func() { check(syscall.Munmap(b)) } }},
	{"madvise of 32 MiB", func() func() {
		b := touched(access)
		return func() { check(syscall.Madvise(b, syscall.MADV_DONTNEED)) }
	}},
	{"mprotect of 32 MiB", func() func() {
		b := touched(access)
		return func() { check(syscall.Mprotect(b, syscall.PROT_READ)) }
	}},
	{"mprotect of 32 MiB back", func() func() {
		b := touched(syscall.PROT_READ)
		return func() { check(syscall.Mprotect(b, access)) }
	}},
	{"mmap of a file of 32 MiB", func() func() {
		f := file(size)
		return func() {
			b, err := syscall.Mmap(f, 0, size, syscall.PROT_READ, syscall.MAP_PRIVATE)
			check(err)
			ends = append(ends, func() error { return syscall.Munmap(b) })
		}
	}},
	{"ftruncate of 32 MiB to 0", func() func() { f := file(size); return func() { check(syscall.Ftruncate(f, 0)) } }},
	{"close of a file of 32 MiB", func() func() { f := file(size); return func() { check(syscall.Close(f)) } }},
	{"write of 32 MiB", func() func() {
		f, b := file(0), make([]byte, size)
		return func() { _, err := syscall.Write(f, b); check(err) }
	}},
	{"read of 32 MiB", func() func() {
		f, b := file(size), make([]byte, size)
		return func() { _, err := syscall.Pread(f, b, 0); check(err) }
	}},
	{"copy_file_range of 32 MiB", func() func() {
		f, g := file(size), file(0)
		return func() {
			n, _, e := syscall.Syscall6(copyFileRange, uintptr(f), uintptr(unsafe.Pointer(new(int64))), uintptr(g), 0, size, 0)
			if e != 0 || n != size {
				check(fmt.Errorf("copy_file_range: %d bytes, %w", n, e))
			}
		}
	}},
	{"ftruncate of 32 MiB mapped", func() func() {
		f := file(size)
		b, err := syscall.Mmap(f, 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
		check(err)
		for i := 0; i < size; i += page {
			_ = b[i]
		}
		ends = append(ends, func() error { return syscall.Munmap(b) })
		return func() { check(syscall.Ftruncate(f, 0)) }
	}},
	{"fallocate of 32 MiB", func() func() { f := file(0); return func() { check(syscall.Fallocate(f, 0, 0, size)) } }},
	{"getrandom of 8 MiB", func() func() {
		b := make([]byte, random)
		return func() {
			n, _, e := syscall.Syscall(getrandom, uintptr(unsafe.Pointer(unsafe.SliceData(b))), random, 0)
			if e != 0 || n != random {
				check(fmt.Errorf("getrandom: %d bytes, %w", n, e))
			}
		}
	}},
}

const copyFileRange, getrandom = 326, 318

func main() {
	rounds := flag.Int("rounds", 5, "how often to measure each call")
	only := flag.String("only", "", "measure this call alone")
	flag.Parse()
	if runtime.NumCPU() < 2 {
		fmt.Println("still: needs two CPUs")
		os.Exit(1)
	}
	debug.SetGCPercent(-1)
	defer slices()
	for _, c := range calls {
		if *only == "" || *only == c.name {
			still, took := c.measure(*rounds)
			fmt.Printf("%-28s stood still %8.2f ms, took %8.2f ms\n", c.name, still.Seconds()*1e3, took.Seconds()*1e3)
		}
	}
}

// slices prints what the kernel says of the slices in which it served the calls.
func slices() {
	b, err := os.ReadFile("/proc/doze")
	if err != nil {
		return // a process
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "slice") {
			fmt.Print(line)
		}
	}
}

// measure returns the least of the longest times, and of the calls' times.
func (c *call) measure(rounds int) (still, took time.Duration) {
	still, took = time.Hour, time.Hour
	for range rounds {
		f := c.prepare()
		runtime.GC()
		watch := watchClock()
		start := time.Now()
		f()
		took = min(took, time.Since(start))
		still = min(still, watch())
		for _, end := range ends {
			_ = end() // munmap of what the call unmapped, close of what it closed
		}
		ends = nil
	}
	return still, took
}

// watchClock reads the clock until it is called again, and returns the longest time
// between two readings.
func watchClock() func() time.Duration {
	var stop atomic.Bool
	begun, longest := make(chan bool), make(chan time.Duration)
	go func() {
		runtime.LockOSThread()
		begun <- true
		most, last := time.Duration(0), time.Now()
		for over := false; !over; {
			over = stop.Load() // one more reading: it may stand still until now
			now := time.Now()
			most, last = max(most, now.Sub(last)), now
		}
		longest <- most
	}()
	<-begun
	return func() time.Duration { stop.Store(true); return <-longest }
}

// touched is memory whose every page was written, in pages rather than in blocks.
func touched(access int) []byte {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, private)
	check(err)
	for i := 0; i < size; i += page {
		b[i] = 1
	}
	check(syscall.Mprotect(b, access))
	ends = append(ends, func() error { return syscall.Munmap(b) })
	return b
}

// ends give back what a round took.
var ends []func() error

// file is a file without a name.
func file(size int) int {
	const unnamed = 0o20200000 // O_TMPFILE
	fd, err := syscall.Open("/tmp", syscall.O_RDWR|unnamed, 0o600)
	check(err)
	ends = append(ends, func() error { return syscall.Close(fd) })
	_, err = syscall.Pwrite(fd, make([]byte, size), 0)
	check(err)
	return fd
}

func check(err error) {
	if err != nil {
		fmt.Println("still:", err)
		os.Exit(1)
	}
}
