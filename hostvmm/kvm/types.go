package kvm

import "fmt"

// Regs is struct kvm_regs.
type Regs struct {
	RAX, RBX, RCX, RDX, RSI, RDI, RSP, RBP uint64
	R8, R9, R10, R11, R12, R13, R14, R15   uint64
	RIP, RFLAGS                            uint64
}

// Segment is struct kvm_segment. Limit is in bytes.
type Segment struct {
	Base                                           uint64
	Limit                                          uint32
	Selector                                       uint16
	Type, Present, DPL, DB, S, L, G, AVL, Unusable uint8
	_                                              uint8
}

// Table is struct kvm_dtable.
type Table struct {
	Base  uint64
	Limit uint16
	_     [3]uint16
}

// Sregs is struct kvm_sregs.
type Sregs struct {
	CS, DS, ES, FS, GS, SS, TR, LDT         Segment
	GDT, IDT                                Table
	CR0, CR2, CR3, CR4, CR8, EFER, APICBase uint64
	InterruptBitmap                         [4]uint64
}

// xcrs is struct kvm_xcrs.
type xcrs struct {
	nr   uint32
	_    uint32 // flags
	list [16]xcr
	_    [16]uint64
}

type xcr struct {
	index, _ uint32
	value    uint64
}

// CPUIDEntry is struct kvm_cpuid_entry2.
type CPUIDEntry struct {
	Function, Index, Flags uint32
	EAX, EBX, ECX, EDX     uint32
	_                      [3]uint32
}

// CPUIDIndexed in Flags says that Index matters.
const CPUIDIndexed = 1 << 0

// maxCPUID bounds the lists; KVM itself allows 256.
const maxCPUID = 256

// cpuidList is struct kvm_cpuid2 with room.
type cpuidList struct {
	n, _    uint32
	entries [maxCPUID]CPUIDEntry
}

// SupportedCPUID is what KVM can offer on this host.
func (s *System) SupportedCPUID() ([]CPUIDEntry, error) {
	list := cpuidList{n: maxCPUID}
	if err := ioctlPtr(s.fd, ioGetSupportedCPUID, &list); err != nil {
		return nil, fmt.Errorf("KVM_GET_SUPPORTED_CPUID: %w", err)
	}
	return list.entries[:min(list.n, maxCPUID)], nil
}
