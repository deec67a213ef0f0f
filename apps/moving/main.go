// Command moving keeps a machine busy in every way that must not notice that its
// vCPUs come and go: computation with a known result, timers, channels, and
// goroutines locked to threads. It ends well on SIGTERM, with what it did, and
// with status 1 as soon as a result is wrong or somebody makes no progress.
//
//	moving [-veto N]
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/doze-vm/doze/pv"
)

// patience is how long somebody may make no progress: far longer than the most
// crowded host takes.
const patience = 30 * time.Second

// worker is somebody whose progress is watched.
type worker struct {
	name  string
	steps atomic.Uint64
}

func main() {
	veto := flag.Int("veto", 0, "have no change to this number of vCPUs")
	flag.Parse()
	if err := run(*veto); err != nil {
		fmt.Println("moving:", err)
		os.Exit(1)
	}
}

func run(veto int) error {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	var changes atomic.Int64
	stop, err := pv.OnCPUChange(func(from, to int) bool {
		changes.Add(1)
		return to != veto
	})
	if err != nil {
		return err
	}
	defer stop()
	failed := make(chan error, 1)
	workers := start(failed)
	fmt.Println("moving: started")
	watch := time.NewTicker(patience)
	defer watch.Stop()
	last := make([]uint64, len(workers))
	for {
		select {
		case err := <-failed:
			return err
		case <-watch.C:
			for i, w := range workers {
				if steps := w.steps.Load(); steps == last[i] {
					return fmt.Errorf("%s made no step in %v", w.name, patience)
				} else {
					last[i] = steps
				}
			}
		case <-terminated:
			return report(workers, changes.Load(), failed)
		}
	}
}

// report says what was done, once everybody has made a step and GOMAXPROCS has
// followed the vCPUs. SIGTERM may come before a crowded host has run everybody.
func report(workers []*worker, changes int64, failed <-chan error) error {
	sums := map[string]uint64{}
	for _, w := range workers {
		if err := await(failed, w.name+" made no step at all", func() bool { return w.steps.Load() > 0 }); err != nil {
			return err
		}
		sums[w.name] += w.steps.Load()
	}
	cpus, err := pv.CPUs()
	if err != nil {
		return err
	}
	why := fmt.Sprintf("GOMAXPROCS is not %d, the number of vCPUs online", cpus.Online)
	if err := await(failed, why, func() bool { return runtime.GOMAXPROCS(0) == cpus.Online }); err != nil {
		return err
	}
	for name, n := range sums {
		fmt.Printf("time: %s: %d steps\n", name, n)
	}
	fmt.Printf("changes: %d\nonline: %d\ntarget: %d\nmax: %d\n", changes, cpus.Online, cpus.Target, cpus.Max)
	return nil
}

// await returns once done is true. It returns an error that says why not if that takes
// longer than patience, and a worker's error at once.
func await(failed <-chan error, why string, done func() bool) error {
	for limit := time.Now().Add(patience); ; {
		select {
		case err := <-failed:
			return err
		default:
		}
		if done() {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%s in %v", why, patience)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func start(failed chan<- error) (workers []*worker) {
	add := func(name string, n int, f func(w *worker) error) {
		for range n {
			w := &worker{name: name}
			workers = append(workers, w)
			go func() {
				if err := f(w); err != nil {
					select {
					case failed <- fmt.Errorf("%s: %w", name, err):
					default:
					}
				}
			}()
		}
	}
	add("computation", 8, compute)
	add("timer", 64, sleep)
	add("channel", 16, pass)
	add("thread", 4, func(w *worker) error { runtime.LockOSThread(); return pass(w) })
	return workers
}

var errWrong = errors.New("the result is wrong")

// compute does the same work again and again.
func compute(w *worker) error {
	want := uint64(0)
	for {
		x := uint64(88172645463325252)
		for range 200_000 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		if want == 0 {
			want = x
		}
		if x != want {
			return errWrong
		}
		w.steps.Add(1)
	}
}

// sleep must never wake early, nor be forgotten.
func sleep(w *worker) error {
	for {
		d := time.Duration(1+rand.IntN(40)) * time.Millisecond
		start := time.Now()
		time.Sleep(d)
		if slept := time.Since(start); slept < d {
			return fmt.Errorf("slept %v of %v", slept, d)
		}
		w.steps.Add(1)
	}
}

// pass counts with a partner.
func pass(w *worker) error {
	ping, pong := make(chan uint64), make(chan uint64)
	go func() {
		for n := range ping {
			pong <- n + 1
		}
	}()
	for n := uint64(0); ; n++ {
		ping <- n
		if got := <-pong; got != n+1 {
			return fmt.Errorf("passed %d, got %d", n, got)
		}
		w.steps.Add(1)
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
	}
}
