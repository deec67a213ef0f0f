package hostvmm

import (
	"slices"

	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
)

// CPUID leaves that are changed (Intel SDM 2A, CPUID; AMD APM 3, E.3).
const (
	leafFeatures  = 0x1
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

// withAPICID is the list for the vCPU of that APIC id.
func withAPICID(entries []kvm.CPUIDEntry, id uint32) []kvm.CPUIDEntry {
	out := slices.Clone(entries)
	for i := range out {
		switch e := &out[i]; e.Function {
		case leafFeatures:
			e.EBX = e.EBX&0x00ffffff | id<<24
		case leafTopology, leafTopology2:
			e.EDX = id
		}
	}
	return out
}

// guestCPUID is what the guest's CPUID says: what KVM supports, without nested
// virtualization and the extended state that the guest does not save, with the
// TSC-deadline timer where KVM emulates it (it does not list it), and our own leaf.
// The leaves of KVM itself stay as they are.
func guestCPUID(supported []kvm.CPUIDEntry, deadline bool) []kvm.CPUIDEntry {
	out := make([]kvm.CPUIDEntry, 0, len(supported)+2)
	for _, e := range supported {
		switch e.Function {
		case leafFeatures:
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

// guestXCR0 is the extended state that host and guest both know (docs/nucleus.md
// 2).
func guestXCR0(supported []kvm.CPUIDEntry) uint64 {
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
