package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// each runs f on so many goroutines and waits for all.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// locks has four goroutines for each P fight for two locks.
func locks(stop *atomic.Bool, n *atomic.Int64) bool {
	var (
		shared [2]struct {
			sync.Mutex
			sum int64
			_   [48]byte // a cache line each
		}
		own atomic.Int64
	)
	each(4*runtime.GOMAXPROCS(0), func(i int) {
		var mine int64
		for ; !stop.Load(); mine++ {
			s := &shared[(int64(i)+mine)%2]
			s.Lock()
			for range 200 {
				s.sum++
			}
			s.Unlock()
			n.Add(1)
		}
		own.Add(200 * mine)
	})
	return shared[0].sum+shared[1].sum == own.Load()
}

// batons has a thread for each P hand a baton to the next one: each step blocks
// one thread and wakes another.
func batons(stop *atomic.Bool, n *atomic.Int64) bool {
	const end = -1 // goes round once in the baton's place
	ring := make([]chan int64, runtime.GOMAXPROCS(0)+1)
	for i := range ring {
		ring[i] = make(chan int64, 1)
	}
	last := int64(-1)
	right := true // the baton's holder's
	ring[0] <- 0
	each(len(ring), func(i int) {
		runtime.LockOSThread()
		next := ring[(i+1)%len(ring)]
		for baton := range ring[i] {
			if baton == end || stop.Load() {
				next <- end
				return
			}
			right = right && baton == last+1
			last = baton
			n.Add(1)
			next <- baton + 1
		}
	})
	return right
}

// collections stops the world again and again while all Ps allocate.
func collections(stop *atomic.Bool, n *atomic.Int64) bool {
	var right atomic.Bool
	right.Store(true)
	each(runtime.GOMAXPROCS(0)+1, func(i int) {
		if i == 0 {
			for ; !stop.Load(); n.Add(1) {
				runtime.GC()
			}
			return
		}
		for !stop.Load() {
			if !chain(2000) {
				right.Store(false)
			}
		}
	})
	return right.Load()
}

// link is a piece of garbage to be.
type link struct {
	next  *link
	value int
}

// chain allocates a list and reports whether it holds what was put in.
func chain(length int) bool {
	var head *link
	for i := range length {
		head = &link{head, i}
	}
	sum := 0
	for l := head; l != nil; l = l.next {
		sum += l.value
	}
	return sum == length*(length-1)/2
}

// mappings takes and gives back memory on every P: each return drops translations
// that other CPUs may hold.
func mappings(stop *atomic.Bool, n *atomic.Int64) bool {
	const size = 64 << 10
	var right atomic.Bool
	right.Store(true)
	each(runtime.GOMAXPROCS(0), func(i int) {
		for !stop.Load() {
			m, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
			if err != nil {
				right.Store(false)
				return
			}
			for at := 0; at < size; at += 4096 {
				if m[at] != 0 {
					right.Store(false)
				}
				m[at] = byte(i + 1)
			}
			if err := syscall.Munmap(m); err != nil {
				right.Store(false)
			}
			n.Add(1)
		}
	})
	return right.Load()
}
