// Package clock keeps a machine's wall clock: the difference between the host's and
// kvmclock, in the machine page. It must never wake a machine that sleeps, nor cost
// anything while one does.
package clock

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
)

// How often the wall clock is compared. kvmclock runs at the raw rate, the
// host's wall clock at a disciplined one: at most 500 ppm apart (adjtimex).
const (
	wallFresh = time.Second // before an entry
	wallMoved = 20 * time.Microsecond
)

// Check is how often the clocks are compared while the guest runs without an exit.
const Check = 10 * time.Second

// Wall keeps the difference between wall clock and kvmclock in the machine page,
// by a sequence count that is odd while it changes. It costs nothing while the
// machine sleeps.
type Wall struct {
	vm     *kvm.VM
	asleep func() bool
	rested func() // nil: nobody wants to know
	seq    *atomic.Uint32
	value  *atomic.Int64

	mu      sync.Mutex
	checked time.Time
	written bool
	armed   bool
	stopped bool
	timer   *time.Timer
}

// New keeps the wall clock of a machine with that memory. asleep reports whether the
// machine sleeps.
func New(mem []byte, vm *kvm.VM, asleep func() bool) *Wall {
	page := unsafe.Pointer(&mem[abi.MachinePage])
	return &Wall{
		vm:     vm,
		asleep: asleep,
		seq:    (*atomic.Uint32)(unsafe.Add(page, abi.MachineWallSeq)),
		value:  (*atomic.Int64)(unsafe.Add(page, abi.MachineWall)),
	}
}

// OnRest has f called each time before the machine sleeps for long. It is set before the
// machine runs.
func (w *Wall) OnRest(f func()) { w.rested = f }

// Enter is called before the guest runs.
func (w *Wall) Enter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refresh()
	if w.armed || w.stopped {
		return
	}
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(Check, w.tick)
	} else {
		w.timer.Reset(Check)
	}
}

// tick looks after a guest that runs without an exit. While the machine sleeps
// there is no next tick: Enter sees to it.
func (w *Wall) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	if w.stopped || w.asleep() {
		return
	}
	w.refresh()
	w.armed = true
	w.timer.Reset(Check)
}

// Rest is called before the machine sleeps for so long that a tick would only
// find it asleep.
func (w *Wall) Rest() {
	if w.rested != nil {
		w.rested()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed && w.timer.Stop() {
		w.armed = false
	}
}

// Stop ends the ticks.
func (w *Wall) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// refresh compares and writes if the difference has moved. The lock is held.
func (w *Wall) refresh() {
	now := time.Now()
	if w.written && now.Sub(w.checked) < wallFresh {
		return
	}
	offset, precision, err := difference(w.vm)
	if err != nil {
		return // the guest goes on with the old value
	}
	w.checked = now
	if old := w.value.Load(); w.written && max(offset-old, old-offset) <= int64(max(precision, wallMoved)) {
		return
	}
	w.written = true
	seq := w.seq.Load() | 1
	w.seq.Store(seq)
	w.value.Store(offset)
	w.seq.Store(max(seq+1, 2)) // 0 would mean that nobody keeps it
}

// difference is wall clock minus kvmclock in ns, and how exact that is. A KVM
// that can't read both at once is asked between two readings of the wall clock.
func difference(vm *kvm.VM) (offset int64, precision time.Duration, err error) {
	before := time.Now()
	c, err := vm.Clock()
	if err != nil {
		return 0, 0, err
	}
	if c.Flags&kvm.ClockRealtime != 0 {
		return int64(c.Realtime - c.Clock), 0, nil
	}
	took := time.Since(before)
	return before.Add(took/2).UnixNano() - int64(c.Clock), took, nil
}
