// Command probes asks the system it runs on hundreds of small questions about its
// calls and prints a line for each: its name, and a value or the name of an error.
// Run as a process it says what Linux answers; in a machine, what Doze does. The
// tier linux (tests/linux_test.go) compares the two.
//
// A probe's answer must not depend on load, time, or what ran before it.
package main

import (
	"fmt"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
)

// A probe is a question. Its function returns the answer, one line.
type probe struct {
	name string
	ask  func() string
}

// subjects are all probes: a name and the function that makes them.
var subjects = []struct {
	name   string
	probes func() []probe
}{
	{"pointer", pointers},
	{"clock", clocks},
	{"timer", timers},
	{"lock", locks},
	{"pipe", pipes},
	{"event", events},
	{"file", files},
	{"name", names},
	{"descriptor", descriptors},
	{"process", processes},
	{"signal", signals},
	{"thread", threads},
	{"wait", waits},
	{"proc", procs},
}

func main() {
	only := ""
	if len(os.Args) > 1 {
		only = os.Args[1]
	}
	trace := os.Getenv("PROBES_TRACE") != "" // say what is asked before it is, to find what ends the program
	prepare()
	defer os.RemoveAll(dir)
	debug.SetPanicOnFault(true)
	for _, s := range subjects {
		for _, p := range s.probes() {
			name := s.name + "/" + p.name
			if ok, err := path.Match(only, name); err != nil || !ok && !strings.HasPrefix(name, only) {
				continue
			}
			if trace {
				fmt.Fprintln(os.Stderr, name)
			}
			fmt.Printf("%s: %s\n", name, answer(p))
		}
	}
}

// answer asks one probe. A panic is an answer too.
func answer(p probe) (line string) {
	defer func() {
		if r := recover(); r != nil {
			line = fmt.Sprintf("panic: %v", r)
		}
	}()
	return strings.Join(slices.DeleteFunc(strings.Split(p.ask(), "\n"), func(s string) bool { return s == "" }), " | ")
}
