package hostvmm

import (
	"encoding/binary"

	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
)

// features are what hostvmm offers to a machine.
const features = abi.FeatPark | abi.FeatWall | abi.FeatZeroRAM | abi.FeatStart | abi.FeatControl | abi.FeatGrow |
	abi.FeatYield

// writeMachinePage writes what the guest must know of its vCPUs into the machine
// page (docs/nucleus.md 2). cpuid is what SetCPUID gives the first vCPU: KVM keeps
// to it in ring 0, but may let ring 3 see the outer machine's.
func writeMachinePage(mem []byte, cpuid []kvm.CPUIDEntry) {
	page := mem[abi.MachinePage:]
	put := func(offset int, v uint32) { binary.LittleEndian.PutUint32(page[offset:], v) }
	put(abi.MachineFeatures, features)
	put(abi.MachineKVM, kvmFeatures(cpuid))
	put(abi.MachineCPU, findLeaf(cpuid, leafFeatures).ECX)
	put(abi.MachineVectors, vectorSize(cpuid))
	put(abi.MachineAPICID, 0)
}

// findLeaf returns the first entry of a leaf, all zero without one.
func findLeaf(cpuid []kvm.CPUIDEntry, leaf uint32) kvm.CPUIDEntry {
	for _, e := range cpuid {
		if e.Function == leaf {
			return e
		}
	}
	return kvm.CPUIDEntry{}
}

// kvmFeatures returns KVM's feature bits (abi.KVMClock and others).
func kvmFeatures(cpuid []kvm.CPUIDEntry) uint32 { return findLeaf(cpuid, abi.CPUIDKVM+1).EAX }

// vectorSize returns the bytes that XSAVE may write for the components in
// abi.XCR0Mask, in the standard format (Intel SDM 1, 13.4): the end of the one that
// ends last.
func vectorSize(cpuid []kvm.CPUIDEntry) uint32 {
	const legacy, firstExtended = 512 + 64, 2 // FXSAVE's area and the header
	size := uint32(legacy)
	for _, e := range cpuid {
		if e.Function == leafXSAVE && e.Index >= firstExtended && e.Index < 32 && abi.XCR0Mask>>e.Index&1 != 0 {
			size = max(size, e.EBX+e.EAX)
		}
	}
	return size
}
