package main

import (
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// returned is how many bytes of heap the process has given back.
func returned() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

var sink []byte

func litter(n int) {
	for ; n > 0; n -= 1 << 20 {
		sink = make([]byte, 1<<20)
	}
	sink = nil
}

// What a machine's process allocated goes back to the host when the machine sleeps, or
// when somebody asked for what it was allocated for.
func TestGarbageIsCollectedAtRest(t *testing.T) {
	for name, c := range map[string]struct {
		asleep, asked bool
		garbage       int
		want          bool
	}{
		"asleep":             {true, false, 2 * garbage, true},
		"busy":               {false, false, 2 * garbage, false},
		"busy, but answered": {false, true, 2 * garbage, true},
		"too little":         {true, true, 0, false},
	} {
		var asleep atomic.Bool
		asleep.Store(c.asleep)
		w := newCollector()
		w.asleep = asleep.Load
		before := w.last
		litter(c.garbage)
		if c.asked {
			w.answered()
		} else {
			w.afterWork(false)
		}
		if c.garbage == 0 {
			assert.False(t, w.armed, "%s: no timer for nothing", name)
		}
		collected := func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.last != before
		}
		if c.want {
			require.Eventually(t, collected, time.Minute, time.Millisecond, name)
			assert.NotZero(t, returned(), name)
			continue
		}
		if c.garbage > 0 { // it comes back at the next rest
			require.Eventually(t, func() bool { w.mu.Lock(); defer w.mu.Unlock(); return !w.armed }, time.Minute, time.Millisecond)
			asleep.Store(true)
			w.afterWork(false)
			require.Eventually(t, collected, time.Minute, time.Millisecond, name)
			continue
		}
		assert.False(t, collected(), name)
	}
}

// A rest without garbage arms no timer and makes no garbage.
func TestRestsAreCheap(t *testing.T) {
	w := newCollector()
	assert.Zero(t, testing.AllocsPerRun(100, func() { w.afterWork(false) }))
	assert.False(t, w.armed)
	litter(2 * garbage)
	w.stop()
	w.afterWork(false)
	assert.Nil(t, w.timer, "the machine has ended")
}

// BenchmarkRest is what a rest costs.
func BenchmarkRest(b *testing.B) {
	w := newCollector()
	for b.Loop() {
		w.afterWork(false)
	}
}
