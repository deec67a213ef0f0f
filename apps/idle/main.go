// Command idle does nothing, which is what a machine must do best: it has one
// timer, an hour away, and prints what the machine did meanwhile. It is what
// the figures for idle machines are measured with.
//
// It prints "ready" once it has settled. With -for it ends by itself and reports
// the wake-ups since then, of which the end is one.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	tick := flag.Duration("tick", 0, "also run a ticker with this period")
	length := flag.Duration("for", 0, "end after this time (0: when the timer fires)")
	settle := flag.Duration("settle", time.Second, "time for the runtime to come to rest before \"ready\"")
	free := flag.Int("free", 0, "MiB to allocate, fill and drop before settling")
	read := flag.Bool("read", false, "wait for standard input meanwhile")
	collect := flag.Bool("collect", true, "collect garbage after that, instead of waiting for Go to")
	flag.Parse()

	if *free > 0 {
		drop(*free<<20, *collect, *settle)
	}
	if *read {
		go func() { _, _ = os.Stdin.Read(make([]byte, 1)) }()
	}
	time.Sleep(*settle)
	before := facts()
	fmt.Println("ready")
	ticks := wait(*length, *tick)
	report(before, facts(), ticks)
}

// wait sleeps until the hour or the given length is over and counts ticks.
func wait(length, tick time.Duration) (ticks int) {
	hour := time.NewTimer(time.Hour)
	defer hour.Stop()
	var end, beat <-chan time.Time
	if length > 0 {
		end = time.After(length)
	}
	if tick > 0 {
		t := time.NewTicker(tick)
		defer t.Stop()
		beat = t.C
	}
	for {
		select {
		case <-hour.C:
			return ticks
		case <-end:
			return ticks
		case <-beat:
			ticks++
		}
	}
}

// dirty fills n bytes in pieces the allocator treats as large objects.
func dirty(n int) {
	var held [][]byte
	for ; n > 0; n -= 1 << 20 {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = byte(i)
		}
		held = append(held, b)
	}
	runtime.KeepAlive(held)
}

// patience is how many steps in a row may bring nothing: Go's scavenger sleeps a
// hundred times as long as it works, and on a slow machine it works long.
const patience = 4

// drop makes and drops n bytes of heap and waits until what the machine has
// free no longer grows: Go gives memory back little by little.
func drop(n int, collect bool, step time.Duration) {
	before := facts()["free"]
	dirty(n)
	if collect {
		runtime.GC()
		runtime.GC() // the heap that Go keeps follows the collection before the last
	}
	low := facts()["free"]
	for best, still := low, 0; still < patience; still++ {
		time.Sleep(step)
		if now := facts()["free"]; now > best {
			best, still = now, -1
		}
	}
	fmt.Printf("free KiB: %d before, %d after %d were used, %d in the end\n", before>>10, low>>10, n>>10, facts()["free"]>>10)
}

func report(before, after map[string]int64, ticks int) {
	fmt.Println("ticks:", ticks)
	if after == nil {
		fmt.Println("not in a Doze machine (Linux process): no counts")
		return
	}
	for _, name := range []string{"wakeups", "wakeups_early", "timer_interrupts", "gates"} {
		fmt.Printf("%s: %d\n", name, after[name]-before[name])
	}
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
