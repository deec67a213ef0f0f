package runtime

// Protection of ranges of memory: mprotect(2). The regions change at once, the
// entries of pages that are there follow in slices; until then a fault looks at the
// region (dozeFillAgain).

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
)

// dozeAccessOf is the part of a region's kind that Linux's PROT_ bits are about.
func dozeAccessOf(prot uintptr) uint32 {
	switch {
	case prot&_PROT_WRITE != 0:
		return dozeOwned | dozeCanRead | dozeCanWrite
	case prot&_PROT_READ != 0:
		return dozeOwned | dozeCanRead
	}
	return dozeOwned
}

// dozeMprotect serves mprotect(2). Nothing becomes executable.
func dozeMprotect(t *dozeThread, addr, n, prot uintptr) uintptr {
	const known = _PROT_READ | _PROT_WRITE | _PROT_EXEC | 8 // PROT_SEM
	end := addr + alignUp(n, dozePage)
	switch {
	case prot&^known != 0 || addr&(dozePage-1) != 0:
		return dozeErr(linux.EINVAL)
	case n == 0:
		return 0
	case end <= addr:
		return dozeErr(linux.ENOMEM)
	}
	// As on Linux, what lies below the first address that can't be changed is.
	end, errno := dozeMayProtect(addr, end, prot)
	at, until := dozeSliceOf(t)
	if at == 0 {
		if !dozeSetAccess(addr, end, dozeAccessOf(prot)) {
			return dozeErr(linux.ENOMEM)
		}
		at = addr
	}
	c := dozeConforming{until: until}
	at, ok := c.conform(at, end)
	switch {
	case !ok:
		return dozeErr(linux.ENOMEM)
	case at < end:
		return dozeNextSlice(t, at)
	}
	return dozeErr(errno)
}

// dozeMayProtect returns up to where the access to [start, end) can be changed, and why
// not further: the image keeps what it has, and nothing becomes executable.
func dozeMayProtect(start, end, prot uintptr) (stop, errno uintptr) {
	access := dozeAccessOf(prot)
	for va := start; va < end; {
		_, hi, kind := dozeMem.regions.Lookup(va)
		switch {
		case !dozeHas(kind):
			return va, linux.ENOMEM
		case kind&dozeImage != 0:
			text := va < alignUp(firstmoduledata.etext, dozePage)
			if access != kind&dozeSmall || text != (prot&_PROT_EXEC != 0) {
				return va, linux.EACCES
			}
		case prot&_PROT_EXEC != 0 || access&dozeCanWrite != 0 && kind&(dozeShared|dozeMayWrite) == dozeShared:
			return va, linux.EACCES
		}
		va = hi
	}
	return end, 0
}

// dozeSetAccess changes the regions in [start, end).
func dozeSetAccess(start, end uintptr, access uint32) bool {
	r := &dozeMem.regions
	for va := start; va < end; {
		_, hi, kind := r.Lookup(va)
		hi = min(hi, end)
		object, off := r.Backing(va)
		if kind&dozeImage == 0 && !dozeSetRegion(va, hi, kind&^dozeSmall|access, fs.Node(object), off) {
			return false
		}
		va = hi
	}
	return true
}

// dozeConforming makes entries say what their regions do.
type dozeConforming struct {
	until   int64
	changed bool
}

// conform changes the entries of [start, end), and returns how far it came. ok is
// false if memory for a table is out.
func (c *dozeConforming) conform(start, end uintptr) (at uintptr, ok bool) {
	va := start
	for ok = true; ok && va < end && (va == start || dozeNow() < c.until); {
		if !dozeTable(va, 2) {
			va = dozeSkip(va)
			continue
		}
		_, hi, kind := dozeMem.regions.Lookup(va)
		stop := min(va&^(dozeBlock-1)+dozeBlock, end, hi)
		switch e := dozeEntry(va, 2); {
		case e == 0 || !dozeHas(kind) || kind&dozeImage != 0:
			va = stop
		case e&abi.PteHuge == 0:
			va = c.pages(va, stop, kind)
		case stop-va == dozeBlock:
			if bits := dozeBits(kind, 0); e&dozeRW != bits {
				dozeMap(va, e&abi.PteAddrMask|abi.PteHuge|bits, 1, 2, 0)
				c.changed = true
			}
			va = stop
		case e&dozeRW == dozeBits(kind, 0):
			va = stop
		default:
			ok = dozeSplit(va&^(dozeBlock-1), e)
		}
	}
	if c.changed {
		dozeGate(abi.ReqFlush, 0, 0, 0, 0, 0)
		dozeShootdown()
	}
	return min(va, end), ok
}

// pages changes the entries of [va, stop), under one table and in one region, in
// runs of frames in a row, and returns how far it came.
func (c *dozeConforming) pages(va, stop uintptr, kind uint32) uintptr {
	for start := va; va < stop && (va == start || dozeNow() < c.until); {
		e := dozeEntry(va, 1)
		bits := dozeBits(kind, e)
		if e == 0 || e&(dozeRW|dozePteFile) == bits {
			va += dozePage
			continue
		}
		n := uintptr(1)
		for n < dozeEntries && va+n*dozePage < stop && dozeEntry(va+n*dozePage, 1) == e+n*dozePage {
			n++
		}
		dozeMap(va, e&abi.PteAddrMask|bits, n, 1, dozePage)
		c.changed = true
		va += n * dozePage
	}
	return va
}
