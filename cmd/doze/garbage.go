package main

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/doze-vm/doze/hostvmm"
)

// The process that runs a machine does not collect garbage by itself: Go would force a
// collection every two minutes, which wakes the host for a machine that sleeps. What the
// VMM allocates would stay its resident memory. So garbage is collected, and memory given
// back, when the machine has gone to sleep for long and there is some.
const (
	// heapLimit is what the command may allocate before it collects all the same.
	heapLimit = 64 << 20
	// garbage is how much must have been allocated since the last time.
	garbage = 2 << 20
	// collectDelay is how long the machine must sleep: one that is about to go on
	// shall not wait for it.
	collectDelay = time.Second
)

// collector decides when. Any goroutine may call its methods.
type collector struct {
	asleep func() bool

	mu     sync.Mutex
	timer  *time.Timer
	armed  bool
	figure [1]metrics.Sample
	last   uint64 // bytes allocated by the last collection
	asked  bool   // somebody outside had the VMM work, and will again
}

func newCollector() *collector {
	c := &collector{asleep: func() bool { return false }, figure: [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}}
	c.last = c.allocated()
	return c
}

// noCollections has Go collect only when the limit is reached.
func noCollections() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heapLimit)
}

// attach collects for a machine until it has ended.
func (c *collector) attach(m *hostvmm.Machine) (detach func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asleep = m.Parked
	m.OnRest(func() { c.afterWork(false) })
	return c.stop
}

// answered is called when the API has answered a request: whether the machine sleeps
// does not matter then.
func (c *collector) answered() { c.afterWork(true) }

// afterWork is called when something was done that may have left garbage. To look costs
// less than a hundredth of a park; a timer that finds nothing to do would wake the host.
func (c *collector) afterWork(asked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = c.asked || asked
	if c.armed || c.allocated()-c.last < garbage {
		return
	}
	c.armed = true
	if c.timer == nil {
		c.timer = time.AfterFunc(collectDelay, c.collect)
	} else {
		c.timer.Reset(collectDelay)
	}
}

// collect collects if there is enough and the machine still sleeps, or somebody asked.
// A machine that does not sleep comes back when it does.
func (c *collector) collect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = false
	if c.allocated()-c.last < garbage || !c.asked && !c.asleep() {
		return
	}
	c.asked = false
	debug.FreeOSMemory()
	c.last = c.allocated()
}

func (c *collector) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = true // for ever
	if c.timer != nil {
		c.timer.Stop()
	}
}

// allocated is how many bytes of heap the process has allocated so far. To ask allocates
// nothing. The lock is held.
func (c *collector) allocated() uint64 {
	metrics.Read(c.figure[:])
	return c.figure[0].Value.Uint64()
}
