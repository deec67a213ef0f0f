package main

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func threads() (all []probe) {
	add := func(name string, ask func() string) { all = append(all, probe{name, ask}) }
	const wait, wake, private, realtime, bitset, wakeBits = 0, 1, 128, 256, 9, 10
	futex := func(args ...any) string { return call(syscall.SYS_FUTEX, args...) }
	ms := &[2]int64{0, 2e6}
	add("futex wait", func() string {
		w := uint32(5)
		return list(futex(&w, wait, 4, 0), futex(&w, wait|private, 5, ms), futex(&w, wait|private, 6, ms))
	})
	add("futex unaligned", func() string {
		words := make([]byte, 16)
		p := uintptr(unsafe.Pointer(&words[0]))
		return list(futex(p+1, wait|private, 0, ms), futex(p+2, wake|private, 1), futex(p+3, bitset|private, 0, ms, 0, 1), futex(p+1, wakeBits, 1, 0, 0, 1))
	})
	add("futex bits", func() string {
		var w uint32
		past := &[2]int64{0, 1}
		return list(futex(&w, bitset|private, 0, past, 0, 0xffffffff), futex(&w, bitset|private, 0, past, 0, 0), futex(&w, wakeBits|private, 1, 0, 0, 0xffffffff), futex(&w, wakeBits|private, 1, 0, 0, 0), futex(&w, bitset|private|realtime, 0, past, 0, 1), futex(&w, bitset|private, 1, past, 0, 1))
	})
	add("futex clocks", func() string {
		var w uint32
		past := &[2]int64{0, 1}
		return list(futex(&w, wait|private|realtime, 0, ms), futex(&w, wake|private|realtime, 1), futex(&w, bitset|private|realtime, 0, past, 0, 1))
	})
	add("futex wake of nobody", func() string {
		var w uint32
		return list(futex(&w, wake|private, 1), futex(&w, wake|private, 0), futex(&w, wake|private, -1), futex(&w, wake, 1))
	})
	add("futex unknown", func() string {
		var w uint32
		return list(futex(&w, 2, 0), futex(&w, 99, 0), futex(&w, 127, 0))
	})
	sleepers := func(n int, op int, bits ...int) (woken *atomic.Int32, w *uint32, results <-chan string) {
		w = new(uint32)
		woken = new(atomic.Int32)
		c := make(chan string, n)
		for i := range n {
			b := 0xffffffff
			if len(bits) > 0 {
				b = bits[i]
			}
			go func() {
				s := futex(w, op, 0, 0, 0, b)
				woken.Add(1)
				c <- s
			}()
		}
		time.Sleep(nap)
		return woken, w, c
	}
	add("futex wakes as many as asked", func() string {
		_, w, c := sleepers(3, wait|private)
		n := 0
		for n < 3 { // one may not sleep yet
			got, e := raw(syscall.SYS_FUTEX, w, wake|private, 1)
			must(e)
			if n += got; got > 1 {
				return "more than one"
			}
			time.Sleep(time.Millisecond)
		}
		return list(await(c), await(c), await(c))
	})
	add("futex wakes those with the bits", func() string {
		_, w, c := sleepers(2, bitset|private, 1, 2)
		first := futex(w, wakeBits|private, 9, 0, 0, 4)
		for n := 0; n == 0; {
			n, _ = raw(syscall.SYS_FUTEX, w, wakeBits|private, 9, 0, 0, 2)
		}
		a := await(c)
		for n := 0; n == 0; {
			n, _ = raw(syscall.SYS_FUTEX, w, wakeBits|private, 9, 0, 0, 5)
		}
		return list(first, a, await(c))
	})
	add("futex requeue", func() string {
		var w, v uint32
		return list(futex(&w, 3|private, 1, 1, &v), futex(&w, 4|private, 1, 1, &v, 0), futex(&w, 4|private, 1, 1, &v, 5))
	})
	add("yield and ids", func() string {
		return list(call(syscall.SYS_SCHED_YIELD), fmt.Sprint(syscall.Gettid() > 0))
	})
	return all
}
