// Package abi is the contract between the three parties of a Doze machine: the
// nucleus (ring 0, kernel/boot), the kernel (ring 3, compiled into package
// runtime of the derived GOROOT) and the VMM (hostvmm, or QEMU with the helpers
// of cmd/doze).
//
// It holds numbers and nothing else: addresses, offsets, request numbers, ports,
// MSRs. It imports nothing, so that all three may use it, and it must never hold
// code that runs. The assembly includes kernel/boot/asm/abi.inc, which is generated
// from these constants; a test compares the two. docs/nucleus.md explains every
// value here.
package abi

// Version is the version of this contract. The image carries it in its note and
// in its machine page; a VMM refuses an image of another version.
const Version = 2

// PageSize and HugePageSize are the two page sizes in use, in bytes
// (Intel SDM 3A, 4.5). 1 GiB pages are not used: not every KVM offers them.
const (
	PageSize     = 0x1000
	HugePageSize = 0x200000
)

// Guest-physical layout below the program. Everything here is identity-mapped:
// the virtual address equals the guest-physical one. docs/nucleus.md has the
// picture.
const (
	BlobBase     = 0x100000 // boot text, ring 0, read and execute
	NucleusText  = 0x101000 // trap entries and the gate's server, ring 0, read and execute
	IDTBase      = 0x102000 // 256 gates, ring 0, read only
	GatePage     = 0x103000 // the gate, ring 3, read and execute
	BlobEnd      = 0x104000 // end of the bytes that the blob holds
	MachinePage  = 0x104000 // facts about the machine, ring 3, read and write
	TablesBase   = 0x105000 // page tables made by the image builder; the first is the PML4
	TablesLimit  = 0x120000 // they end below this
	NucleusVCPU0 = 0x120000 // one ring-0 page per vCPU: GDT, TSS, I/O bitmap, stack
	VCPUPage0    = 0x160000 // one ring-3 page per vCPU, shared with nucleus and VMM
	LowEnd       = 0x1a0000 // RAM from here to the image is free
	MaxVCPUs     = 64
	ImageBase    = 0x400000 // lowest address of the Go program
)

// Entries of the blob, as offsets from BlobBase. EntryPVH is what the Xen note
// names (32-bit protected mode, PVH). Entry64 expects 64-bit mode with CR3 =
// TablesBase, the control registers of docs/nucleus.md 2 and RBX = physical
// address of the hvm_start_info.
const (
	EntryPVH = 0x00
	Entry64  = 0x10
	EntryAP  = 0x20 // as Entry64, for a further vCPU: RDI = its number
)

// Control registers at Entry64 and EntryAP (Intel SDM 3A, 2.2.1 and 2.5). The 32-bit entry
// sets them too, EFER without LMA: that bit follows paging.
const (
	EntryCR0  = 0x80050033 // PG AM WP NE ET MP PE
	EntryCR4  = 0x50620    // PAE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE
	EntryEFER = 0xd00      // LME LMA NXE; SCE stays 0
	EFERLMA   = 0x400
)

// struct hvm_start_info, version 1, and an entry of its memory map
// (xen/include/public/arch-x86/hvm/start_info.h). A VMM puts all of it below StartLimit.
const (
	StartMagic       = 0x336ec578 // u32 at 0
	StartVersion     = 0x04       // u32: 1 or more
	StartCmdline     = 0x18       // u64: address, a zero at the end
	StartRSDP        = 0x20       // u64: ACPI's root pointer, 0 if there is none
	StartMemmap      = 0x28       // u64: address of the entries
	StartMemmapCount = 0x30       // u32
	StartSize        = 0x38

	MemmapAddr  = 0x00 // u64
	MemmapBytes = 0x08 // u64
	MemmapType  = 0x10 // u32
	MemmapRAM   = 1    // a type: RAM
	MemmapSize  = 0x18

	StartLimit = 0x100000
)

// APTrampoline is the page below 1 MiB at which a further vCPU starts in real
// mode after a SIPI, where the VMM does not start it at EntryAP.
const APTrampoline = 0x8000

// Gate is the address of the one HLT instruction that is a request to ring 0.
const Gate = GatePage

