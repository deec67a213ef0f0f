package runtime

// From the nucleus to the first thread of the program, in order. Runs once, on
// the vCPU's stack, with upcalls off.

import (
	goabi "internal/abi"
	"internal/chacha8rand"
	"internal/runtime/doze/abi"
	"internal/runtime/doze/cmdline"
	"internal/runtime/doze/mem"
	"internal/runtime/doze/mmio"
)

// dozeBootInfo is what the loader and the CPU told.
var dozeBootInfo struct {
	ram        uintptr // bytes of RAM
	frames     uintptr // frames of it when the machine booted
	top        uintptr // end of the highest RAM
	ceiling    uintptr // where RAM may end at most, 0 if it can't grow
	start      int64   // Unix ns at which the VMM was started, 0 if not told
	seed       [4]uint64
	rdrand     bool
	forceHalt  bool
	cpus       uint32
	most       uint32 // vCPUs that there can come to be
	vmm, accel cmdline.Short

	stack                 uintptr // where the first thread's stack begins
	args, argsEnd, envEnd uintptr // the program's arguments and environment, as strings with zeros
}

var dozeRandomState chacha8rand.State

const (
	dozeUserCS    = abi.SelUserCode
	dozeUserSS    = abi.SelUserData
	dozeStealPage = abi.VCPUPage0 + abi.VCPUSteal
)

// dozeXsaveSize is the size of the vector state in bytes, a multiple of 64.
var dozeXsaveSize uintptr

// dozeVectors is what XSAVE saves: the components of XCR0 that a thread can have.
// The nucleus has set all that the kernel and the CPU know, but not every
// hypervisor keeps that. The SVM that QEMU 7.2 emulates does not tell KVM of XSETBV,
// and KVM takes it back at the next exit: without the bit for SSE, XSAVE would leave
// out the XMM registers; then FXSAVE saves them, and dozeFXSave is 1. A KVM without
// hardware virtualization runs ring 3 with the host's XCR0, and where that has AMX,
// saving all would take 11 KiB. The Go runtime looks at XCR0 before it uses AVX.
var dozeVectors, dozeFXSave uint32

const dozeXCR0SSE = 2 // (SDM 1, 13.3)

func dozeBoot(machine uintptr) {
	v := dozeVCPUInit(0, dozeAddr(&dozeStack0[0]), alignUp(dozeAddr(&dozeNestedXsave[0]), 64))
	dozeLock()
	dozeOnline, dozeBootInfo.cpus = v.bit(), 1
	if mmio.Load32(machine+abi.MachineVersion) != dozeMark {
		dozeFatal("the image's machine page is of another version")
	}
	info := dozeStartInfo(uintptr(mmio.Load64(machine + abi.MachineStart)))
	cpu := dozeCPUInit(machine)
	cpus := dozeReadCommandLine(info.cmdline)
	dozeMemoryInit(machine, &info, &cpu)
	dozeTimeInit(&cpu)
	dozeRandomInit()
	if cpu.doze&abi.FeatControl != 0 {
		dozeInput.from = dozeControlPort
	}
	dozeFindDevices(info.cmdline)
	dozeBalloonBoot()
	dozeFdInit()
	list := dozeCPUList(info.rsdp, cpus)
	dozeInputInit()
	stack := dozeBuildStack(info.cmdline)
	dozeGate(abi.ReqHideLow, 0, 0, 0, 0, 0)
	dozeStartVCPUs(&list)
	dozeFirstThread(v, stack)
	dozeHotplugInit(dozeBootInfo.most)
}

var dozeNestedXsave [4096 + 64]byte

// dozeInfo is struct hvm_start_info, read (kernel/abi).
type dozeInfo struct {
	cmdline, memmap uintptr
	entries         uintptr
	rsdp            uintptr // physical address of ACPI's root pointer, 0 if there is none
}

func dozeStartInfo(p uintptr) (i dozeInfo) {
	if p == 0 || p >= abi.StartLimit || mmio.Load32(p) != abi.StartMagic || mmio.Load32(p+abi.StartVersion) < 1 {
		dozeFatal("the loader gave no PVH start info of version 1 below 1 MiB")
	}
	i.cmdline = uintptr(mmio.Load64(p + abi.StartCmdline))
	i.rsdp = uintptr(mmio.Load64(p + abi.StartRSDP))
	i.memmap = uintptr(mmio.Load64(p + abi.StartMemmap))
	i.entries = uintptr(mmio.Load32(p + abi.StartMemmapCount))
	if i.cmdline >= abi.StartLimit || i.memmap == 0 || i.memmap+i.entries*abi.MemmapSize > abi.StartLimit {
		dozeFatal("the loader's memory map or command line is not below 1 MiB")
	}
	return
}

// dozeCPU is what the machine page says of the vCPUs. The kernel must not ask
// CPUID: ring 3 may be told of another machine (kernel/abi, MachineFeatures).
type dozeCPU struct {
	x2apic, deadline bool
	kvm              uint32 // abi.KVMClock and others
	doze             uint32 // abi.FeatPark and others
}

func dozeCPUInit(machine uintptr) (c dozeCPU) {
	f := mmio.Load32(machine + abi.MachineCPU)
	c.x2apic, c.deadline = f&abi.CPUX2APIC != 0, f&abi.CPUTSCDeadline != 0
	dozeBootInfo.rdrand = f&abi.CPURDRAND != 0
	c.kvm = mmio.Load32(machine + abi.MachineKVM)
	c.doze = mmio.Load32(machine + abi.MachineFeatures)
	size := mmio.Load32(machine + abi.MachineVectors)
	if dozeVectors = dozeXCR0() & abi.XCR0Mask; dozeVectors&dozeXCR0SSE == 0 {
		dozeFXSave, size = 1, 512
	}
	dozeXsaveSize = alignUp(uintptr(size), 64)
	if dozeXsaveSize > dozeThreadSize-dozeXsaveOffset {
		dozeFatal("the vector state of this CPU is larger than a thread's page holds")
	}
	return
}

