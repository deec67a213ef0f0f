// Command profile burns CPU time in two functions, twice as long in the first,
// while runtime/pprof watches, and writes the profile to stdout. What it used by
// the system's account goes to stderr.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

func main() {
	long := flag.Duration("for", time.Second, "CPU time of the shorter function")
	workers := flag.Int("workers", 1, "goroutines that burn")
	flag.Parse()
	before := used()
	check(pprof.StartCPUProfile(os.Stdout))
	var wg sync.WaitGroup
	for range *workers {
		wg.Go(func() {
			burnTwice(time.Duration(*workers) * 2 * *long)
			burnOnce(time.Duration(*workers) * *long)
		})
	}
	wg.Wait()
	pprof.StopCPUProfile()
	fmt.Fprintf(os.Stderr, "time: %d ms of CPU\n", (used() - before).Milliseconds())
}

//go:noinline
func burnTwice(d time.Duration) uint64 { return burn(d) }

//go:noinline
func burnOnce(d time.Duration) uint64 { return burn(d) }

// burn computes until the process has used d of CPU time: a busy host gives it less of
// that in the same time. Its steps are long, so that it rarely asks.
func burn(d time.Duration) uint64 {
	x := uint64(1)
	for start := used(); used()-start < d; {
		for range 100_000 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
	}
	return x
}

// used is the CPU time of the process.
func used() time.Duration {
	var ru syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &ru))
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		os.Exit(1)
	}
}
