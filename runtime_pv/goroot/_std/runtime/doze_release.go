package runtime

// Taking pages away from the program: each is cleared while no vCPU runs the
// program, unmapped, and its frame freed, unless that is a file's.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
)

// dozeLoose is memory whose pages are taken away.
type dozeLoose struct {
	end   uintptr
	until int64 // when it is enough for now
	files bool  // take those alone that are a file's
	going bool  // take those alone whose region is on its way out
	took  bool  // there were any
}

// dozeRelease takes every mapped page out of [start, end), and returns how far it
// came until time was up. The other vCPUs stand still from before the first page is
// cleared until this stay in the kernel ends: a store between clearing and
// unmapping would leave a free frame that is not zero.
func dozeRelease(start, end uintptr, until int64) uintptr {
	l := dozeLoose{end: end, until: until}
	return l.release(start)
}

func (l *dozeLoose) release(start uintptr) uintptr {
	va := start
	for va < l.end && (va == start || dozeNow() < l.until) {
		if !dozeTable(va, 2) {
			va = dozeSkip(va)
			continue
		}
		stop := min(va&^(dozeBlock-1)+dozeBlock, l.end)
		if l.going {
			lo, hi, kind := dozeMem.regions.Lookup(va)
			if stop = min(stop, hi); kind&dozeGoing == 0 || lo > va {
				va = stop
				continue
			}
		}
		va = l.block(va, stop)
	}
	if l.took {
		dozeHide()
		dozeShootdown()
	}
	return min(va, l.end)
}

// block releases what of a block lies in [va, stop), and returns how far it came.
func (l *dozeLoose) block(va, stop uintptr) uintptr {
	e, whole := dozeEntry(va, 2), stop-va == dozeBlock
	if e == 0 {
		return stop
	}
	l.took = true
	dozeStill()
	switch {
	case e&abi.PteHuge == 0 && whole && l.whole(va):
		l.table(va, e&abi.PteAddrMask)
		return stop
	case e&abi.PteHuge == 0:
	case l.files:
		return stop
	case whole:
		dozeClearPages(va, e, dozeBlock)
		dozeMap(va, 0, 1, 2, dozeBlock)
		dozeFree(e&abi.PteAddrMask, dozeTablePages)
		return stop
	case !dozeSplit(va&^(dozeBlock-1), e):
		dozeClearPages(va, e, stop-va) // no frame for a table: at least it reads as zero
		return stop
	}
	return l.pages(va, stop)
}

// dozeClearPages clears n bytes at va, which lie under one entry: through that
// address if it can be written.
func dozeClearPages(va, e, n uintptr) {
	if e&dozeRW == dozeRW {
		mmio.Clear(va, n)
		return
	}
	pa := e & abi.PteAddrMask
	if e&abi.PteHuge != 0 {
		pa += va & (dozeBlock - 1)
	}
	for end := pa + n; pa < end; pa += dozePage {
		mmio.Clear(dozeShow(pa), dozePage)
	}
}

// dozeLost collects frames in a row that are to be freed.
type dozeLost struct{ pa, n uintptr }

func (f *dozeLost) add(pa uintptr) {
	if f.n > 0 && f.pa+f.n*dozePage != pa {
		f.free()
	}
	if f.n == 0 {
		f.pa = pa
	}
	f.n++
}

func (f *dozeLost) free() {
	if f.n > 0 {
		dozeFree(f.pa, f.n)
	}
	f.n = 0
}

// let clears and frees the page of an entry, if it is to go. Nobody can take the
// frame before it is unmapped.
func (l *dozeLoose) let(va, e uintptr, lost *dozeLost) bool {
	if e&dozePteFile != 0 {
		return true
	}
	if l.files {
		return false
	}
	dozeClearPages(va, e, dozePage)
	lost.add(e & abi.PteAddrMask)
	return true
}

// whole reports whether all pages under the table that maps the block at va are to go.
func (l *dozeLoose) whole(va uintptr) bool {
	for end := va + dozeBlock; l.files && va < end; va += dozePage {
		if e := dozeEntry(va, 1); e != 0 && e&dozePteFile == 0 {
			return false
		}
	}
	return true
}

