package runtime

// Memory: which addresses the program owns (Regions), which frames are free
// (Frames), and the page tables that tie the two, read through the window at
// abi.TablesRO and written by the nucleus.
//
// Every free frame is zero: frames are cleared when they are given back, while no
// vCPU runs the program (dozeStill), and RAM is zero at boot (or is cleared when
// first mapped, where the VMM does not promise it). So a page that is filled is
// always zero, as Linux has it and as the Go heap relies on.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mem"
	"internal/runtime/doze/mmio"
	"unsafe"
)

// Kinds of regions.
const (
	dozeNone     = 0
	dozeReserved = 1 // owned, no access
	dozeSmall    = 2 // read and write, filled in small pieces
	dozeLarge    = 3 // read and write, filled in 2 MiB blocks while there are plenty
	dozeReadOnly = 4 // read, filled in small pieces
)

var dozeMem struct {
	frames    mem.Frames
	regions   mem.Regions
	zeroRAM   bool   // RAM beyond the image was zero at boot
	keepsZero bool   // and what the VMM takes and gives back is zero, too
	unmapped  uint32 // counts the times translations were taken away
}

const (
	dozePage  = abi.PageSize
	dozeBlock = abi.HugePageSize
)

// dozeEntryAddr returns where the window shows the page-table entry of va at
// the given level (1 = 4 KiB page).
func dozeEntryAddr(va uintptr, level int) uintptr {
	for ; level > 0; level-- {
		va = abi.TablesRO | va>>9&0x7ffffffff8
	}
	return va
}

func dozeEntry(va uintptr, level int) uintptr {
	return uintptr(mmio.Load64(dozeEntryAddr(va, level)))
}

// dozeTable reports whether the table that holds va's entry at level exists.
func dozeTable(va uintptr, level int) bool {
	for l := 4; l > level; l-- {
		e := dozeEntry(va, l)
		if e&abi.PtePresent == 0 || e&abi.PteHuge != 0 {
			return false
		}
	}
	return true
}

// dozeLink makes the tables down to level for va. It returns false when there
// is no frame for one.
func dozeLink(va uintptr, level int) bool {
	for l := 4; l > level; l-- {
		if dozeEntry(va, l)&abi.PtePresent != 0 {
			continue
		}
		pa := dozeAllocFrames(1)
		if pa == 0 {
			return false
		}
		dozeClearFrames(pa, 1)
		dozeMap(va, pa|dozeTableRW, 1, l, 0)
	}
	return true
}

// dozeAllocFrames takes that many frames in a row, aligned to their size, 0 if there
// are none. Single ones are got back from the balloon, or from the VMM, before
// that.
func dozeAllocFrames(n uintptr) uintptr {
	f := &dozeMem.frames
	pa := f.AllocRun(n)
	for pa == 0 && n == 1 && dozeReclaim() {
		pa = f.AllocRun(n)
	}
	return pa
}

// dozeMap writes n entries of a level, the first being entry, each next one
// step further; entry 0 unmaps, step then being the distance in address.
func dozeMap(va, entry, n uintptr, level int, step uintptr) {
	if dozeGate(abi.ReqMap, va, entry, n, uintptr(level), step) != 0 {
		dozeCrash("the nucleus refused to map", va)
	}
}

// dozeClearFrames clears up to a block of frames that are mapped nowhere, where they
// may hold what firmware or the balloon's device left: through a window of the
// kernel's own.
func dozeClearFrames(pa, n uintptr) {
	if dozeMem.zeroRAM && !dozeMem.frames.Suspect(pa) {
		return
	}
	dozeMap(dozeScratchBase, pa|dozeRW, n, 1, dozePage)
	mmio.Clear(dozeScratchBase, n*dozePage)
	dozeMap(dozeScratchBase, 0, n, 1, dozePage)
	dozeShootdown()
}

// Bits of entries. Accessed and dirty are set so that the CPU never writes to the
// tables.
const (
	dozeRO      = abi.PtePresent | abi.PteAccessed | abi.PteDirty
	dozeRW      = dozeRO | abi.PteWrite
	dozeTableRW = abi.PtePresent | abi.PteWrite | abi.PteAccessed
)

// dozeFill serves a fault at addr: true if the address is the program's to use
// and is mapped now. It is the only place where frames meet addresses.
func dozeFill(addr uintptr) bool {
	if addr-dozeRegionBase < dozeMaxRegions*mem.RegionSize {
		return dozeFillPages(addr&^(dozePage-1), 1, dozeRW)
	}
	start, end, kind := dozeMem.regions.Lookup(addr)
	if kind < dozeSmall {
		return false
	}
	if dozeMapped(addr) {
		return true // another vCPU was faster
	}
	if kind == dozeLarge && dozeFillBlock(addr, start, end) {
		return true
	}
	bits := uintptr(dozeRW)
	if kind == dozeReadOnly {
		bits = dozeRO
	}
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
			return true
		}
	}
	dozeOutOfMemory(addr)
	return false
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