// dozeRange is a piece of RAM.
type dozeRange struct{ lo, hi uintptr }

// dozeMemoryInit takes over the RAM: reads the map, puts the frame allocator's
// tables behind the vCPU pages (or behind the image if they are large), maps
// them, and reserves what is in use.
func dozeMemoryInit(machine uintptr, info *dozeInfo, cpu *dozeCPU) {
	var ram [32]dozeRange
	n := dozeReadMap(info, &ram)
	i := &dozeBootInfo
	for _, r := range ram[:n] {
		i.ram += r.hi - r.lo
		i.top = r.hi
	}
	image := uintptr(mmio.Load64(machine + abi.MachineImgEnd))
	if !dozeHasRAM(ram[:n], abi.ImageBase, image) {
		dozeFatal("the machine has less memory than the image needs")
	}
	dozeMem.zeroRAM = cpu.doze&abi.FeatZeroRAM != 0 || i.vmm.Is("qemu-microvm")
	dozePark = cpu.doze&abi.FeatPark != 0 && !i.forceHalt
	dozeStartCall = cpu.doze&abi.FeatStart != 0
	dozeYieldCall = cpu.doze&abi.FeatYield != 0

	dozeMem.keepsZero = cpu.doze&abi.FeatZeroRAM != 0
	if i.ceiling = max(i.ceiling&^(dozePage-1), i.top); cpu.doze&abi.FeatGrow == 0 {
		i.ceiling = i.top
	}

	size := mem.MetadataSize(i.top, i.ceiling)
	early := uintptr(abi.LowEnd)
	if early+size+64*dozePage > abi.ImageBase {
		early = image
	}
	meta := early
	early += size
	early = dozeMapEarly(dozeMetaBase, meta, size, early)
	early = dozeMapEarly(dozeScratchBase, 0, 0, early)
	f := &dozeMem.frames
	f.Init(dozeMetaBase, i.top, i.ceiling)
	at := uintptr(0)
	for _, r := range ram[:n] {
		if at < r.lo {
			f.Hole(at, r.lo)
		}
		at = r.hi
	}
	f.Reserve(0, abi.LowEnd)
	f.Reserve(meta, early)
	f.Reserve(abi.ImageBase, image)
	dozeMem.imageEnd, dozeMem.shownLow = image, alignUp(image, dozeBlock)
	dozeMem.regions.Init(dozeRegionBase, dozeMaxRegions)
	i.frames = f.TotalPages()
	dozeLimit.base = i.frames - f.FreePages()
}

// dozeMapEarly maps size bytes from pa at va, with tables taken from early on,
// which it returns advanced. RAM there is zero: it lies between our own pages
// and the image, where no firmware works.
func dozeMapEarly(va, pa, size, early uintptr) uintptr {
	for p := va; ; p += dozeBlock {
		for l := 4; l > 1; l-- {
			if dozeEntry(p, l)&abi.PtePresent == 0 {
				dozeMap(p, early|dozeTableRW, 1, l, 0)
				early += dozePage
			}
		}
		if p+dozeBlock >= va+size {
			break
		}
	}
	for size > 0 {
		n := min(size/dozePage, 512-va/dozePage%512)
		dozeMap(va, pa|dozeRW, n, 1, dozePage)
		va, pa, size = va+n*dozePage, pa+n*dozePage, size-n*dozePage
	}
	return early
}

// dozeReadMap reads the RAM entries of the loader's map, whole pages, ascending.
func dozeReadMap(info *dozeInfo, ram *[32]dozeRange) int {
	n := 0
	for i := uintptr(0); i < info.entries; i++ {
		e := info.memmap + i*abi.MemmapSize
		if mmio.Load32(e+abi.MemmapType) != abi.MemmapRAM {
			continue
		}
		r := dozeRange{lo: alignUp(uintptr(mmio.Load64(e+abi.MemmapAddr)), dozePage)}
		r.hi = (uintptr(mmio.Load64(e+abi.MemmapAddr)) + uintptr(mmio.Load64(e+abi.MemmapBytes))) &^ (dozePage - 1)
		if r.lo >= r.hi || n == len(ram) {
			continue
		}
		j := n
		for ; j > 0 && ram[j-1].lo > r.lo; j-- {
			ram[j] = ram[j-1]
		}
		ram[j] = r
		n++
	}
	return n
}

func dozeHasRAM(ram []dozeRange, lo, hi uintptr) bool {
	for _, r := range ram {
		if r.lo <= lo && hi <= r.hi {
			return true
		}
	}
	return false
}

// dozeFirstThread makes the thread that runs the program from its start.
func dozeFirstThread(v *dozeVCPU, stack uintptr) {
	t := dozeNewThread()
	if t == nil {
		dozeFatal("no memory for the first thread")
	}
	t.rip, t.rsp = dozeStartPC(), stack
	t.fs = v.tls
	t.mask = 0
	t.comm = dozeFirstComm()
	now := dozeNow()
	t.state, t.on, t.since = dozeStateRunning, v, now
	v.current = t
	dozeAccountStart(v, now)
	mmio.Store64(dozeAddr(&vdsoClockgettimeSym), uint64(goabi.FuncPCABI0(dozeClock)))
}
