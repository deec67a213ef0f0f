// Package probe is a small guest, the nucleus and a program in ring 3, that looks what of
// KVM's reaches a guest. The package writes the guest and reads what it left; package
// hostvmm runs it. It must never believe a promise of KVM's that can be tried.
package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/doze-vm/doze/drivers/pvclock"
	"github.com/doze-vm/doze/hostvmm/cpuid"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
	"github.com/doze-vm/doze/kernel/boot"
)

// Facts are what reaches a guest's ring 3 on this KVM.
type Facts struct {
	CPUID       bool // CPUID in ring 3 answers as hostvmm says; else for the outer machine
	Clock       bool // kvmclock
	StableClock bool // which is the same on all vCPUs
	Steal       bool // stolen time
	Deadline    bool // timer with a TSC deadline
}

// The probe's guest-physical layout, in the free RAM below the image.
const (
	probeCode    = abi.LowEnd
	probeFault   = probeCode + 0x800 // where an exception in ring 3 goes
	probeResults = abi.LowEnd + abi.PageSize
	probeStack   = probeResults + abi.PageSize

	// u32 each, in the page at probeResults.
	probeSignature = 0x00 // EBX of leaf CPUIDDoze, as ring 3 sees it
	probeFSBase    = 0x04 // 1: RDFSBASE runs in ring 3
	probeClock     = 0x08 // the nucleus's answer to kvmclock's MSR
	probeSteal     = 0x0c // to steal time's
	probeFaulted   = 0x10 // 1: an exception ended the probe
)

// Write writes the nucleus, page tables and the ring-3 program into mem, RAM
// from guest-physical 0. features are KVM's: the program asks for what they offer.
func Write(mem []byte, features uint32) {
	le := binary.LittleEndian
	copy(mem[abi.BlobBase:], boot.Blob)

	// One block of everything, and the LAPIC's for a CPU without x2APIC.
	const pdpt, pd, pdTop = abi.TablesBase + 0x1000, abi.TablesBase + 0x2000, abi.TablesBase + 0x3000
	const table = abi.PtePresent | abi.PteWrite | abi.PteUser | abi.PteAccessed | abi.PteDirty
	for at, entry := range map[int]uint64{
		abi.TablesBase: pdpt | table,
		pdpt:           pd | table,
		pdpt + 3*8:     pdTop | table,
		pd:             abi.PteHuge | table,
		pdTop + abi.LAPICBase>>21%512*8: abi.LAPICBase | abi.PteHuge | abi.PtePCD | abi.PtePWT |
			table&^abi.PteUser,
	} {
		le.PutUint64(mem[at:], entry)
	}

	le.PutUint64(mem[abi.MachinePage+abi.MachineMagic:], abi.Magic)
	le.PutUint32(mem[abi.MachinePage+abi.MachineVersion:], abi.Version)
	le.PutUint64(mem[abi.MachinePage+abi.MachineEntry:], probeCode)
	le.PutUint64(mem[abi.VCPUPage0+abi.VCPUEntry:], probeFault)
	le.PutUint64(mem[abi.VCPUPage0+abi.VCPUStackHi:], probeStack)

	copy(mem[probeCode:], probeProgram(features))
	copy(mem[probeFault:], join(storeImm(probeResults+probeFaulted, 1), leave()))
}

// probeProgram is the ring-3 program (Intel SDM 2): it tries what the kernel relies
// on and stores what it sees.
func probeProgram(features uint32) []byte {
	rdfsbase := []byte{0xf3, 0x48, 0x0f, 0xae, 0xc0} // to RAX
	askCPUID := []byte{0x0f, 0xa2}
	storeEBX := imm32([]byte{0x89, 0x1c, 0x25}, probeResults+probeSignature)
	code := join(imm32([]byte{0xbc}, probeStack), // MOV ESP
		imm32([]byte{0xb8}, abi.CPUIDDoze), askCPUID, storeEBX,
		rdfsbase, storeImm(probeResults+probeFSBase, 1))
	if features&abi.KVMClock != 0 {
		code = join(code, gateWrmsr(abi.MSRKVMClock, abi.VCPUPage0+abi.VCPUClock|1, probeResults+probeClock))
	}
	if features&abi.KVMSteal != 0 {
		code = join(code, gateWrmsr(abi.MSRKVMSteal, abi.VCPUPage0+abi.VCPUSteal|1, probeResults+probeSteal))
	}
	return join(code, leave())
}

// gateWrmsr asks the nucleus to write an MSR, and stores its answer at result.
func gateWrmsr(msr, value, result uint32) []byte {
	return join(imm32([]byte{0xbf}, msr), imm32([]byte{0xbe}, value), // MOV EDI; MOV ESI
		imm32([]byte{0xb8}, abi.ReqWrmsr), imm32([]byte{0xb9}, abi.Gate), []byte{0xff, 0xd1}, // MOV EAX; MOV ECX; CALL RCX
		imm32([]byte{0x89, 0x04, 0x25}, result)) // MOV [result], EAX
}

// storeImm stores 32 bits at an address below 2 GiB.
func storeImm(addr, v uint32) []byte { return imm32(imm32([]byte{0xc7, 0x04, 0x25}, addr), v) }

// leave ends the guest.
func leave() []byte { return join(imm32([]byte{0xba}, abi.PortExit), []byte{0xee}) } // MOV EDX; OUT DX, AL

func imm32(code []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(code, v) }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Read reads what the guest left. An error says what a machine can't do
// without, or what KVM promised and did not keep.
func Read(mem []byte, list []kvm.CPUIDEntry) (g Facts, err error) {
	le := binary.LittleEndian
	result := func(at int) uint32 { return le.Uint32(mem[probeResults+at:]) }
	page := mem[abi.VCPUPage0:]
	switch {
	case result(probeFaulted) != 0 && result(probeFSBase) == 0:
		return g, errors.New("ring 3 can't use RDFSBASE")
	case result(probeFaulted) != 0:
		return g, fmt.Errorf("exception %d in ring 3 at %#x", le.Uint64(page[abi.UpVector:]), le.Uint64(page[abi.UpRIP:]))
	case result(probeClock) != 0 || result(probeSteal) != 0:
		return g, errors.New("the nucleus refused an MSR of KVM's")
	}
	offered := cpuid.KVMFeatures(list)
	g.CPUID = result(probeSignature) == abi.CPUIDSignature
	g.Clock = le.Uint32(page[abi.VCPUClock+pvclock.InfoMul:]) != 0
	g.StableClock = g.Clock && offered&abi.KVMTSCStable != 0 && page[abi.VCPUClock+pvclock.InfoFlags]&pvclock.TSCStable != 0
	g.Steal = offered&abi.KVMSteal != 0
	g.Deadline = cpuid.Leaf(list, cpuid.LeafFeatures).ECX&abi.CPUTSCDeadline != 0
	if offered&abi.KVMClock != 0 && !g.Clock {
		return g, errors.New("KVM promises kvmclock and does not keep it")
	}
	return g, nil
}
