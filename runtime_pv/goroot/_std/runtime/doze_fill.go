package runtime

// Faults of the program that are no errors: pages touched for the first time,
// pages to be copied before they are written, and entries that do not yet say
// what their region does.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mem"
	"internal/runtime/doze/mmio"
)

// What becomes of a fault.
const (
	dozeFaultError  = iota // the access is not allowed
	dozeFaultServed        // the access can be made again
	dozeFaultBus           // there is nothing behind the address: SIGBUS
	dozeFaultLater         // the address is being unmapped: wait, and look again
)

// Bits of a page fault's error code (SDM 3A, 4.7).
const (
	dozeFaultWrite = 1 << 1
	dozeFaultOther = 1<<3 | 1<<4 // a reserved bit, an instruction
)

// dozeFaults counts the pages filled on first touch.
var dozeFaults uint64

// dozeFill serves a fault at addr. It is the only place where frames meet
// addresses.
func dozeFill(addr, err uintptr) int {
	if addr-dozeRegionBase < dozeMaxRegions*mem.RegionSize {
		if !dozeFillPages(addr&^(dozePage-1), 1, dozeRW) {
			return dozeFaultError
		}
		return dozeFaultServed
	}
	start, end, kind := dozeMem.regions.Lookup(addr)
	write := err&dozeFaultWrite != 0
	switch {
	case err&dozeFaultOther != 0 || kind&dozeImage != 0:
		return dozeFaultError
	case kind&dozeGoing != 0:
		return dozeFaultLater
	case kind&dozeCanRead == 0 || write && kind&dozeCanWrite == 0:
		return dozeFaultError
	}
	if e, level := dozeLeaf(addr); e != 0 {
		dozeFillAgain(addr, e, level, kind, write)
		return dozeFaultServed
	}
	if object, off := dozeMem.regions.Backing(addr &^ (dozePage - 1)); object != 0 {
		return dozeFillFile(addr, object, off, kind, write)
	}
	dozeFillAnon(addr, start, end, kind)
	return dozeFaultServed
}

// dozeFillAnon maps zero pages around addr, as many as the machine can spare.
func dozeFillAnon(addr, start, end uintptr, kind uint32) {
	if kind&(dozeBlocks|dozeCanWrite) == dozeBlocks|dozeCanWrite && dozeFillBlock(addr, start, end) {
		return
	}
	bits := dozeBits(kind, 0)
	dozeFaults++
	n := uintptr(16)
	switch free, total := dozeMem.frames.FreePages(), dozeTotalPages(); {
	case free < total/8 && dozeGrow(): // there is plenty now
	case free < total/16:
		n = 1
	case free < total/4:
		n = 4
	}
	for {
		lo := addr &^ (n*dozePage - 1)
		if n == 1 || lo >= start && lo+n*dozePage <= end && dozeVacant(lo, n) {
			break
		}
		n /= 2
	}
	for ; n > 0; n /= 2 {
		if dozeFillPages(addr&^(n*dozePage-1), n, bits) {
			return
		}
	}
	dozeOutOfMemory(addr)
}

// dozeBits are the bits of an entry in a region of that kind. e has dozePteFile if
// its frame is a file's, which the program writes only where it is shared.
func dozeBits(kind uint32, e uintptr) uintptr {
	switch file := e & dozePteFile; {
	case kind&dozeCanWrite != 0 && (file == 0 || kind&dozeShared != 0):
		return dozeRW | file
	case kind&dozeCanRead != 0:
		return dozeRO | file
	default:
		return file
	}
}

// dozeFillAgain serves a fault at an address that has an entry, e.
func dozeFillAgain(addr, e uintptr, level int, kind uint32, write bool) {
	va := addr &^ (dozePage - 1)
	if level == 2 {
		va = addr &^ (dozeBlock - 1)
	}
	bits := dozeBits(kind, e)
	switch {
	case write && bits&abi.PteWrite == 0:
		dozeCopyOnWrite(va, e)
	case e&(dozeRW|dozePteFile) == bits:
		dozeGate(abi.ReqFlush, 0, 0, 0, 0, 0) // another vCPU was faster
	default: // mprotect has not come here yet
		dozeMap(va, 0, 1, level, dozePage)
		dozeMap(va, e&^(dozeRW|dozePteFile)&(abi.PteAddrMask|abi.PteHuge)|bits, 1, level, 0)
		dozeShootdown()
	}
}

// dozeCopyOnWrite gives the program a page of its own in the place of a file's, which
// may be mapped there. Nobody sees it before it is a copy: the other vCPUs stand still.
func dozeCopyOnWrite(va, e uintptr) {
	pa := dozeAllocFrames(1)
	if pa == 0 {
		dozeOutOfMemory(va)
		return
	}
	if dozeEntry(va, 1) != 0 {
		dozeMap(va, 0, 1, 1, dozePage)
		dozeDropLater()
	}
	dozeStill()
	dozeMap(va, pa|dozeRW, 1, 1, 0)
	mmio.Copy(va, dozeFileData(e&abi.PteAddrMask), dozePage)
}

// dozeVacant reports whether none of n pages from va, all under one table, is
// mapped.
func dozeVacant(va, n uintptr) bool {
	if !dozeTable(va, 1) {
		return dozeEntryAbove(va)&abi.PteHuge == 0
	}
	for i := uintptr(0); i < n; i++ {
		if dozeEntry(va+i*dozePage, 1) != 0 {
			return false
		}
	}
	return true
}

// dozeEntryAbove returns va's entry at level 2, 0 if there is no such table.
func dozeEntryAbove(va uintptr) uintptr {
	if !dozeTable(va, 2) {
		return 0
	}
	return dozeEntry(va, 2)
}

// dozeFillPages maps n frames in a row at va.
func dozeFillPages(va, n, bits uintptr) bool {
	if !dozeLink(va, 1) {
		return false
	}
	pa := dozeAllocFrames(n)
	if pa == 0 {
		return false
	}
	dozeClearFrames(pa, n)
	dozeMap(va, pa|bits, n, 1, dozePage)
	return true
}

// dozeFillBlock maps 2 MiB at once if the region covers them, nothing there is
// mapped yet, and the machine has blocks to spare.
func dozeFillBlock(addr, start, end uintptr) bool {
	f := &dozeMem.frames
	lo := addr &^ (dozeBlock - 1)
	if lo < start || lo+dozeBlock > end || f.FreePages() < dozeTotalPages()/2 {
		return false
	}
	if !dozeLink(lo, 2) || dozeEntry(lo, 2) != 0 {
		return false
	}
	pa := f.AllocBlock()
	if pa == 0 {
		return false
	}
	dozeClearFrames(pa, dozeBlock/dozePage)
	dozeMap(lo, pa|dozeRW|abi.PteHuge, 1, 2, 0)
	return true
}
