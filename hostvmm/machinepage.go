package hostvmm

import (
	"encoding/binary"

	"github.com/doze-vm/doze/hostvmm/cpuid"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
)

// features are what hostvmm offers to a machine.
const features = abi.FeatPark | abi.FeatWall | abi.FeatZeroRAM | abi.FeatStart | abi.FeatControl | abi.FeatGrow |
	abi.FeatYield

// writeMachinePage writes what the guest must know of its vCPUs into the machine
// page (docs/nucleus.md 2). list is what SetCPUID gives the first vCPU: KVM keeps
// to it in ring 0, but may let ring 3 see the outer machine's.
func writeMachinePage(mem []byte, list []kvm.CPUIDEntry) {
	page := mem[abi.MachinePage:]
	put := func(offset int, v uint32) { binary.LittleEndian.PutUint32(page[offset:], v) }
	put(abi.MachineFeatures, features)
	put(abi.MachineKVM, cpuid.KVMFeatures(list))
	put(abi.MachineCPU, cpuid.Leaf(list, cpuid.LeafFeatures).ECX)
	put(abi.MachineVectors, cpuid.VectorSize(list))
	put(abi.MachineAPICID, 0)
}
