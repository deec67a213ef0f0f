package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// goroutines are started by the hundred, grow their stacks and end.
func goroutines(r *rand.Rand) error {
	var (
		wg  sync.WaitGroup
		sum atomic.Int64
		n   = 1 + r.IntN(200)
	)
	for i := range n {
		wg.Go(func() { sum.Add(int64(deep(i))) })
	}
	wg.Wait()
	if want := int64(n * (n - 1) / 2); sum.Load() != want {
		return fmt.Errorf("%d goroutines came to %d instead of %d", n, sum.Load(), want)
	}
	return nil
}

// deep returns n by as many calls, each with a frame worth having.
//
//go:noinline
func deep(n int) int {
	var frame [128]byte
	frame[n%len(frame)] = 1
	if n == 0 {
		return 0
	}
	return deep(n-1) + int(frame[n%len(frame)])
}

// threads are started for locked goroutines, keep their ids through whatever
// blocks them, and end with them.
func threads(r *rand.Rand) error {
	n := 1 + r.IntN(8)
	ids := make(chan int, n)
	wrong := make(chan error, n)
	nap := short(r) / 5
	for range n {
		go func() {
			runtime.LockOSThread() // for ever: the thread ends here, too
			id := syscall.Gettid()
			runtime.Gosched()
			time.Sleep(nap)
			if now := syscall.Gettid(); now != id {
				wrong <- fmt.Errorf("thread %d became %d", id, now)
				return
			}
			ids <- id
		}()
	}
	for range n {
		select {
		case err := <-wrong:
			return err
		case <-ids:
		}
	}
	return nil
}

var received = make(chan os.Signal, 1)

// signals that the program sends to itself arrive.
func signals(*rand.Rand) error {
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		return fmt.Errorf("kill: %w", err)
	}
	if s := <-received; s != syscall.SIGUSR1 {
		return fmt.Errorf("sent SIGUSR1, got %v", s)
	}
	time.Sleep(time.Millisecond)
	return nil
}
