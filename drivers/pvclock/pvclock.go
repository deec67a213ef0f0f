// Package pvclock is the arithmetic of kvmclock: it turns a time-stamp counter
// into nanoseconds by the numbers in a page that the hypervisor, or the kernel
// itself where there is no kvmclock, keeps (Linux Documentation/virt/kvm/x86/
// msr.rst, MSR_KVM_SYSTEM_TIME_NEW). It also finds a counter's rate with the
// help of the 8254 timer, by numbers given to it.
//
// It is called by nanotime on any stack, so reading must never allocate, block,
// trap, write, or spin: a read that met a writer says so and the caller tries
// again. The package must never choose a clock, execute a port access, or know
// about wall-clock time. Writers of one page are serialized by the caller.
package pvclock

import "github.com/doze-vm/doze/kernel/mmio"

// Offsets in struct pvclock_vcpu_time_info (32 bytes, 4-aligned by KVM's word,
// 8-aligned here).
const (
	InfoVersion   = 0  // u32: odd while it is written
	InfoTimestamp = 8  // u64: counter at SystemTime
	InfoTime      = 16 // u64: nanoseconds
	InfoMul       = 24 // u32: nanoseconds per shifted tick, times 2^32
	InfoShift     = 28 // s8: ticks are shifted left by this, right if negative
	InfoFlags     = 29 // u8
	InfoSize      = 32
)

// Flags in InfoFlags. TSCStable counts only if CPUID has
// KVM_FEATURE_CLOCKSOURCE_STABLE_BIT: the clock is then the same on all vCPUs.
// GuestStopped says that the host paused the vCPU; the guest clears it.
const (
	TSCStable    = 1 << 0
	GuestStopped = 1 << 1
)

const nsPerSecond = 1_000_000_000

// Scale turns ticks into nanoseconds: delta shifted, times mul, over 2^32, with
// the product exact to 96 bits.
//
//go:nosplit
func Scale(delta uint64, mul uint32, shift int8) uint64 {
	if shift >= 0 {
		delta <<= uint8(shift)
	} else {
		delta >>= uint8(-int16(shift))
	}
	// delta = hi*2^32 + lo, so delta*mul/2^32 = hi*mul + lo*mul/2^32.
	return (delta>>32)*uint64(mul) + (delta&0xffffffff)*uint64(mul)>>32
}

// Read is the clock's time now, by one pass of the version protocol. If ok is
// false the page was being written: read again.
//
//go:nosplit
func Read(page uintptr) (ns uint64, ok bool) {
	version := mmio.Load32(page + InfoVersion)
	return finish(page, version, mmio.Rdtsc())
}

// ReadAt is the clock's time at a counter value that was read before, on the
// same vCPU, by one pass of the version protocol.
//
// A counter read before the page was last written belongs to the numbers that
// were there then. If it is below the page's timestamp, the time is that of the
// timestamp, which keeps the clock from stepping back. Read has no such gap.
//
//go:nosplit
func ReadAt(page uintptr, tsc uint64) (ns uint64, ok bool) {
	return finish(page, mmio.Load32(page+InfoVersion), tsc)
}

// finish reads the numbers and looks whether the version is still the same.
//
//go:nosplit
func finish(page uintptr, version uint32, tsc uint64) (ns uint64, ok bool) {
	timestamp := mmio.Load64(page + InfoTimestamp)
	base := mmio.Load64(page + InfoTime)
	rate := mmio.Load64(page + InfoMul) // mul, shift and flags at once
	if version&1 != 0 || mmio.Load32(page+InfoVersion) != version {
		return 0, false
	}
	return base + Scale(since(timestamp, tsc), uint32(rate), int8(rate>>32)), true
}

// since is tsc - timestamp, 0 if tsc is the earlier one.
//
//go:nosplit
func since(timestamp, tsc uint64) uint64 {
	if d := tsc - timestamp; int64(d) >= 0 {
		return d
	}
	return 0
}

// Flags are the page's flags.
//
//go:nosplit
func Flags(page uintptr) uint8 { return mmio.Load8(page + InfoFlags) }

// Write publishes new numbers: from now on the counter value tscTimestamp is
// the time systemTime. It is for a page that no hypervisor writes.
//
//go:nosplit
func Write(page uintptr, tscTimestamp, systemTime uint64, mul uint32, shift int8, flags uint8) {
	// A version left odd by a writer that never came back counts as a pass.
	writing := mmio.Load32(page+InfoVersion) + 1 | 1
	mmio.Store32(page+InfoVersion, writing)
	mmio.Store64(page+InfoTimestamp, tscTimestamp)
	mmio.Store64(page+InfoTime, systemTime)
	mmio.Store64(page+InfoMul, uint64(mul)|uint64(uint8(shift))<<32|uint64(flags)<<40)
	mmio.Store32(page+InfoVersion, writing+1)
}

// Rebase changes the clock's rate at the counter value tsc, without a step: the
// time at tsc stays what it was. It is for a page that no hypervisor writes.
// Read the counter right before, with nothing else reading the clock: a reader
// that came in between used the old rate for a later counter value.
//
//go:nosplit
func Rebase(page uintptr, tsc uint64, mul uint32, shift int8) {
	rate := mmio.Load64(page + InfoMul)
	d := since(mmio.Load64(page+InfoTimestamp), tsc)
	ns := mmio.Load64(page+InfoTime) + Scale(d, uint32(rate), int8(rate>>32))
	Write(page, tsc, ns, mul, shift, uint8(rate>>40))
}
