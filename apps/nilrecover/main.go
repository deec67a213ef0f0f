// Command nilrecover shows that faults of the CPU arrive as Go panics a program
// can recover: a nil dereference (#PF), a call of a nil function (#PF on fetch)
// and an integer division by zero (#DE). It does each several times, because a
// trap handler that forgets to restore something fails at the second.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

const rounds = 3

// node is large enough for its last field to lie near the end of page zero.
type node struct {
	_    [4000]byte
	next *node
}

func main() {
	var (
		none *node
		f    func()
		zero int
	)
	faults := []struct {
		name  string
		cause func()
	}{
		{"nil dereference", func() { none.next = none }},
		{"nil function", func() { f() }},
		{"division by zero", func() { zero = 1 / zero }},
	}
	for _, fault := range faults {
		var first error
		for range rounds {
			err := recovered(fault.cause)
			if err == nil {
				fmt.Printf("%s: went unnoticed\n", fault.name)
				os.Exit(1)
			}
			if first == nil {
				first = err
			}
			if err.Error() != first.Error() {
				fmt.Printf("%s: first %q, then %q\n", fault.name, first, err)
				os.Exit(1)
			}
		}
		fmt.Printf("%s: recovered %d times: %v\n", fault.name, rounds, first)
	}
}

// recovered runs f and returns the runtime error it panicked with.
func recovered(f func()) (err error) {
	defer func() {
		var re runtime.Error
		if e, ok := recover().(error); ok && errors.As(e, &re) {
			err = re
		}
	}()
	f()
	return nil
}
