// Command hot spends its CPU time in two functions, three times as long in the
// first, for those who look from outside: it does not profile itself. It prints
// "ready" when it has begun, and how often it called both when it ends.
package main

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	length := flag.Duration("for", 0, "end after this time (0: never)")
	workers := flag.Int("workers", 1, "goroutines that work")
	calls := flag.Bool("calls", false, "also make system calls")
	flag.Parse()
	end := time.Now().Add(*length)
	fmt.Println("ready")
	var passes atomic.Int64
	var wg sync.WaitGroup
	for range *workers {
		wg.Go(func() {
			for *length == 0 || time.Now().Before(end) {
				if work(1) == 0 {
					fmt.Println("xorshift came to 0, which it can't")
				}
				passes.Add(1)
				if *calls {
					chat()
				}
			}
		})
	}
	wg.Wait()
	fmt.Println("passes:", passes.Load())
}

// step is the number of rounds in the shorter function: long enough that nothing
// else counts, and much shorter than the time between two looks.
const step = 20_000

//go:noinline
func work(x uint64) uint64 { return hotOne(hotThree(x)) }

// hotThree and hotOne do the same, by separate code.
//
//go:noinline
func hotThree(x uint64) uint64 {
	for range 3 * step {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

//go:noinline
func hotOne(x uint64) uint64 {
	for range step {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// chat asks the kernel for something, over and over.
//
//go:noinline
func chat() {
	for range 20 {
		_, _ = os.Stat("/proc")
	}
}
