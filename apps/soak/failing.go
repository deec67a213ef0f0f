package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
)

// Where faults come from.
var (
	nobody  *struct{ pad, field [64]int }
	nothing func()
	zero    int
	three       = []int{1, 2, 3}
	any1    any = 1
	noMap   map[int]int
)

var causes = []struct {
	says string
	do   func()
}{
	{"nil pointer dereference", func() { nobody.field[3]++ }},
	{"nil pointer dereference", func() { nothing() }},
	{"integer divide by zero", func() { zero = 1 / zero }},
	{"index out of range [5] with length 3", func() { three[len(three)+2]++ }},
	{"slice bounds out of range", func() { _ = three[:len(three)+1] }},
	{"interface conversion", func() { _ = any1.(string) }},
	{"assignment to entry in nil map", func() { noMap[1] = 1 }},
}

// faults of the CPU and of the language are recovered, with the right error,
// from whatever depth.
func faults(r *rand.Rand) error {
	cause := causes[r.IntN(len(causes))]
	depth := r.IntN(100)
	err := recovered(func() { atDepth(depth, cause.do) })
	var re runtime.Error
	if !errors.As(err, &re) || !strings.Contains(err.Error(), cause.says) {
		return fmt.Errorf("wanted an error that says %q, got %v", cause.says, err)
	}
	return nil
}

//go:noinline
func atDepth(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	atDepth(n-1, f)
}

func recovered(f func()) (err error) {
	defer func() {
		if e, ok := recover().(error); ok {
			err = e
		}
	}()
	f()
	return errors.New("nothing happened")
}

// panics run the deferred calls of every frame on their way, and may be replaced
// by others.
func panics(r *rand.Rand) error {
	depth := 1 + r.IntN(500)
	change := r.IntN(depth)
	unwound := 0
	err := recovered(func() { unwind(depth, change, &unwound) })
	if err == nil || err.Error() != fmt.Sprint("changed at ", change) || unwound != depth {
		return fmt.Errorf("panic through %d frames, changed at %d: unwound %d and got %v", depth, change, unwound, err)
	}
	return nil
}

func unwind(n, change int, unwound *int) {
	if n == 0 {
		panic(errors.New("at the bottom"))
	}
	defer func() {
		*unwound++
		if n-1 == change {
			panic(fmt.Errorf("changed at %d", change))
		}
	}()
	unwind(n-1, change, unwound)
}
