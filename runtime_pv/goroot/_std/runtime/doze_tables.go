package runtime

// The page tables, read through the window at abi.TablesRO and written by the
// nucleus, and frames as the kernel sees them for a moment.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
)

// Bits of entries. Accessed and dirty are set so that the CPU never writes to the
// tables. A page without access keeps its frame in an entry that is not present.
const (
	dozeRO      = abi.PtePresent | abi.PteAccessed | abi.PteDirty
	dozeRW      = dozeRO | abi.PteWrite
	dozeTableRW = abi.PtePresent | abi.PteWrite | abi.PteAccessed

	dozePteFile = 1 << 9 // the frame is a file's, not the mapping's (SDM 3A, 4.5.4: bits 9 to 11 are ignored)
)

const dozeTablePages = dozeBlock / dozePage // entries in a table

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

// dozeShow returns where the kernel sees a frame until dozeHide, together with the
// rest of its block; a frame near the image alone, until the next one is shown.
func dozeShow(pa uintptr) uintptr {
	m := &dozeMem
	block := pa &^ (dozeBlock - 1)
	if block < abi.LowEnd || block+dozeBlock > abi.ImageBase && block < m.shownLow {
		dozeMap(dozeScratchBase, 0, 1, 1, dozePage)
		dozeMap(dozeScratchBase, pa|dozeRW, 1, 1, 0)
		m.shownPage = true
		dozeDropLater()
		return dozeScratchBase
	}
	if block != m.shown {
		dozeMap(dozeWindowBase, block|dozeRW|abi.PteHuge, 1, 2, 0)
		m.shown = block
		dozeDropLater()
	}
	return dozeWindowBase + pa - block
}

// dozeHide ends what dozeShow began. No vCPU looks there without the lock.
func dozeHide() {
	m := &dozeMem
	if m.shown != 0 {
		dozeMap(dozeWindowBase, 0, 1, 2, dozeBlock)
	}
	if m.shownPage {
		dozeMap(dozeScratchBase, 0, 1, 1, dozePage)
	}
	if m.shown != 0 || m.shownPage {
		dozeDropLater()
	}
	m.shown, m.shownPage = 0, false
}

// dozeClearFrames clears frames in a row that are mapped nowhere, where they may
// hold what firmware or the balloon's device left.
func dozeClearFrames(pa, n uintptr) {
	if dozeMem.zeroRAM && !dozeMem.frames.Suspect(pa) {
		return
	}
	for end := pa + n*dozePage; pa < end; pa += dozePage {
		mmio.Clear(dozeShow(pa), dozePage)
	}
	dozeHide()
}

// dozeLeaf returns the entry that maps addr and its level, 0 if there is none.
func dozeLeaf(addr uintptr) (e uintptr, level int) {
	if !dozeTable(addr, 2) {
		return 0, 0
	}
	if e = dozeEntry(addr, 2); e&abi.PteHuge != 0 {
		return e, 2
	}
	if e&abi.PtePresent == 0 {
		return 0, 0
	}
	return dozeEntry(addr, 1), 1
}

// dozeSkip returns the first address beyond va that a table missing at level 3
// or 4 leaves unmapped with it.
func dozeSkip(va uintptr) uintptr {
	if dozeEntry(va, 4)&abi.PtePresent == 0 {
		return va&^(1<<39-1) + 1<<39
	}
	return va&^(1<<30-1) + 1<<30
}
