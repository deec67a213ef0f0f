// Command soak does a bit of everything a Go program can ask of a machine, mixed
// at random, for as long as wanted. Every kind of work checks its own results. A
// watchdog looks every 10 s and panics with the stacks of all goroutines if one
// kind did not go on. At the end the machine must have as much free memory as
// after the warm-up: no page is lost over the life of threads, stacks and heap.
//
// The mix follows from the seed; how goroutines interleave does not.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	length := flag.Duration("for", 10*time.Second, "how long, warm-up not counted")
	warmUp := flag.Duration("warm-up", 5*time.Second, "the same mix before the free memory is noted")
	seed := flag.Uint64("seed", 0, "seed of the mix (0: from the clock)")
	only := flag.String("kinds", "", "only these kinds of work, with commas between them (default: all)")
	look := flag.Duration("look", 10*time.Second, "time between two looks of the watchdog")
	bound := flag.Int64("bound", 4096, "KiB that may be missing in the end")
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	work, err := choose(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(64)
	}
	fmt.Printf("time: seed %d\n", *seed)

	mix(work, *seed, *warmUp, *look)
	before := settle()
	mix(work, *seed+1, *length, *look)
	after := settle()

	for _, k := range work {
		fmt.Printf("time: %s: %d times\n", k.name, k.times.Load())
	}
	fmt.Println("soak: every kind went on and was right")
	memory(before, after, *bound)
}

// kind is one kind of work. It is done again and again by a few goroutines,
// each with a generator of its own.
type kind struct {
	name       string
	goroutines int
	do         func(*rand.Rand) error

	times atomic.Int64
}

var kinds = []*kind{
	{name: "timers", goroutines: 4, do: timers},
	{name: "contexts", goroutines: 2, do: contexts},
	{name: "channels", goroutines: 4, do: channels},
	{name: "selects", goroutines: 4, do: selects},
	{name: "locks", goroutines: 2, do: locks},
	{name: "goroutines", goroutines: 2, do: goroutines},
	{name: "threads", goroutines: 2, do: threads},
	{name: "faults", goroutines: 2, do: faults},
	{name: "panics", goroutines: 2, do: panics},
	{name: "maps", goroutines: 2, do: maps},
	{name: "blocks", goroutines: 2, do: blocks},
	{name: "collections", goroutines: 1, do: collections},
	{name: "signals", goroutines: 1, do: signals},
	{name: "files", goroutines: 2, do: files},
}

// choose finds kinds by name. Files are left out where there are none.
func choose(names string) ([]*kind, error) {
	var chosen []*kind
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(kinds, func(k *kind) bool { return k.name == name })
		if i < 0 && names != "" {
			return nil, fmt.Errorf("-kinds: there is no kind %q", name)
		} else if i >= 0 {
			chosen = append(chosen, kinds[i])
		}
	}
	if names == "" {
		chosen = slices.Clone(kinds)
	}
	return chosen, nil
}

// mix lets all kinds go on for a time, under the eyes of the watchdog.
func mix(work []*kind, seed uint64, length, look time.Duration) {
	var (
		stop atomic.Bool
		wg   sync.WaitGroup
	)
	for i, k := range work {
		for j := range k.goroutines {
			random := rand.New(rand.NewPCG(seed, uint64(i)<<32|uint64(j)))
			wg.Go(func() {
				for first := true; first || !stop.Load(); first = false {
					if err := k.do(random); err != nil {
						fmt.Printf("soak: %s: %v\n", k.name, err)
						os.Exit(1)
					}
					k.times.Add(1)
				}
			})
		}
	}
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() { watch(work, look, ended); close(watched) }()
	time.Sleep(length)
	stop.Store(true)
	wg.Wait()
	close(ended)
	<-watched
}

func init() {
	signal.Notify(received, syscall.SIGUSR1)
	runtime.SetMutexProfileFraction(100) // more code on the paths of locks
}
