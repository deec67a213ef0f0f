// Command limits lives at the limit of its machine's memory. Without arguments
// half of the memory is in use and garbage of several times the rest is made: it fits if the
// collector knows how much there is. With -huge it asks for more than there is
// at once.
package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"runtime/debug"
)

const mib = 1 << 20

// keep holds what is in use.
var keep [][]byte

func main() {
	huge := flag.Bool("huge", false, "ask for more than the machine has")
	flag.Parse()
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		fmt.Println("limits: none: this is no machine")
		os.Exit(1)
	}
	if *huge {
		keep = append(keep, make([]byte, 4*limit))
		return
	}
	for used := int64(0); used < limit/2; used += mib {
		keep = append(keep, filled())
	}
	for made := int64(0); made < 3*limit; made += mib {
		filled()
	}
	fmt.Println("limits: the garbage was collected in time")
	fmt.Printf("machine: a limit of %d MiB\n", limit/mib)
}

func filled() []byte {
	b := make([]byte, mib)
	for i := range b {
		b[i] = 1
	}
	return b
}
