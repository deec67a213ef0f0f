// Command overcommit does what suffers most when a machine has more vCPUs than the
// host has CPUs for it: it fights for locks, passes a baton between threads, stops
// the world, gives memory back, each for a while, and prints how often it did.
// What it computes is known, so a lost update ends it with status 1.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

// a load is one way to suffer. It counts what it did in n until stop, and reports
// whether that was right.
type load struct {
	name string
	run  func(stop *atomic.Bool, n *atomic.Int64) bool
}

func main() {
	length := flag.Duration("for", 2*time.Second, "how long each load lasts")
	only := flag.String("only", "", "name of the one load to run")
	flag.Parse()
	fmt.Printf("machine: GOMAXPROCS %d\n", runtime.GOMAXPROCS(0))
	for _, l := range []load{{"locks", locks}, {"batons", batons}, {"collections", collections}, {"mappings", mappings}} {
		if *only != "" && *only != l.name {
			continue
		}
		var (
			stop  atomic.Bool
			n     atomic.Int64
			right = make(chan bool)
			begin = time.Now()
		)
		go func() { right <- l.run(&stop, &n) }()
		time.Sleep(*length)
		stop.Store(true)
		ok := <-right
		took := time.Since(begin)
		if !ok {
			fmt.Printf("overcommit: %s: wrong\n", l.name)
			os.Exit(1)
		}
		fmt.Printf("time: %s a second: %.0f\n", l.name, float64(n.Load())/took.Seconds())
	}
	fmt.Println("overcommit: all right")
}