// table releases all pages under the table that maps the block at va, and the
// table. All translations are dropped at once.
func (l *dozeLoose) table(va, table uintptr) {
	var lost dozeLost
	for at := va; at < va+dozeBlock; at += dozePage {
		if e := dozeEntry(at, 1); e != 0 {
			l.let(at, e, &lost)
		}
	}
	lost.free()
	dozeDropTable(va, table, 2)
}

// dozeDropTable unmaps the table under va's entry at a level, and frees it.
func dozeDropTable(va, table uintptr, level int) {
	dozeMap(va, 0, 1, level, dozeBlock)
	mmio.Clear(dozeShow(table), dozePage)
	dozeFree(table, 1)
}

// pages releases pages of [va, stop), which lie under one table, and returns how
// far it came. What is unmapped at once need not be frames in a row.
func (l *dozeLoose) pages(va, stop uintptr) uintptr {
	for start := va; va < stop && (va == start || dozeNow() < l.until); {
		var lost dozeLost
		n := uintptr(0)
		for n < dozeUnmaps && va+n*dozePage < stop {
			e := dozeEntry(va+n*dozePage, 1)
			if e == 0 || !l.let(va+n*dozePage, e, &lost) {
				break
			}
			n++
		}
		lost.free()
		if n == 0 {
			va += dozePage
			continue
		}
		dozeMap(va, 0, n, 1, dozePage)
		va += n * dozePage
	}
	// The heap shrinks piece by piece, and may be filled by a block. Other tables go with
	// their last pages if these are given back from one end to the other.
	if _, _, kind := dozeMem.regions.Lookup(va - 1); va == stop && (kind&dozeBlocks != 0 || va&(dozeBlock-1) == 0) {
		dozeDropEmpty(va-1, 1)
	}
	return va
}

// dozeDropEmpty frees the table that holds va's entry at a level, if all its
// entries are zero.
func dozeDropEmpty(va uintptr, level int) bool {
	if !dozeTable(va, level) || !mmio.Zero(dozeEntryAddr(va, level)&^(dozePage-1), dozePage) {
		return false
	}
	dozeDropTable(va, dozeEntry(va, level+1)&abi.PteAddrMask, level+1)
	return true
}

// dozeDropTables frees the tables around va that map nothing and that no region
// needs.
func dozeDropTables(va uintptr) {
	lo, hi, kind := dozeMem.regions.Lookup(va)
	for level := 1; level < 4 && kind == dozeNone; level++ {
		size := uintptr(dozePage) << (9 * level)
		if at := va &^ (size - 1); at < lo || at+size > hi || !dozeDropEmpty(va, level) {
			break
		}
	}
	dozeHide()
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
	dozeMap(va, 0, 1, 2, dozeBlock)
	dozeShootdown()
	dozeMap(va, table|dozeTableRW, 1, 2, 0)
	dozeMapUsed(va, entry&abi.PteAddrMask, entry&dozeRW)
	return true
}

// dozeMapUsed maps those pages of a block at va that are not zero, and frees the
// others. It looks through a window of the kernel's own, where the program
// writes nothing meanwhile.
func dozeMapUsed(va, pa, bits uintptr) {
	for i := uintptr(0); i < dozeTablePages; {
		zero := mmio.Zero(dozeShow(pa+i*dozePage), dozePage)
		n := uintptr(1)
		for i+n < dozeTablePages && mmio.Zero(dozeShow(pa+(i+n)*dozePage), dozePage) == zero {
			n++
		}
		if zero {
			dozeFree(pa+i*dozePage, n)
		} else {
			dozeMap(va+i*dozePage, pa+i*dozePage|bits, n, 1, dozePage)
		}
		i += n
	}
	dozeHide()
}

func dozeFree(pa, pages uintptr) {
	if !dozeMem.frames.Free(pa, pages) {
		dozeCrash("a frame was freed twice", pa)
	}
}
