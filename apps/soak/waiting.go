package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// short is a random time that a machine sleeps through or nearly so.
func short(r *rand.Rand) time.Duration { return time.Duration(r.IntN(5_000)) * time.Microsecond }

// timers are started, stopped and set anew. None fires early, none that was
// stopped fires at all.
func timers(r *rand.Rand) error {
	d := short(r)
	start := time.Now()
	t := time.NewTimer(time.Hour)
	switch r.IntN(4) {
	case 0:
		if !t.Stop() {
			return errors.New("a timer an hour away was not there to stop")
		}
		time.Sleep(d)
	case 1:
		t.Reset(d)
		<-t.C
	case 2:
		fired := make(chan struct{})
		time.AfterFunc(d, func() { close(fired) })
		<-fired
	default:
		tick := time.NewTicker(d + time.Microsecond)
		<-tick.C
		tick.Stop()
	}
	t.Stop()
	if took := time.Since(start); took < d {
		return fmt.Errorf("%v were over after %v", d, took)
	}
	return nil
}

// contexts end by their time-out, or before it by being cancelled.
func contexts(r *rand.Rand) error {
	d := short(r)
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	inner, stop := context.WithCancelCause(ctx)
	cause := errors.New("no longer wanted")
	if r.IntN(2) == 0 {
		go stop(cause)
		<-inner.Done()
		if err := context.Cause(inner); !errors.Is(err, cause) && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("the cause of the end is %v", err)
		}
		return nil
	}
	defer stop(nil)
	<-inner.Done()
	if err := inner.Err(); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("after a time-out the error is %v", err)
	}
	if took := time.Since(start); took < d {
		return fmt.Errorf("a time-out of %v came after %v", d, took)
	}
	return nil
}

// channels carry numbers through a few goroutines, in order.
func channels(r *rand.Rand) error {
	n, stages := 1+r.IntN(200), 1+r.IntN(5)
	in := make(chan int, r.IntN(8))
	out := in
	for range stages {
		from, to := out, make(chan int, r.IntN(3))
		go func() {
			defer close(to)
			for v := range from {
				to <- v + 1
			}
		}()
		out = to
	}
	go func() {
		defer close(in)
		for i := range n {
			in <- i
		}
	}()
	got := 0
	for v := range out {
		if v != got+stages {
			return fmt.Errorf("number %d came out as %d after %d stages", got, v, stages)
		}
		got++
	}
	if got != n {
		return fmt.Errorf("%d of %d numbers came out", got, n)
	}
	return nil
}

// selects wait for a message or a time-out, whichever is first.
func selects(r *rand.Rand) error {
	message := make(chan int)
	left := make(chan struct{})
	delay, limit := short(r), short(r)
	go func() {
		time.Sleep(delay)
		select {
		case message <- 42:
		case <-left:
		}
	}()
	defer close(left)
	start := time.Now()
	select {
	case v := <-message:
		if took := time.Since(start); v != 42 {
			return fmt.Errorf("%d arrived after %v", v, took)
		}
	case <-time.After(limit):
		if took := time.Since(start); took < limit {
			return fmt.Errorf("a time-out of %v came after %v", limit, took)
		}
	}
	return nil
}

// locks of each sort guard a count that must come out right.
func locks(r *rand.Rand) error {
	var (
		mu      sync.Mutex
		rw      sync.RWMutex
		turn    = sync.NewCond(&mu)
		once    sync.Once
		wg      sync.WaitGroup
		count   int
		opened  bool
		begun   atomic.Int64
		players = 2 + r.IntN(8)
		rounds  = 1 + r.IntN(50)
	)
	for range players {
		wg.Go(func() {
			once.Do(func() { begun.Add(1) })
			mu.Lock()
			for !opened {
				turn.Wait()
			}
			mu.Unlock()
			for i := range rounds {
				if i%4 == 0 {
					rw.Lock()
					count += 4
					rw.Unlock()
				} else {
					rw.RLock()
					_ = count
					rw.RUnlock()
				}
			}
		})
	}
	time.Sleep(short(r) / 10)
	mu.Lock()
	opened = true
	turn.Broadcast()
	mu.Unlock()
	wg.Wait()
	if want := players * ((rounds + 3) / 4 * 4); count != want || begun.Load() != 1 {
		return fmt.Errorf("counted %d instead of %d, began %d times", count, want, begun.Load())
	}
	return nil
}
