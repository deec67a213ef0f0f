// Command pingpong has 10,000 goroutines and 500 locked threads pass messages to
// and fro while the collector runs almost without a pause. Every message must
// arrive, in order and whole. If nothing at all moves for 20 s of the machine's
// time, or a pair for a minute, a wake-up was lost: the program panics with the
// stacks of all goroutines.
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

func main() {
	goroutines := flag.Int("goroutines", 10_000, "goroutines that play")
	threads := flag.Int("threads", 500, "goroutines that play, each locked to a thread")
	length := flag.Duration("for", 10*time.Second, "how long")
	patience := flag.Duration("patience", 20*time.Second, "nothing may stand still for so long, a pair for three times that")
	flag.Parse()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}

	begin := time.Now()
	var (
		wg    sync.WaitGroup
		stop  atomic.Bool
		gate  = make(chan struct{}) // nobody plays before all are there
		pairs = make([]pair, (*goroutines+*threads)/2)
	)
	for i := range pairs {
		p := &pairs[i]
		p.id, p.locked = i, i < *threads/2
		p.there, p.back = newBox(i), newBox(i)
		wg.Add(2)
		go func() { defer wg.Done(); p.serve(gate, &stop) }()
		go func() { defer wg.Done(); p.reply() }()
	}
	ended := make(chan struct{})
	go watch(pairs, *patience, ended)
	started := time.Now()
	close(gate)
	time.Sleep(*length)
	stop.Store(true)
	stopped := time.Now()
	wg.Wait()
	close(ended)
	fmt.Printf("time: %v to start all, %v of play, %v until the last had ended\n", started.Sub(begin), stopped.Sub(started), time.Since(stopped))
	report(pairs)
}

// watch panics when all pairs stand still, or one that has not ended does. One
// gets more time: thousands of others may wait before it, for the collector too.
func watch(pairs []pair, patience time.Duration, ended <-chan struct{}) {
	last := make([]int64, len(pairs))
	since := make([]time.Time, len(pairs))
	moved := time.Now()
	for i := range since {
		since[i] = moved
	}
	t := time.NewTicker(patience / 10)
	defer t.Stop()
	for {
		select {
		case <-ended:
			return
		case <-t.C:
		}
		for i := range pairs {
			p := &pairs[i]
			if n := p.strokes.Load(); n != last[i] || p.done.Load() {
				moved = time.Now()
				last[i], since[i] = n, moved
			} else if time.Since(since[i]) > 3*patience {
				still("pair %d (locked: %v) stands still after %d strokes", i, p.locked, n)
			}
		}
		if time.Since(moved) > patience {
			still("nothing moves")
		}
	}
}

// still ends the program with the stacks of all goroutines.
func still(format string, args ...any) {
	debug.SetTraceback("all")
	panic("pingpong: " + fmt.Sprintf(format, args...))
}

func report(pairs []pair) {
	var sum, fewest [2]int64
	for i := range pairs {
		k := 0
		if pairs[i].locked {
			k = 1
		}
		n := pairs[i].strokes.Load()
		if sum[k] == 0 || n < fewest[k] {
			fewest[k] = n
		}
		sum[k] += n
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println("pingpong: every message arrived, in order and whole")
	fmt.Printf("machine: %d pairs, %d CPUs, %d collections\n", len(pairs), runtime.NumCPU(), stats.NumGC)
	fmt.Printf("time: goroutines: %d strokes, at least %d a pair; threads: %d, at least %d\n", sum[0], fewest[0], sum[1], fewest[1])
	if stats.NumGC < 2 {
		fail("the collector never ran")
	}
}

func fail(format string, args ...any) {
	fmt.Printf("pingpong: "+format+"\n", args...)
	os.Exit(1)
}