// dozeRelease takes every mapped page out of [start, end), clears it and gives
// its frame back. The other vCPUs stand still from before the first is cleared until
// this stay in the kernel ends: a store between clearing and unmapping would leave a
// free frame that is not zero.
func dozeRelease(start, end uintptr) {
	for va := start; va < end; {
		next := va&^(dozeBlock-1) + dozeBlock
		if !dozeTable(va, 2) {
			va = dozeSkip(va)
			continue
		}
		stop := min(next, end)
		e, whole := dozeEntry(va, 2), stop-va == dozeBlock
		if e&abi.PtePresent != 0 {
			dozeStill()
		}
		switch {
		case e&abi.PtePresent == 0:
		case whole && e&abi.PteHuge == 0:
			dozeReleaseTable(va, e&abi.PteAddrMask)
		case whole:
			mmio.Clear(va, dozeBlock)
			dozeUnmapBlock(va)
			dozeFree(e&abi.PteAddrMask, dozeBlock/dozePage)
		case e&abi.PteHuge != 0 && !dozeSplit(va&^(dozeBlock-1), e):
			mmio.Clear(va, stop-va) // no frame for a table: at least it reads as zero
		default:
			dozeReleasePages(va, stop)
			dozeDropTable(va)
		}
		va = next
	}
}

// dozeUnmapBlock takes away what maps the block at va, a 2 MiB page or a table, and
// all translations with it.
func dozeUnmapBlock(va uintptr) {
	dozeMap(va, 0, 1, 2, dozeBlock)
	dozeShootdown()
}

// dozeReleaseTable releases all pages under the table that maps the block at va,
// and the table. All translations are dropped at once.
func dozeReleaseTable(va, table uintptr) {
	for at := va; at < va+dozeBlock; at += dozePage {
		e := dozeEntry(at, 1)
		if e == 0 {
			continue
		}
		if e&dozeRW != dozeRW {
			dozeUnprotect(at, e)
		}
		mmio.Clear(at, dozePage)
	}
	dozeUnmapBlock(va)

	const w = dozeScratchBase
	dozeMap(w, table|dozeRW, 1, 1, 0)
	for i := uintptr(0); i < dozeBlock/dozePage; i++ {
		if e := uintptr(mmio.Load64(w + i*8)); e != 0 {
			dozeFree(e&abi.PteAddrMask, 1)
		}
	}
	mmio.Clear(w, dozePage)
	dozeMap(w, 0, 1, 1, dozePage)
	dozeShootdown()
	dozeFree(table, 1)
}

// dozeDropTable frees the table below which va lies if it maps nothing and what
// is there may be filled by a block: the heap, which shrinks piece by piece.
func dozeDropTable(va uintptr) {
	va &^= dozeBlock - 1
	if _, _, kind := dozeMem.regions.Lookup(va); kind != dozeLarge || !mmio.Zero(dozeEntryAddr(va, 1), dozePage) {
		return
	}
	table := dozeEntry(va, 2) & abi.PteAddrMask
	dozeUnmapBlock(va)
	dozeFree(table, 1)
}

// dozeSkip returns the first address beyond va that a table missing at level 3
// or 4 leaves unmapped with it.
func dozeSkip(va uintptr) uintptr {
	if dozeEntry(va, 4)&abi.PtePresent == 0 {
		return va&^(1<<39-1) + 1<<39
	}
	return va&^(1<<30-1) + 1<<30
}

// dozeSplit turns a 2 MiB entry into a table of 512 entries. Pages that are zero
// lose their frames: most were never touched, and only the block as a whole was
// given, so nobody else would ever give them back.
func dozeSplit(va, entry uintptr) bool {
	table := dozeAllocFrames(1)
	if table == 0 {
		return false
	}
	dozeClearFrames(table, 1)
	dozeUnmapBlock(va)
	dozeMap(va, table|dozeTableRW, 1, 2, 0)
	dozeMapUsed(va, entry&abi.PteAddrMask)
	return true
}

// dozeMapUsed maps those pages of a block at va that are not zero, and frees the
// others. It looks through a window of the kernel's own, where the program
// writes nothing meanwhile.
func dozeMapUsed(va, pa uintptr) {
	const pages = dozeBlock / dozePage
	dozeMap(dozeScratchBase, pa|dozeRO, pages, 1, dozePage)
	for i := uintptr(0); i < pages; {
		zero := mmio.Zero(dozeScratchBase+i*dozePage, dozePage)
		n := uintptr(1)
		for i+n < pages && mmio.Zero(dozeScratchBase+(i+n)*dozePage, dozePage) == zero {
			n++
		}
		if zero {
			dozeFree(pa+i*dozePage, n)
		} else {
			dozeMap(va+i*dozePage, pa+i*dozePage|dozeRW, n, 1, dozePage)
		}
		i += n
	}
	dozeMap(dozeScratchBase, 0, pages, 1, dozePage)
	dozeShootdown()
}

