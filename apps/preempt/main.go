// Command preempt gives one P to four loops that never call anything and looks
// how everything else fares beside them: a ticker, and collections of garbage.
// Without preemption neither would ever go on. It reports how late the ticks
// came and how long the longest collection took, and fails if a loop, the ticker
// or a collection stood still.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const period = 10 * time.Millisecond

// pause is the time between two collections.
const pause = 100 * time.Millisecond

func main() {
	length := flag.Duration("for", 10*time.Second, "how long")
	loops := flag.Int("loops", 4, "loops without calls")
	bound := flag.Duration("bound", time.Minute, "a collection that takes longer is an error")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	var (
		stop  atomic.Bool
		turns = make([]int, *loops)
		wg    sync.WaitGroup
		ticks []time.Duration
		gcs   []time.Duration
	)
	for i := range turns {
		wg.Go(func() { turns[i] = spin(&stop) })
	}
	wg.Go(func() { ticks = listen(&stop, *length) })
	wg.Go(func() { gcs = collect(&stop) })
	time.Sleep(*length)
	stop.Store(true)
	wg.Wait()

	report(ticks, gcs)
	switch {
	case slices.Min(turns) == 0, len(ticks) == 0, len(gcs) == 0:
		fmt.Printf("preempt: something stood still: turns of the loops %v, %d ticks, %d collections\n", turns, len(ticks), len(gcs))
		os.Exit(1)
	case slices.Max(gcs) > *bound:
		fmt.Printf("preempt: a collection took %v, more than %v\n", slices.Max(gcs), *bound)
		os.Exit(1)
	}
	fmt.Printf("preempt: %d loops, a ticker and collections shared a P\n", *loops)
}

// spin has no call in its loop, and so no place where it would give way by
// itself.
func spin(stop *atomic.Bool) (turns int) {
	for !stop.Load() {
		turns++
	}
	return turns
}

// listen returns how late each tick was received. A tick that was missed makes
// the next one late by the time since the first that was due.
func listen(stop *atomic.Bool, length time.Duration) []time.Duration {
	late := make([]time.Duration, 0, length/period+1)
	start := time.Now()
	due := period
	t := time.NewTicker(period)
	defer t.Stop()
	for !stop.Load() {
		<-t.C
		now := time.Since(start)
		late = append(late, max(0, now-due))
		due += period * (1 + max(0, now-due)/period)
	}
	return late
}

// collect forces collections and returns how long each took.
func collect(stop *atomic.Bool) (took []time.Duration) {
	for !stop.Load() {
		start := time.Now()
		runtime.GC()
		took = append(took, time.Since(start))
		time.Sleep(pause)
	}
	return took
}

func report(ticks, gcs []time.Duration) {
	for _, list := range []struct {
		name  string
		times []time.Duration
	}{{"tick late", ticks}, {"collection", gcs}} {
		slices.Sort(list.times)
		fmt.Printf("machine: %s: %d times\n", list.name, len(list.times))
		for _, percent := range []int{50, 99, 100} {
			if n := len(list.times); n > 0 {
				fmt.Printf("time: %s p%d: %.2f ms\n", list.name, percent, float64(list.times[(n-1)*percent/100].Microseconds())/1000)
			}
		}
	}
}
