// Command sleepers has many goroutines sleep for short, different times and
// reports how late they wake. A sleep that ends early is an error; lateness
// depends on the host and is only reported.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

func main() {
	goroutines := flag.Int("n", 20, "goroutines")
	naps := flag.Int("naps", 50, "sleeps of each")
	flag.Parse()
	late := make([]time.Duration, *goroutines**naps)
	var wg sync.WaitGroup
	for g := range *goroutines {
		wg.Go(func() {
			for i := range *naps {
				// 1 to 20 ms, in an order that differs between goroutines.
				d := time.Duration(1+(g*7+i*3)%20) * time.Millisecond
				start := time.Now()
				time.Sleep(d)
				late[g**naps+i] = time.Since(start) - d
			}
		})
	}
	wg.Wait()
	slices.Sort(late)
	if late[0] < 0 {
		fmt.Printf("sleepers: a sleep ended %v early\n", -late[0])
		os.Exit(1)
	}
	fmt.Printf("sleepers: %d sleeps, none early\n", len(late))
	at := func(percent int) time.Duration { return late[(len(late)-1)*percent/100].Round(time.Microsecond) }
	fmt.Printf("time: late by p50 %v, p99 %v, at most %v\n", at(50), at(99), at(100))
}