// dozeReleasePages releases the 4 KiB pages of [va, end), which lie under one
// table, in runs of neighbours.
func dozeReleasePages(va, end uintptr) {
	for va < end {
		e := dozeEntry(va, 1)
		if e == 0 {
			va += dozePage
			continue
		}
		if e&dozeRW != dozeRW {
			dozeUnprotect(va, e)
			continue
		}
		n := uintptr(1)
		for va+n*dozePage < end && dozeEntry(va+n*dozePage, 1)&dozeRW == dozeRW && dozeEntry(va+n*dozePage, 1)&abi.PteAddrMask == e&abi.PteAddrMask+n*dozePage {
			n++
		}
		mmio.Clear(va, n*dozePage)
		dozeMap(va, 0, n, 1, dozePage)
		dozeShootdown()
		dozeFree(e&abi.PteAddrMask, n)
		va += n * dozePage
	}
}

func dozeFree(pa, pages uintptr) {
	if !dozeMem.frames.Free(pa, pages) {
		dozeCrash("a frame was freed twice", pa)
	}
}

// dozeFaults counts the pages filled on first touch.
var dozeFaults uint64

// dozeMmap serves mmap(2) of anonymous memory. There is no other process to share
// it with.
func dozeMmap(addr, n, prot, flags uintptr) uintptr {
	if n == 0 || addr&(dozePage-1) != 0 && flags&_MAP_FIXED != 0 {
		return dozeErr(dozeEINVAL)
	}
	n = alignUp(n, dozePage)
	if flags&_MAP_FIXED != 0 && prot&_PROT_WRITE != 0 && n/dozePage > dozeMostPages() {
		dozeTooMuch(n) // the heap grows by more than there is
		return dozeErr(dozeENOMEM)
	}
	addr &^= dozePage - 1
	kind, _ := dozeProtectBits(prot)
	r := &dozeMem.regions
	if flags&_MAP_FIXED != 0 {
		if addr < dozeMmapLow || addr+n > dozeMmapHigh || addr+n < addr {
			return dozeErr(dozeENOMEM)
		}
		if kind == dozeSmall && n >= 2*dozeBlock {
			kind = dozeLarge // the heap grows in such pieces
		}
		dozeRelease(addr, addr+n)
	} else {
		addr = dozePlace(addr, n)
		if addr == 0 {
			return dozeErr(dozeENOMEM)
		}
	}
	if !r.Set(addr, addr+n, kind) {
		return dozeErr(dozeENOMEM)
	}
	return addr
}

// dozePlace finds n free bytes, at the hint if that is free, else lowest first.
func dozePlace(hint, n uintptr) uintptr {
	r := &dozeMem.regions
	if hint >= dozeMmapLow && hint+n <= dozeMmapHigh && hint+n > hint {
		if start, end, kind := r.Lookup(hint); kind == dozeNone && hint >= start && hint+n <= end {
			return hint
		}
	}
	align := uintptr(dozePage)
	if n >= dozeBlock {
		align = dozeBlock
	}
	return r.FindGap(dozeMmapLow, dozeMmapHigh, n, align)
}

// dozeMunmap serves munmap(2).
func dozeMunmap(addr, n uintptr) uintptr {
	n = alignUp(n, dozePage)
	if addr&(dozePage-1) != 0 || n == 0 || addr < dozeMmapLow || addr+n > dozeMmapHigh {
		return dozeErr(dozeEINVAL)
	}
	dozeRelease(addr, addr+n)
	dozeReportMany()
	if !dozeMem.regions.Set(addr, addr+n, dozeNone) {
		return dozeErr(dozeENOMEM)
	}
	return 0
}

// dozeMadvise serves madvise(2): DONTNEED and FREE give the frames back at
// once; the rest is advice about what this kernel does anyway.
func dozeMadvise(addr, n, advice uintptr) uintptr {
	n = alignUp(n, dozePage)
	if addr&(dozePage-1) != 0 || addr < dozeMmapLow || addr+n > dozeMmapHigh || addr+n < addr {
		return dozeErr(dozeEINVAL)
	}
	switch advice {
	case _MADV_DONTNEED, _MADV_FREE:
		dozeRelease(addr, addr+n)
		dozeReportMany()
	case _MADV_COLLAPSE:
		return dozeErr(dozeEINVAL)
	}
	return 0
}

// dozeKernelPage maps a zero page of the kernel's own at va. It returns false
// when memory is out.
func dozeKernelPage(va uintptr) bool {
	return dozeFillPages(va, 1, dozeRW)
}

func dozePtr(a uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&a)) }

// dozeAddr is the address of something that does not move: a global.
func dozeAddr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

func dozeString(s string) (p, n uintptr) {
	return uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(len(s))
}

func (t *dozeThread) addr() uintptr { return uintptr(unsafe.Pointer(t)) }
