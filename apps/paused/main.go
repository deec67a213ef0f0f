// Command paused watches time while its machine is paused: 200 timers whose
// deadlines lie within -over, a ticker, and a goroutine that computes all the
// time. When all timers have fired it waits for SIGTERM, and then says what the
// clocks show, how often each timer fired, and how early and late they were.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const timers = 200

func main() {
	over := flag.Duration("over", 15*time.Second, "the last timer's deadline")
	busy := flag.Bool("busy", false, "compute all the time")
	flag.Parse()
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	if *busy {
		go func() {
			for n := uint64(1); ; n++ {
				if n*n == 3 { // never: n² is 0, 1 or 4 mod 8
					fmt.Println("impossible")
				}
			}
		}()
	}
	watch(*over, terminated)
}

func watch(over time.Duration, terminated <-chan os.Signal) {
	start := time.Now()
	var fired [timers]atomic.Int32
	late := make(chan time.Duration, timers)
	for i := range timers {
		deadline := over * time.Duration(i+1) / timers
		time.AfterFunc(deadline-time.Since(start), func() {
			fired[i].Add(1)
			late <- time.Since(start) - deadline
		})
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	ticks := 0
	var all []time.Duration
	fmt.Println("paused: started")
	for {
		select {
		case d := <-late:
			if all = append(all, d); len(all) == timers {
				fmt.Println("paused: all fired")
			}
		case <-ticker.C:
			ticks++
		case <-terminated:
			wall, elapsed := time.Now().UnixNano(), time.Since(start)
			early, most, once := time.Duration(0), time.Duration(0), 0
			for _, d := range all {
				early, most = min(early, d), max(most, d)
			}
			for i := range fired {
				if fired[i].Load() == 1 {
					once++
				}
			}
			fmt.Printf("wall: %d\nelapsed: %d\nonce: %d\nearly: %d\nlate: %d\nticks: %d\n", wall, elapsed, once, -early, most, ticks)
			return
		}
	}
}
