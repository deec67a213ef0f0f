package hostvmm

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/drivers/pvclock"
	"github.com/doze-vm/doze/hostvmm/thread"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// account is what the host gave to one vCPU, over all threads that ran it, and the
// steal area in its page.
//
// KVM adds to the area what the thread that runs the vCPU waited for a CPU since
// KVM last looked, and takes every thread for the same one: a vCPU that changes
// threads would get the difference of two threads' lives. So enter corrects the
// area by what does not belong to this vCPU, while it is not in KVM_RUN
// (docs/time.md).
type account struct {
	steal []byte // struct kvm_steal_time, nil where KVM does not offer it
	born  time.Time

	mu      sync.Mutex
	tid     int    // thread that is the vCPU's now, 0 = none
	cpu     uint64 // of that thread when it became so, ns
	delay   uint64
	left    uint64 // run delay of the last thread when it was given up
	ran     uint64 // by threads before this one
	stolen  uint64
	unknown bool // the host does not tell
}

// newAccount is for vCPU n of a machine.
func newAccount(m *Machine, n uint64) *account {
	a := &account{born: time.Now()}
	if kvmFeatures(m.host.cpuid)&abi.KVMSteal != 0 {
		at := abi.VCPUPage0 + n*abi.PageSize + abi.VCPUSteal
		a.steal = m.mem[at : at+pvclock.StealSize]
	}
	return a
}

// enter makes the calling thread, which is locked, the vCPU's.
func (a *account) enter() {
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

// leave gives the thread up.
func (a *account) leave() {
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
func (a *account) now() (cpu, delay uint64) {
	cpu, err := thread.CPU(a.tid)
	if err != nil {
		cpu = a.cpu
	}
	if delay, err = thread.Delay(a.tid); err != nil {
		delay = a.delay
	}
	return max(cpu, a.cpu), max(delay, a.delay)
}

// withheld books time in which the vCPU wanted to run and we did not let it: a
// pause. It must not be in KVM_RUN.
func (a *account) withheld(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stolen += uint64(d)
	a.book(uint64(d))
}

// book adds to the steal area, modulo 2^64: the guest reads differences.
func (a *account) book(ns uint64) {
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

// times are those of the vCPU so far, but for its state.
func (a *account) times() vm.CPU {
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
