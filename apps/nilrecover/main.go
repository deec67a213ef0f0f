// Command nilrecover shows that faults of the CPU arrive as Go panics a program
// can recover: a nil dereference (#PF), a call of a nil function (#PF on fetch),
// an integer division by zero (#DE), and, with debug.SetPanicOnFault, memory that
// is not there or may not be used so. It does each several times, because a trap
// handler that forgets to restore something fails at the second.
//
// All of it happens on the main goroutine, on a locked thread, and while the
// program has asked os/signal for the same signals: those are for signals that
// somebody sent, and a fault is a panic all the same.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
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
	faults := []fault{
		{"nil dereference", func() { none.next = none }},
		{"nil function", func() { f() }},
		{"division by zero", func() { zero = 1 / zero }},
		{"memory that is gone", func() { gone()[5] = 1 }},
		{"memory without access", func() { zero = int(mapped(syscall.PROT_NONE)[5]) }},
		{"memory only to read", func() { mapped(syscall.PROT_READ)[5] = 1 }},
	}
	debug.SetPanicOnFault(true)
	check(faults)

	locked := make(chan struct{})
	go func() {
		defer close(locked)
		runtime.LockOSThread()
		debug.SetPanicOnFault(true) // it belongs to the goroutine
		fmt.Println("on a locked thread:")
		check(faults)
	}()
	<-locked

	notified := make(chan os.Signal, 1)
	signal.Notify(notified, syscall.SIGSEGV, syscall.SIGFPE)
	fmt.Println("with signals asked for:")
	check(faults)
	select {
	case s := <-notified:
		fmt.Println("a fault came as a signal:", s)
		os.Exit(1)
	default:
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGSEGV); err != nil {
		fmt.Println("kill:", err)
		os.Exit(1)
	}
	fmt.Println("sent and received:", <-notified)
}

type fault struct {
	name  string
	cause func()
}

func check(faults []fault) {
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

// mapped is a page with the given access.
func mapped(access int) []byte {
	page, err := syscall.Mmap(-1, 0, os.Getpagesize(), access, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fmt.Println("mmap:", err)
		os.Exit(1)
	}
	return page
}

// gone is a page that is no longer mapped.
func gone() []byte {
	page := mapped(syscall.PROT_READ | syscall.PROT_WRITE)
	page[5] = 1
	alias := page[:len(page):len(page)]
	if err := syscall.Munmap(page); err != nil {
		fmt.Println("munmap:", err)
		os.Exit(1)
	}
	return alias
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
