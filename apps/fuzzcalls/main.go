// Command fuzzcalls makes random system calls: every call that is served, with
// arguments that are right, wrong, or addresses that are not the program's. The machine
// must survive. What would end or stop the program by right is left out or
// bounded by the table in calls.go.
//
//	fuzzcalls -n 100000 -seed 1          the calls of a seed, on each CPU
//	fuzzcalls -n 100000 -seed 1 -trace   with a line before each
//
// It is for a machine: as a process it would do to the host what it does there.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/doze-vm/doze/pv"
)

func main() {
	n := flag.Int("n", 20_000, "calls of each worker")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "what the calls follow from")
	trace := flag.Bool("trace", false, "say each call before it is made")
	flag.Parse()
	if _, err := pv.Memory(); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzcalls:", err)
		os.Exit(1)
	}
	signal.Notify(make(chan os.Signal, 1)) // none ends the program
	signal.Ignore(syscall.SIGPIPE)
	fmt.Printf("fuzzcalls: seed %d\n", *seed)
	prepare()
	baseline := descriptors()
	var done sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	var made [1024]struct{ calls, served int }
	var lock sync.Mutex
	fuzzers := make([]fuzzer, workers)
	for w := range workers {
		f := &fuzzers[w]
		f.r, f.trace = rand.New(rand.NewPCG(*seed, uint64(w))), *trace
		done.Go(func() {
			runtime.LockOSThread() // and the thread ends with what was set for it
			defer f.ended.Store(true)
			for i := range *n {
				c := &calls[f.r.IntN(len(calls))]
				e := f.make(c)
				lock.Lock()
				made[c.nr].calls++
				if e == 0 {
					made[c.nr].served++
				}
				if i%500 == 0 {
					tidy(baseline)
				}
				lock.Unlock()
			}
		})
	}
	go watch(fuzzers)
	done.Wait()
	served := 0
	for _, m := range made {
		if m.served > 0 {
			served++
		}
	}
	fmt.Printf("fuzzcalls: %d calls, %d of %d kinds went well at least once\n", *n*workers, served, len(calls))
	if *n >= 200_000 {
		for _, c := range calls {
			if made[c.nr].calls > 0 && made[c.nr].served == 0 && !c.fails {
				fmt.Printf("fuzzcalls: %s was never answered but by an error\n", c.name)
			}
		}
	}
}

// patience is how long no call takes.
const patience = 20 * time.Second

// watch ends the program when a call never ends.
func watch(fuzzers []fuzzer) {
	before := make([]int, len(fuzzers))
	for range time.Tick(patience) {
		stuck := false
		for i := range fuzzers {
			f := &fuzzers[i]
			f.lock.Lock()
			if !f.ended.Load() && f.calls == before[i] {
				fmt.Printf("fuzzcalls: call %d of worker %d never ends: %s %#x\n", f.calls, i, f.doing.name, f.args[:len(f.doing.args)])
				stuck = true
			}
			before[i] = f.calls
			f.lock.Unlock()
		}
		if stuck {
			os.Exit(1)
		}
	}
}

// fuzzer is one worker.
type fuzzer struct {
	r     *rand.Rand
	trace bool
	ended atomic.Bool

	lock  sync.Mutex // of what it does
	calls int
	doing *kind
	args  [6]uintptr
}

// make makes one call with random arguments.
func (f *fuzzer) make(c *kind) syscall.Errno {
	var x [6]uintptr
	for i, a := range c.args {
		x[i] = a(f)
	}
	if f.trace {
		fmt.Fprintf(os.Stderr, "%s %#x\n", c.name, x[:len(c.args)])
	}
	f.lock.Lock()
	f.calls, f.doing, f.args = f.calls+1, c, x
	f.lock.Unlock()
	r, _, e := syscall.Syscall6(c.nr, x[0], x[1], x[2], x[3], x[4], x[5])
	if e == 0 && c.after != nil {
		c.after(r, x)
	}
	return e
}
