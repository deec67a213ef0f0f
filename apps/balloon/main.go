// Command balloon uses memory as it is told to, and knows whether it still holds
// what was put there. It reads orders on standard input, one a line, and answers
// each with a line:
//
//	use N     fill N MiB more
//	check     look whether all of it still is what it was
//	drop      forget all of it and collect garbage
//	release   give what is free back, as debug.FreeOSMemory does
//	cycle N   N times: use 8 MiB, check all, drop those 8 MiB
//	memory    say what the machine has, in KiB
//	wait D    do nothing for a time
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

const (
	mib       = 1 << 20
	cycleSize = 8
)

// held is what is in use, a MiB each, and seeds what each was filled from.
var (
	held  [][]uint64
	seeds []uint64
	next  uint64
)

func main() {
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		order, arg, _ := strings.Cut(lines.Text(), " ")
		answer, err := obey(order, arg)
		if err != nil {
			fmt.Printf("%s: %v\n", lines.Text(), err)
			os.Exit(1)
		}
		fmt.Printf("%s: %s\n", lines.Text(), answer)
	}
}

func obey(order, arg string) (string, error) {
	switch order {
	case "use":
		n, err := strconv.Atoi(arg)
		use(n)
		return fmt.Sprintf("%d MiB", len(held)), err
	case "check":
		return "ok", check()
	case "drop":
		held, seeds = nil, nil
		runtime.GC()
		return "ok", nil
	case "release":
		debug.FreeOSMemory()
		return "ok", nil
	case "cycle":
		n, err := strconv.Atoi(arg)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d cycles", n), cycle(n)
	case "memory":
		return memory()
	case "wait":
		d, err := time.ParseDuration(arg)
		time.Sleep(d)
		return "ok", err
	}
	return "", fmt.Errorf("no such order")
}

func use(n int) {
	for range n {
		next++
		b := make([]uint64, mib/8)
		fill(b, next)
		held, seeds = append(held, b), append(seeds, next)
	}
}

// step is one of Marsaglia's xorshift generators.
func step(x uint64) uint64 {
	x ^= x << 13
	x ^= x >> 7
	return x ^ x<<17
}

func fill(b []uint64, seed uint64) {
	x := seed
	for i := range b {
		x = step(x)
		b[i] = x
	}
}

func check() error {
	for k, b := range held {
		x := seeds[k]
		for i := range b {
			if x = step(x); b[i] != x {
				return fmt.Errorf("MiB %d of %d, word %d: %#x, not %#x", k, len(held), i, b[i], x)
			}
		}
	}
	return nil
}

func cycle(n int) error {
	for range n {
		was := len(held)
		use(cycleSize)
		if err := check(); err != nil {
			return err
		}
		held, seeds = held[:was], seeds[:was]
		clear(held[was:cap(held)])
		debug.FreeOSMemory()
		// New memory must be zero, wherever its pages have been.
		for i, v := range make([]uint64, cycleSize*mib/8) {
			if v != 0 {
				return fmt.Errorf("word %d of new memory is %#x", i, v)
			}
		}
	}
	return nil
}

// memory says what /proc/meminfo and the collector's limit are.
func memory() (string, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "", err
	}
	var out []string
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) > 1 && (f[0] == "MemTotal:" || f[0] == "MemFree:") {
			out = append(out, strings.TrimSuffix(f[0], ":")+"="+f[1])
		}
	}
	return fmt.Sprintf("%s limit=%d", strings.Join(out, " "), debug.SetMemoryLimit(-1)>>10), nil
}
