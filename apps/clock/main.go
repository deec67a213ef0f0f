// Command clock checks the clocks a program sees.
//
// By default it reads the monotonic clock many times and fails if one reading
// is earlier than the one before. With -drift it prints a JSON line with both
// clocks every -every, for a host that compares them with its own.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	reads := flag.Int("n", 100_000_000, "readings of the monotonic clock")
	drift := flag.Duration("drift", 0, "print stamps for so long instead")
	every := flag.Duration("every", time.Second, "time between two stamps")
	flag.Parse()
	if *drift > 0 {
		stamps(*drift, *every)
		return
	}
	monotonic(*reads)
}

func monotonic(n int) {
	var (
		start = time.Now()
		last  time.Duration
		gap   time.Duration
	)
	for i := range n {
		now := time.Since(start) // reads the monotonic clock alone
		if now < last {
			fmt.Printf("clock: reading %d stepped back by %v\n", i, last-now)
			os.Exit(1)
		}
		gap = max(gap, now-last)
		last = now
	}
	fmt.Printf("clock: %d reads, no step back\n", n)
	fmt.Printf("time: %.1f ns a read, longest gap %v\n", float64(last.Nanoseconds())/float64(n), gap)
}

// stamp is one line of -drift. The host knows when it read the line, and so
// bounds both clocks from above; the quickest line gives the best bound.
type stamp struct {
	Monotonic int64 `json:"mono_ns"` // since the program started
	Wall      int64 `json:"wall_ns"` // Unix time
}

func stamps(total, every time.Duration) {
	start := time.Now()
	out := json.NewEncoder(os.Stdout)
	for next := time.Duration(0); next <= total; next += every {
		time.Sleep(next - time.Since(start))
		now := time.Now()
		if err := out.Encode(stamp{now.Sub(start).Nanoseconds(), now.UnixNano()}); err != nil {
			fmt.Fprintln(os.Stderr, "clock: printing a stamp:", err)
			os.Exit(1)
		}
	}
}
