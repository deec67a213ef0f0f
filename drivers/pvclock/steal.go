package pvclock

import "github.com/doze-vm/doze/kernel/mmio"

// Offsets in struct kvm_steal_time (64 bytes, 64-aligned; Linux
// Documentation/virt/kvm/x86/msr.rst, MSR_KVM_STEAL_TIME).
const (
	StealTime      = 0  // u64: nanoseconds
	StealVersion   = 8  // u32: odd while it is written
	StealPreempted = 16 // u8: not 0 while the vCPU has no physical CPU
	StealSize      = 64
)

// Steal is how long a vCPU was ready to run without a physical CPU, in
// nanoseconds from a start that means nothing, by one pass of the version
// protocol. If ok is false the area was being written: read again. What the
// vCPU waits for right now is not in it: the host adds that when it goes on.
//
//go:nosplit
func Steal(area uintptr) (ns uint64, ok bool) {
	version := mmio.Load32(area + StealVersion)
	ns = mmio.Load64(area + StealTime)
	return ns, version&1 == 0 && mmio.Load32(area+StealVersion) == version
}

// Preempted reports whether the host has taken the physical CPU from the vCPU, or
// the vCPU halts (KVM_VCPU_PREEMPTED, set when the vCPU leaves its CPU and cleared
// before it enters again). Where KVM says nothing it reports false.
//
//go:nosplit
func Preempted(area uintptr) bool { return mmio.Load8(area+StealPreempted)&1 != 0 }

// Spent divides the time that passed for a vCPU, ns, into what it had a physical
// CPU and what was stolen: stolen is what the host has booked and nobody has
// accounted yet. The host may book a wait late, or one that began earlier; what
// does not fit into the time that passed stays for the next time.
func Spent(ns, stolen int64) (had, steal int64) {
	steal = min(max(stolen, 0), max(ns, 0))
	return ns - steal, steal
}