// XCR0Mask holds the state components of XCR0 that a thread can have: x87, SSE,
// AVX, opmask and the two of ZMM (Intel SDM 1, 13.3). A machine uses those of them
// that the CPU has. What else a hypervisor may leave on, AMX or PKRU, is the
// host's: it is neither saved nor loaded.
const XCR0Mask = 0xe7

// Selectors, those of Linux (docs/nucleus.md 3).
const (
	SelKernelCode = 0x10
	SelKernelData = 0x18
	SelUserData   = 0x2b
	SelUserCode   = 0x33
	SelTSS        = 0x40
)

// Offsets in a vCPU's ring-0 page.
const (
	NucleusGDT   = 0x000
	NucleusTSS   = 0x080
	NucleusBits  = 0x0e8 // I/O permission bitmap, one bit a port up to IOBitmapPorts
	NucleusEOI   = 0x3f0 // u32: 1 = x2APIC by MSR, 0 = xAPIC by MMIO
	NucleusImage = 0x3f8 // u64: MachineImgEnd less LowEnd, in the first vCPU's page alone
	NucleusStack = 0x1000

	IOBitmapPorts = 0x1000
)

// Gate requests: number in EAX, arguments in RDI, RSI, RDX, R8, R9, result in
// RAX. RCX, RDX, RSI, RDI and R8 to R11 are lost, the other registers kept.
const (
	ReqHalt    = 0 // wait until an interrupt is pending
	ReqWrmsr   = 1 // RDI = MSR, RSI = value; RAX = 0, or -1 if the MSR is not on the list
	ReqRdmsr   = 2 // RDI = MSR; RAX = value, or -1
	ReqMap     = 3 // RDI = address, RSI = first entry, RDX = count, R8 = level 1..4, R9 = step
	ReqLAPIC   = 4 // RDI = register offset, RSI = value: xAPIC write
	ReqHideLow = 5 // unmap the first 1 MiB: the firmware's tables have been read
	ReqLAPICRd = 6 // RDI = register offset; RAX = value
	ReqFlush   = 7 // drop all translations of this vCPU
	ReqAPPage  = 8 // put the real-mode start of further vCPUs at APTrampoline
)

// Page-table entry bits (Intel SDM 3A, 4.5.4).
const (
	PtePresent  = 1 << 0
	PteWrite    = 1 << 1
	PteUser     = 1 << 2
	PtePWT      = 1 << 3
	PtePCD      = 1 << 4
	PteAccessed = 1 << 5
	PteDirty    = 1 << 6
	PteHuge     = 1 << 7
	PteNX       = 1 << 63
	PteAddrMask = 0x000ffffffffff000
)

// The PML4 refers to itself twice: once for ring 0 to edit tables, once for ring
// 3 to read them. Both slots are the last of the lower half: a page-table KVM may
// keep the upper half for itself.
const (
	SlotTablesRO = 254 // user, read only
	SlotTablesRW = 255 // supervisor, read and write
	TablesRO     = SlotTablesRO << 39
	TablesRW     = SlotTablesRW << 39
)

// MapLow and MapHigh bound what ReqMap may touch: from the second slot of the
// PML4 to the slots of the tables. The image, the nucleus and the devices are in
// the first slot and thus out of its reach.
const (
	MapLow   = 1 << 39
	MapHigh  = SlotTablesRO << 39
	MapSlots = SlotTablesRO - 1 // slots from MapLow to MapHigh
)

