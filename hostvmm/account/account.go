// Package account counts what the host gave to a vCPU, and what it kept from it: CPU time and
// stolen time, over all threads that ran the vCPU (docs/time.md). It must never be called while
// the vCPU is in KVM_RUN, but for Times.
package account

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/drivers/pvclock"
	"github.com/doze-vm/doze/hostvmm/thread"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// VCPU is what the host gave to one vCPU, over all threads that ran it, and the
// steal area in its page.
//
// KVM adds to the area what the thread that runs the vCPU waited for a CPU since
// KVM last looked, and takes every thread for the same one: a vCPU that changes
// threads would get the difference of two threads' lives. So Enter corrects the
// area by what does not belong to this vCPU, while it is not in KVM_RUN
// (docs/time.md).
type VCPU struct {
	steal []byte // struct kvm_steal_time, nil where KVM does not offer it

	mu      sync.Mutex
	tid     int    // thread that is the vCPU's now, 0 = none
	cpu     uint64 // of that thread when it became so, ns
	delay   uint64
	left    uint64 // run delay of the last thread when it was given up
	ran     uint64 // by threads before this one
	stolen  uint64
	unknown bool // the host does not tell
}

// New is the account of a new vCPU. steal is the struct kvm_steal_time in the vCPU's page, nil
// where KVM does not offer it.
func New(steal []byte) *VCPU { return &VCPU{steal: steal} }

// Enter makes the calling thread, which is locked, the vCPU's.
func (a *VCPU) Enter() {
	a.mu.Lock()
	defer a.mu.Unlock()
	tid := unix.Gettid()
	delay, err := thread.Delay(tid)
	if err != nil {
		a.unknown = true
		return
	}
	a.tid, a.delay = tid, delay
	a.cpu, _ = thread.CPU(tid) // of a thread that runs
	a.book(a.left - delay)
}

// Leave gives the thread up.
func (a *VCPU) Leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tid == 0 {
		return
	}
	cpu, delay := a.now()
	a.ran += cpu - a.cpu
	a.stolen += delay - a.delay
	a.tid, a.left = 0, delay
}

// now is what the current thread has.
func (a *VCPU) now() (cpu, delay uint64) {
	cpu, err := thread.CPU(a.tid)
	if err != nil {
		cpu = a.cpu
	}
	if delay, err = thread.Delay(a.tid); err != nil {
		delay = a.delay
	}
	return max(cpu, a.cpu), max(delay, a.delay)
}

// Withheld books time in which the vCPU wanted to run and we did not let it: a
// pause. It must not be in KVM_RUN.
func (a *VCPU) Withheld(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stolen += uint64(d)
	a.book(uint64(d))
}

// book adds to the steal area, modulo 2^64: the guest reads differences.
func (a *VCPU) book(ns uint64) {
	if a.steal == nil || ns == 0 {
		return
	}
	area := unsafe.Pointer(unsafe.SliceData(a.steal))
	version := (*atomic.Uint32)(unsafe.Add(area, pvclock.StealVersion))
	odd := version.Load() | 1
	version.Store(odd)
	(*atomic.Uint64)(unsafe.Add(area, pvclock.StealTime)).Add(ns)
	version.Store(odd + 1)
}

// Times are those of the vCPU so far, but for its state.
func (a *VCPU) Times() vm.CPU {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := vm.CPU{Run: a.ran, Steal: a.stolen}
	if a.tid != 0 {
		cpu, delay := a.now()
		c.Run += cpu - a.cpu
		c.Steal += delay - a.delay
	}
	return c
}
