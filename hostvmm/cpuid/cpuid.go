// Package cpuid makes what a guest's CPUID says of what KVM supports, and reads such
// lists. It must never ask the CPU itself: KVM's answer is what a guest can have.
package cpuid

import (
	"slices"

	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
)

// CPUID leaves that are changed (Intel SDM 2A, CPUID; AMD APM 3, E.3).
const (
	LeafFeatures  = 0x1
	leafExtended  = 0x7
	leafTopology  = 0xb
	leafXSAVE     = 0xd
	leafTopology2 = 0x1f
	leafAMD       = 0x80000001

	ecxMonitor = 1 << 3
	ecxVMX     = 1 << 5
	ecxSVM     = 1 << 2
	edxAMX     = 1<<22 | 1<<24 | 1<<25
	ecxCETSS   = 1 << 7
	edxCETIBT  = 1 << 20

	hypervisorRange = 0x100 // leaves from 0x40000000 come in ranges of this size
)

// WithAPICID is the list for the vCPU of that APIC id.
func WithAPICID(entries []kvm.CPUIDEntry, id uint32) []kvm.CPUIDEntry {
	out := slices.Clone(entries)
	for i := range out {
		switch e := &out[i]; e.Function {
		case LeafFeatures:
			e.EBX = e.EBX&0x00ffffff | id<<24
		case leafTopology, leafTopology2:
			e.EDX = id
		}
	}
	return out
}

// Guest is what the guest's CPUID says: what KVM supports, without nested
// virtualization and the extended state that the guest does not save, with the
// TSC-deadline timer where KVM emulates it (it does not list it), and our own leaf.
// The leaves of KVM itself stay as they are.
func Guest(supported []kvm.CPUIDEntry, deadline bool) []kvm.CPUIDEntry {
	out := make([]kvm.CPUIDEntry, 0, len(supported)+2)
	for _, e := range supported {
		switch e.Function {
		case LeafFeatures:
			e.ECX = e.ECX&^(ecxMonitor|ecxVMX|abi.CPUTSCDeadline) | abi.CPUHypervisor
			if deadline {
				e.ECX |= abi.CPUTSCDeadline
			}
			e.EBX &= 0x0000ffff // APIC id 0, one logical CPU
		case leafExtended:
			if e.Index == 0 {
				e.ECX &^= ecxCETSS
				e.EDX &^= edxAMX | edxCETIBT
			}
		case leafTopology, leafTopology2:
			e.EDX = 0 // x2APIC id
		case leafAMD:
			e.ECX &^= ecxSVM
		}
		if e.Function&^(hypervisorRange-1) == abi.CPUIDDoze {
			continue
		}
		out = append(out, e)
	}
	return append(out, kvm.CPUIDEntry{Function: abi.CPUIDDoze, EAX: abi.CPUIDDoze,
		EBX: abi.CPUIDSignature, ECX: abi.CPUIDSignature, EDX: abi.CPUIDSignature})
}

// State components of XCR0 (Intel SDM 1, 13.3).
const (
	xcr0X87  = 1 << 0
	xcr0AVX  = 1 << 2
	xcr0AVX3 = 7 << 5 // opmask and the two halves of ZMM: all or none
)

// XCR0 is the extended state that host and guest both know (docs/nucleus.md
// 2).
func XCR0(supported []kvm.CPUIDEntry) uint64 {
	for _, e := range supported {
		if e.Function == leafXSAVE && e.Index == 0 {
			x := uint64(e.EAX) & abi.XCR0Mask
			if x&xcr0AVX3 != xcr0AVX3 || x&xcr0AVX == 0 {
				x &^= xcr0AVX3
			}
			return x | xcr0X87
		}
	}
	return xcr0X87
}

// Leaf returns the first entry of a leaf, all zero without one.
func Leaf(cpuid []kvm.CPUIDEntry, leaf uint32) kvm.CPUIDEntry {
	for _, e := range cpuid {
		if e.Function == leaf {
			return e
		}
	}
	return kvm.CPUIDEntry{}
}

// KVMFeatures returns KVM's feature bits (abi.KVMClock and others).
func KVMFeatures(cpuid []kvm.CPUIDEntry) uint32 { return Leaf(cpuid, abi.CPUIDKVM+1).EAX }

// VectorSize returns the bytes that XSAVE may write for the components in
// abi.XCR0Mask, in the standard format (Intel SDM 1, 13.4): the end of the one that
// ends last.
func VectorSize(cpuid []kvm.CPUIDEntry) uint32 {
	const legacy, firstExtended = 512 + 64, 2 // FXSAVE's area and the header
	size := uint32(legacy)
	for _, e := range cpuid {
		if e.Function == leafXSAVE && e.Index >= firstExtended && e.Index < 32 && abi.XCR0Mask>>e.Index&1 != 0 {
			size = max(size, e.EBX+e.EAX)
		}
	}
	return size
}
