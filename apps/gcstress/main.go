// Command gcstress is hard on the memory beneath Go: 16 goroutines allocate,
// link, pass on, drop and check data while the collector runs almost without a
// pause, and timers and growing stacks go on beside them. Every block carries a
// checksum, so a frame that came back dirty, a lost write or a register that a
// preemption forgot ends the program with status 1. It fits a 32 MiB machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const workers = 16

func main() {
	length := flag.Duration("for", 10*time.Second, "how long")
	flag.Parse()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(10)
	}
	var (
		wg     sync.WaitGroup
		rounds atomic.Int64
		pass   = make(chan *block, workers)
		end    = time.Now().Add(*length)
	)
	for id := range workers {
		wg.Go(func() {
			w := worker{seed: uint64(id)*0x9e3779b97f4a7c15 + 1, pass: pass}
			for time.Now().Before(end) {
				w.round()
				rounds.Add(1)
			}
		})
	}
	ticks := tickUntil(end)
	wg.Wait()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println("gcstress: no corruption")
	fmt.Printf("time: %d rounds, %d collections, %d MiB allocated, %d timer ticks in %v\n",
		rounds.Load(), stats.NumGC, stats.TotalAlloc>>20, ticks, *length)
	if stats.NumGC == 0 || rounds.Load() < workers || ticks == 0 {
		fmt.Println("gcstress: some part never ran")
		os.Exit(1)
	}
}

// tickUntil keeps timers going beside the work.
func tickUntil(end time.Time) (ticks int) {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for now := range t.C {
		ticks++
		if now.After(end) {
			return ticks
		}
	}
	return ticks
}

func corrupt(format string, args ...any) {
	fmt.Printf("gcstress: corruption: "+format+"\n", args...)
	os.Exit(1)
}
