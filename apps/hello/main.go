// Command hello shows that a program arrives whole in its machine: arguments,
// environment, and what the machine says of itself. Only the lines "machine:"
// and "time:" differ from one VMM to the next.
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

func main() {
	m := facts()
	fmt.Println("Hello from a Go program.")
	fmt.Printf("args: %q\n", os.Args[1:])
	env := os.Environ()
	sort.Strings(env)
	for _, v := range env {
		fmt.Println("env:", v)
	}
	if m == nil {
		fmt.Println("machine: not in a Doze machine (Linux process)")
		return
	}
	fmt.Printf("machine: VMM %s on %s, clock %s, idle by %s, %s CPU, %d MiB memory\n",
		m["vmm"], m["accel"], m["clock"], m["idle"], m["cpus"], (number(m["memory"])+1<<19)>>20) // to the nearest: a few pages are not RAM
	fmt.Printf("time: %v from VMM start to main\n", time.Duration(number(m["start_to_now_ns"])).Round(time.Microsecond))
}

// facts returns what the guest kernel serves in /proc/doze, nil on Linux.
func facts() map[string]string {
	text, err := os.ReadFile("/proc/doze")
	if err != nil {
		return nil
	}
	m := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			m[key] = value
		}
	}
	return m
}

// number reads a fact that is a count; one that is missing counts as 0.
func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
