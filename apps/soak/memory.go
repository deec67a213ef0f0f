package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// maps agree with a slice that holds the same.
func maps(r *rand.Rand) error {
	const keys = 500
	m := map[string]int{}
	shadow := make([]int, keys)
	for range 2000 {
		k := r.IntN(keys)
		if r.IntN(3) == 0 {
			delete(m, strconv.Itoa(k))
			shadow[k] = 0
		} else {
			shadow[k] = 1 + r.IntN(1000)
			m[strconv.Itoa(k)] = shadow[k]
		}
	}
	for k, want := range shadow {
		if got := m[strconv.Itoa(k)]; got != want {
			return fmt.Errorf("key %d holds %d instead of %d", k, got, want)
		}
	}
	for k, got := range m {
		if i, err := strconv.Atoi(k); err != nil || shadow[i] != got {
			return fmt.Errorf("key %q holds %d when ranged over: %v", k, got, err)
		}
	}
	return nil
}

// blocks of many sizes are zero when they come and keep what is written.
func blocks(r *rand.Rand) error {
	const limit = 1 << 20
	held := make([][]byte, 1+r.IntN(8))
	for i := range held {
		held[i] = make([]byte, 1+r.IntN(limit>>r.IntN(16)))
		if n := len(held[i]); bytes.Count(held[i], []byte{0}) != n {
			return fmt.Errorf("a fresh block of %d bytes is not zero", n)
		}
		for j := range held[i] {
			held[i][j] = byte(i + j*7)
		}
	}
	runtime.Gosched()
	for i, b := range held {
		for j, v := range b {
			if v != byte(i+j*7) {
				return fmt.Errorf("byte %d of %d is %#x, was written as %#x", j, len(b), v, byte(i+j*7))
			}
		}
	}
	return nil
}

// collections of the whole heap, and all that is free given back.
func collections(r *rand.Rand) error {
	if r.IntN(2) == 0 {
		runtime.GC()
	} else {
		debug.FreeOSMemory()
	}
	time.Sleep(10 * short(r))
	return nil
}
