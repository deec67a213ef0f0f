// Command parallel counts the primes below a number with as many workers as
// GOMAXPROCS says and prints how quickly: a fixed amount of work that is nothing
// but computation, to compare a machine's vCPUs with a process's threads. The
// count is known, so a wrong one ends the program with status 1.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// known are the numbers of primes below powers of ten (OEIS A006880).
var known = map[int]int{
	10_000:        1229,
	100_000:       9592,
	1_000_000:     78498,
	10_000_000:    664579,
	100_000_000:   5761455,
	1_000_000_000: 50847534,
}

func main() {
	below := flag.Int("below", 100_000_000, "count the primes below this power of ten")
	rounds := flag.Int("rounds", 1, "so many times")
	flag.Parse()
	want, ok := known[*below]
	if !ok {
		fmt.Fprintf(os.Stderr, "parallel: -below %d: want a power of ten from 10000 to 1000000000, whose count is known\n", *below)
		os.Exit(64)
	}
	workers := runtime.GOMAXPROCS(0)
	start := time.Now()
	for range *rounds {
		if got := count(*below, workers); got != want {
			fmt.Printf("parallel: counted %d primes below %d, there are %d\n", got, *below, want)
			os.Exit(1)
		}
	}
	took := time.Since(start)
	fmt.Printf("parallel: %d primes below %d\n", want, *below)
	fmt.Printf("machine: %d workers, %d CPUs\n", workers, runtime.NumCPU())
	fmt.Printf("time: numbers a second: %.0f\n", float64(*below)*float64(*rounds)/took.Seconds())
}

// count shares the segments of [0, below) out among the workers.
func count(below, workers int) int {
	var (
		next, total atomic.Int64
		wg          sync.WaitGroup
		factors     = primesUpTo(root(below))
	)
	for range workers {
		wg.Go(func() {
			var s segment
			sum := 0
			for {
				from := int(next.Add(span)) - span
				if from >= below {
					break
				}
				sum += s.count(from, min(from+span, below), factors)
			}
			total.Add(int64(sum))
		})
	}
	wg.Wait()
	return int(total.Load())
}
