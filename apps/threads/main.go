// Command threads plays ping-pong between goroutines that are each locked to a
// thread of their own, so every stroke is a real thread switch: futex wait,
// futex wake, and the thread's own TLS. Each thread also checks that its id
// never changes. Then it has all threads make a system call, again and again: the
// runtime signals each and waits for it, so one signal that is lost is the end.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
)

func main() {
	pairs := flag.Int("pairs", 4, "pairs of threads")
	rounds := flag.Int("rounds", 2000, "strokes of each player")
	calls := flag.Int("calls", 100, "system calls that all threads make")
	flag.Parse()
	var (
		wg     sync.WaitGroup
		failed = make(chan error, 2**pairs)
	)
	for range *pairs {
		ping, pong := make(chan int), make(chan int)
		wg.Add(2)
		go func() { defer wg.Done(); defer close(ping); failed <- serve(ping, pong, *rounds) }()
		go func() { defer wg.Done(); defer close(pong); failed <- reply(pong, ping, *rounds) }()
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			fmt.Println("threads:", err)
			os.Exit(1)
		}
	}
	fmt.Printf("threads: %d pairs, %d rounds each, every ball counted\n", *pairs, *rounds)
	if err := everywhere(*pairs, *calls); err != nil {
		fmt.Println("threads:", err)
		os.Exit(1)
	}
}

func serve(out chan<- int, in <-chan int, rounds int) error {
	runtime.LockOSThread()
	tid := syscall.Gettid()
	for i := range rounds {
		out <- i
		if got := <-in; got != i+1 {
			return fmt.Errorf("served %d, got %d back", i, got)
		}
		if now := syscall.Gettid(); now != tid {
			return fmt.Errorf("thread %d became %d", tid, now)
		}
	}
	return nil // still locked: the thread ends with its goroutine
}

func reply(out chan<- int, in <-chan int, rounds int) error {
	runtime.LockOSThread()
	tid := syscall.Gettid()
	for range rounds {
		ball, open := <-in
		if !open {
			return fmt.Errorf("the other player left")
		}
		out <- ball + 1
		if now := syscall.Gettid(); now != tid {
			return fmt.Errorf("thread %d became %d", tid, now)
		}
	}
	return nil
}

// everywhere has all threads, some of which are just going to sleep, ask for a flag
// that nobody ever set.
func everywhere(threads, calls int) error {
	balls := make(chan int)
	defer close(balls)
	for range threads {
		go func() {
			runtime.LockOSThread()
			for range balls {
			}
		}()
	}
	for range calls {
		for range threads {
			balls <- 0
		}
		kept, _, errno := syscall.AllThreadsSyscall(syscall.SYS_PRCTL, syscall.PR_GET_KEEPCAPS, 0, 0)
		if errno != 0 || kept != 0 {
			return fmt.Errorf("prctl: %d, %w", kept, errno)
		}
	}
	return nil
}
