package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// watch prints a line at each look and panics if a kind stood still since the
// last. The last look, when all are being waited for, is a whole one too.
func watch(work []*kind, look time.Duration, ended <-chan struct{}) {
	begin := time.Now()
	last := make([]int64, len(work))
	for i, k := range work {
		last[i] = k.times.Load()
	}
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		select {
		case <-ended:
			return
		case <-t.C:
		}
		var line strings.Builder
		for i, k := range work {
			now := k.times.Load()
			fmt.Fprintf(&line, " %s %d", k.name, now-last[i])
			if now == last[i] {
				debug.SetTraceback("all")
				panic(fmt.Sprintf("soak: no %s for %v", k.name, look))
			}
			last[i] = now
		}
		fmt.Printf("time: %v:%s\n", time.Since(begin).Round(time.Second), &line)
	}
}

// settle gives back what the program no longer needs and says what it and its
// machine hold then.
func settle() (m footprint) {
	for range 5 {
		debug.FreeOSMemory()
		time.Sleep(100 * time.Millisecond) // threads that ended are gone by then
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m.heap = int64(stats.HeapInuse + stats.StackInuse)
	m.kept = int64(stats.HeapIdle - stats.HeapReleased)
	m.metadata = int64(stats.MSpanSys + stats.MCacheSys + stats.BuckHashSys + stats.GCSys + stats.OtherSys)
	m.goroutines = runtime.NumGoroutine()
	m.free, m.known = facts()["free"]
	return m
}

// footprint is what the program and its machine hold.
type footprint struct {
	free, heap, kept, metadata int64
	goroutines                 int
	known                      bool
}

// memory compares what is free with what was. What Go keeps for its heap and may give back at any
// time is no page lost by the machine, and no leak of the mix.
func memory(before, after footprint, bound int64) {
	fmt.Printf("time: KiB in Go's heap and stacks %d, then %d; kept for them %d, then %d; in its own tables %d, then %d; goroutines %d, then %d\n",
		before.heap>>10, after.heap>>10, before.kept>>10, after.kept>>10, before.metadata>>10, after.metadata>>10, before.goroutines, after.goroutines)
	if !before.known || !after.known {
		fmt.Println("machine: not in a Doze machine (Linux process): free memory not looked at")
		return
	}
	missing := (before.free + before.kept - after.free - after.kept) >> 10
	fmt.Printf("time: KiB free %d, then %d: with what is kept %d missing\n", before.free>>10, after.free>>10, missing)
	if missing > bound {
		fmt.Printf("soak: %d KiB are missing, more than %d\n", missing, bound)
		os.Exit(1)
	}
	fmt.Println("soak: no memory is missing")
}

// facts returns the numbers the guest kernel serves in /proc/doze, nil on Linux.
func facts() map[string]int64 {
	text, err := os.ReadFile("/proc/doze")
	if err != nil {
		return nil
	}
	m := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			m[key] = n
		}
	}
	return m
}