// Offsets in a vCPU's ring-3 page.
const (
	VCPUSelf    = 0x000 // u64: address of this page (GS base of the vCPU)
	VCPUPending = 0x008 // u64: interrupts taken and not yet handled, bit = vector - VectorBase
	VCPUVIF     = 0x010 // u32: virtual interrupt flag, 1 = upcalls allowed
	VCPUIndex   = 0x014 // u32: number of this vCPU
	VCPUEntry   = 0x018 // u64: address of the upcall entry
	VCPUStackLo = 0x020 // u64: upcall stack, lowest address
	VCPUStackHi = 0x028 // u64: upcall stack, end

	// What the nucleus saves for an upcall.
	UpVector = 0x030
	UpError  = 0x038
	UpRIP    = 0x040
	UpCS     = 0x048
	UpRFLAGS = 0x050
	UpRSP    = 0x058
	UpSS     = 0x060
	UpCR2    = 0x068
	UpRAX    = 0x070
	UpRCX    = 0x078
	UpRDX    = 0x080
	UpVIF    = 0x088 // u64: the flag before the upcall

	VCPUKernel  = 0x100 // 256 bytes that belong to the ring-3 kernel
	VCPUClock   = 0x200 // struct pvclock_vcpu_time_info, 32 bytes
	VCPUSteal   = 0x240 // struct kvm_steal_time, 64 bytes, 64-aligned
	VCPUWall    = 0x280 // struct pvclock_wall_clock, 12 bytes (vCPU 0 only)
	ParkPending = 0x300 // u64: events; anyone ORs, the guest exchanges with 0
	ParkDue     = 0x308 // u64: deadline in kvmclock ns, NoDeadline = none; the guest writes
	ParkWant    = 0x310 // u32: 1 = interrupt me while I run; the guest writes
)

// What the VMM reads of the kernel to show who called it, for profiles. It
// believes none of it.
const (
	VCPUThread = VCPUKernel // u64: address of the registers of the thread that runs, or whose call is served
	ThreadRBP  = 0x40       // u64, among them
	ThreadRIP  = 0x78       // u64
)

// NoDeadline in ParkDue means: sleep until an event.
const NoDeadline = 1<<64 - 1

// Offsets in the machine page.
const (
	MachineMagic   = 0x00 // u64: Magic
	MachineVersion = 0x08 // u32: Version
	MachineEntry   = 0x10 // u64: ring-3 entry of the program
	MachineImgEnd  = 0x18 // u64: end of the program with its BSS, page-aligned
	MachineTabEnd  = 0x20 // u64: end of the built page tables
	MachineStart   = 0x28 // u64: hvm_start_info, written by the nucleus
	MachineAPEntry = 0x30 // u64: ring-3 entry of further vCPUs, written by the kernel
	MachineAPIndex = 0x38 // u32: number of the vCPU that a SIPI starts, written by the kernel
	MachineWallSeq = 0x40 // u32: odd while the VMM writes; 0 = the VMM does not keep it
	MachineWall    = 0x48 // i64: wall clock minus kvmclock, ns
	MachineTree    = 0x50 // u64: address of the embedded tree, a cpio archive; 0 = none
	MachineTreeEnd = 0x58 // u64: its end
	MachineOnline  = 0x60 // u64: mask of the vCPUs that run threads, written by the kernel
	MachineAnswers = 0x68 // u32: requests for a number of vCPUs that the kernel has answered
	MachineVerdict = 0x6c // u32: its last answer, Verdict...

	// What the machine is. A VMM that enters at Entry64 writes these; the 32-bit
	// entry asks CPUID in ring 0. Ring 3 must not ask: a KVM without hardware
	// virtualization may leave CPUID in ring 3 to the CPU, and the answer is then the
	// outer hypervisor's.
	MachineFeatures = 0x70 // u32: Feat..., 0 unless the VMM is hostvmm
	MachineKVM      = 0x74 // u32: EAX of leaf CPUIDKVM + 1, KVM's features, 0 without KVM
	MachineCPU      = 0x78 // u32: ECX of leaf 1
	MachineVectors  = 0x7c // u32: EBX of leaf 0xd, bytes of the vector state that XCR0 has on
	MachineAPICID   = 0x80 // u32: APIC id of the first vCPU
)

// Bits of MachineCPU (Intel SDM 2A, CPUID).
const (
	CPUX2APIC      = 1 << 21
	CPUTSCDeadline = 1 << 24
	CPURDRAND      = 1 << 30
	CPUHypervisor  = 1 << 31
)

// Bits of MachineKVM (Linux arch/x86/include/uapi/asm/kvm_para.h).
const (
	KVMClock      = 1 << 3
	KVMSteal      = 1 << 5
	KVMPoll       = 1 << 12
	KVMTSCStable  = 1 << 24
	CPUIDKVM      = 0x40000000
	CPUIDKVMStart = 0x4b4d564b // "KVMK", EBX of CPUIDKVM
)

