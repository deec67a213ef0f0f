// Command lateness sleeps for a short time again and again, with nothing else to
// do, and reports how late it woke. A sleep that ends early is an error;
// lateness depends on the host and is only reported.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

func main() {
	n := flag.Int("n", 1000, "sleeps")
	d := flag.Duration("d", time.Millisecond, "length of each")
	flag.Parse()
	if *n < 1 {
		fmt.Fprintln(os.Stderr, "lateness: -n: want at least one sleep")
		os.Exit(64)
	}
	late := make([]time.Duration, *n)
	for i := range late {
		start := time.Now()
		time.Sleep(*d)
		late[i] = time.Since(start) - *d
	}
	slices.Sort(late)
	if late[0] < 0 {
		fmt.Printf("lateness: a sleep ended %v early\n", -late[0])
		os.Exit(1)
	}
	fmt.Printf("lateness: %d sleeps of %v, none early\n", *n, *d)
	for _, percent := range []int{50, 99, 100} {
		fmt.Printf("time: late p%d: %.1f µs\n", percent, float64(late[(len(late)-1)*percent/100].Nanoseconds())/1000)
	}
}
