package runtime

// Protection of ranges of memory that hold something: mprotect(2). A page without
// access keeps its frame in an entry that is not present.

import (
	"internal/runtime/doze/abi"
	"unsafe"
)

// dozeProtectBits returns the kind of region and the page-table bits for Linux's
// PROT_ bits.
func dozeProtectBits(prot uintptr) (kind uint32, bits uintptr) {
	switch {
	case prot&_PROT_WRITE != 0:
		return dozeSmall, dozeRW
	case prot&_PROT_READ != 0:
		return dozeReadOnly, dozeRO
	}
	return dozeReserved, 0
}

// dozeMprotect serves mprotect(2). Nothing becomes executable.
func dozeMprotect(addr, n, prot uintptr) uintptr {
	n = alignUp(n, dozePage)
	switch {
	case addr&(dozePage-1) != 0:
		return dozeErr(dozeEINVAL)
	case n == 0:
		return 0
	case prot&_PROT_EXEC != 0 || addr < dozeMmapLow || addr+n > dozeMmapHigh || addr+n < addr:
		return dozeErr(dozeEACCES)
	}
	end := addr + n
	r := &dozeMem.regions
	for at := addr; at < end; {
		_, e, kind := r.Lookup(at)
		if kind == dozeNone {
			return dozeErr(dozeENOMEM)
		}
		at = e
	}
	kind, bits := dozeProtectBits(prot)
	if !r.Set(addr, end, kind) {
		return dozeErr(dozeENOMEM)
	}
	if !dozeProtectRange(addr, end, bits) {
		return dozeErr(dozeENOMEM)
	}
	return 0
}

// dozeProtectRange changes the entries of [start, end) that have frames. It
// returns false if memory for a table is out.
func dozeProtectRange(start, end, bits uintptr) bool {
	for va := start; va < end; {
		if !dozeTable(va, 2) {
			va = dozeSkip(va)
			continue
		}
		next := min(va&^(dozeBlock-1)+dozeBlock, end)
		e := dozeEntry(va, 2)
		if e&abi.PteHuge != 0 && !dozeSplit(va&^(dozeBlock-1), e) {
			return false
		}
		if e != 0 {
			dozeProtectPages(va, next, bits)
		}
		va = next
	}
	dozeShootdown()
	return true
}

// dozeProtectPages changes the entries of [va, end), under one table.
func dozeProtectPages(va, end, bits uintptr) {
	for ; va < end; va += dozePage {
		e := dozeEntry(va, 1)
		if e == 0 || e&dozeRW == bits {
			continue
		}
		dozeMap(va, 0, 1, 1, dozePage)
		dozeMap(va, e&abi.PteAddrMask|bits, 1, 1, 0)
	}
}

// dozeUnprotect makes the page of an entry that has a frame writable, to clear it.
func dozeUnprotect(va, e uintptr) {
	dozeMap(va, 0, 1, 1, dozePage)
	dozeShootdown()
	dozeMap(va, e&abi.PteAddrMask|dozeRW, 1, 1, 0)
}

// dozeMincore serves mincore(2): a byte a page, 1 if it has a frame.
func dozeMincore(addr, n, vec uintptr) uintptr {
	if addr&(dozePage-1) != 0 {
		return dozeErr(dozeEINVAL)
	}
	for va, end := addr, addr+alignUp(n, dozePage); va < end; va += dozePage {
		if _, _, kind := dozeMem.regions.Lookup(va); kind == dozeNone {
			return dozeErr(dozeENOMEM)
		}
		in := uint8(0)
		if dozeMapped(va) {
			in = 1
		}
		if !dozeCopyOut(vec, uintptr(unsafe.Pointer(&in)), 1) {
			return dozeErr(dozeEFAULT)
		}
		vec++
	}
	return 0
}