// Answers to a control line `cpus N`.
const (
	VerdictDone       = 1 // N vCPUs run threads
	VerdictVetoed     = 2 // the program does not want it
	VerdictNoMemory   = 3 // no memory for another vCPU's stack
	VerdictImpossible = 4 // the machine can't have so many, or it was 0
	VerdictReplaced   = 5 // another request came before the program had answered
)

// Magic marks a machine page ("DozeMach", little-endian).
const Magic = 0x6863614d657a6f44

// Interrupt vectors. Those from VectorBase to VectorBase+63 set a bit in
// VCPUPending; VectorSpurious is ignored.
const (
	VectorBase     = 0x20
	VectorTimer    = 0x20
	VectorKick     = 0x21
	VectorDevice   = 0x30 // + line
	VectorSpurious = 0xff
)

// Bits of ParkPending.
const (
	EventKick    = 1 << 0
	EventControl = 1 << 1 // PortControl has control lines for the guest
	EventDevice  = 1 << 8 // << device index
)

// Ports that ring 3 may use. PortControl carries lines of text to whoever runs
// the machine, and under hostvmm from it (docs/nucleus.md 8); PortExit ends it
// (QEMU's isa-debug-exit sits there). PortPark to PortGrow exist under hostvmm
// only.
const (
	PortControl = 0xe9
	PortExit    = 0xf4
	PortPark    = 0xd00
	PortYield   = 0xd02 // one byte, any value: other threads of the host may have the vCPU's physical CPU
	PortKick    = 0xd04
	PortStart   = 0xd08 // u32: start this vCPU at EntryAP
	PortGrow    = 0xd0c // IN of a u32 adds RAM: how many pages more, 0 if there is none
	PortCOM1    = 0x3f8
	PortCOM2    = 0x2f8
	PortCOM3    = 0x3e8 // control lines to the guest under QEMU; its interrupt is LineCOM3
	LineCOM3    = 7     // no PC device has it, and microvm's virtio windows in use have others
)

// CPUIDDoze is the CPUID leaf by which hostvmm makes itself known: "DozeDozeDoze"
// in EBX, ECX, EDX. No machine decides by it; the probe of a host's KVM looks
// whether ring 3 sees it.
const (
	CPUIDDoze      = 0x40000100
	CPUIDSignature = 0x657a6f44 // "Doze"
)

// Bits of MachineFeatures.
const (
	FeatPark    = 1 << 0 // PortPark and PortKick
	FeatWall    = 1 << 1 // the machine page's wall clock is kept
	FeatZeroRAM = 1 << 2 // RAM beyond the image is zero at boot
	FeatStart   = 1 << 3 // PortStart
	FeatControl = 1 << 4 // IN from PortControl, and ParkWant
	FeatGrow    = 1 << 5 // PortGrow
	FeatYield   = 1 << 6 // PortYield
)

// MMIO windows of virtio-mmio devices: the place QEMU's microvm has them too.
// Under hostvmm device i has its 4 KiB window at VirtioBase + i*PageSize.
const (
	VirtioBase = 0xfeb00000
	LAPICBase  = 0xfee00000
	IOAPICBase = 0xfec00000
)

// The image's own ELF note: owner "Doze", type NoteType, descriptor: u32
// Version, u32 0, u64 MachinePage.
const (
	NoteOwner = "Doze"
	NoteType  = 1
)

// MSRs that only the nucleus uses (Intel SDM 4).
const (
	MSRAPICBase  = 0x1b
	MSRX2APICEOI = 0x80b
	MSRX2APICSVR = 0x80f
)

// MSRs the kernel uses through the gate (Intel SDM 4; Linux
// Documentation/virt/kvm/x86/msr.rst). The nucleus serves no others, and takes no
// address in KVM's but that of the vCPU's own page.
const (
	MSRTSCDeadline = 0x6e0
	MSRX2APICICR   = 0x830
	MSRX2APICLVTT  = 0x832
	MSRX2APICInit  = 0x838
	MSRX2APICCur   = 0x839
	MSRX2APICDiv   = 0x83e
	MSRKVMWall     = 0x4b564d00
	MSRKVMClock    = 0x4b564d01
	MSRKVMSteal    = 0x4b564d03
	MSRKVMPoll     = 0x4b564d05
)
