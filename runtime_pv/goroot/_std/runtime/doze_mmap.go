package runtime

// mmap(2), munmap(2) and mremap(2): which addresses are the program's, and what
// they show.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
)

// Flags of mmap(2) (asm-generic/mman.h, mman-common.h).
const (
	dozeMapType       = 0xf
	dozeMapShared     = 1
	dozeMapValidate   = 3
	dozeMap32Bit      = 0x40
	dozeMapHugeTLB    = 0x40000
	dozeMapNoReplace  = 0x100000
	dozeMapLegacy     = 0x7f9f3 | 0x7c000000 // flags that every file takes (LEGACY_MAP_MASK)
	dozeMinimumBytes  = 64 << 10             // vm.mmap_min_addr
	dozeErrnoOverflow = 75
)

// dozeMapping is what a call of mmap(2) asks for.
type dozeMapping struct {
	addr, n uintptr
	prot    uintptr
	flags   uintptr
	node    fs.Node // what it shows, 0 for memory of its own
	off     uintptr
	kind    uint32
}

// dozeMmap serves mmap(2).
func dozeMmap(t *dozeThread, addr, n, prot, flags uintptr) uintptr {
	m := dozeMapping{addr: addr, n: alignUp(n, dozePage), prot: prot, flags: flags, off: t.r9}
	if flags&dozeMapNoReplace != 0 {
		m.flags |= _MAP_FIXED
	}
	errno := m.object(t.r8)
	if errno == 0 {
		errno = m.check(n)
	}
	if errno != 0 {
		return dozeErr(errno)
	}
	if m.flags&_MAP_FIXED == 0 {
		return m.make(dozePlace(addr, m.n))
	}
	at, until := dozeSliceOf(t)
	if at == 0 && !dozeMem.regions.Room(addr, addr+m.n, m.kind|dozeAccessOf(prot), uintptr(m.node), m.off) {
		return dozeErr(linux.ENOMEM)
	}
	if at = m.clear(at, dozeSlicing(until)); at != 0 {
		return dozeNextSlice(t, at)
	}
	r := m.make(addr)
	dozeGone(addr, addr+m.n) // if it could not be made
	return r
}

// dozeSlicing is until when a slice of unmapping lasts. Marking what is on its way out can take
// two regions more: without room for them it is done at once.
func dozeSlicing(until int64) int64 {
	if dozeMem.regions.Len()+2 > dozeMaxRegions {
		return dozeForever
	}
	return until
}

// object finds what is to be mapped.
func (m *dozeMapping) object(fd uintptr) (errno uintptr) {
	if m.off&(dozePage-1) != 0 {
		return linux.EINVAL
	}
	shared := m.flags&dozeMapType != _MAP_PRIVATE
	if m.flags&_MAP_ANON != 0 {
		m.off = 0
		if m.flags&dozeMapType == dozeMapValidate {
			return linux.EINVAL
		}
		if shared {
			m.kind = dozeShared | dozeMayWrite
		}
		return 0
	}
	if m.node, m.kind, errno = dozeMapObject(fd, m.prot, m.flags); m.node == 0 {
		m.off = 0
	}
	return errno
}

// check says why a mapping can't be, in the order in which Linux looks. Nothing that
// is mapped can be executed: EACCES is what Linux says where its policy has it so
// (SELinux's execmem).
func (m *dozeMapping) check(n uintptr) uintptr {
	kind := m.flags & dozeMapType
	switch {
	case n == 0:
		return linux.EINVAL
	case m.n == 0 || m.n > dozeMmapHigh:
		return linux.ENOMEM
	case m.off+m.n < m.off:
		return dozeErrnoOverflow
	case kind == 0 || kind > dozeMapValidate:
		return linux.EINVAL
	case kind == dozeMapValidate && m.flags&^dozeMapLegacy != 0:
		return linux.EOPNOTSUPP
	case m.flags&_MAP_FIXED != 0 && m.addr&(dozePage-1) != 0:
		return linux.EINVAL
	case m.flags&_MAP_FIXED != 0 && m.addr < dozeMinimumBytes:
		return linux.EPERM
	case m.prot&_PROT_EXEC != 0:
		return linux.EACCES
	case m.flags&(dozeMapHugeTLB|dozeMap32Bit) != 0:
		return linux.ENOMEM // there are no reserved blocks, and no addresses below 4 GiB
	case m.flags&_MAP_FIXED != 0:
		return m.checkFixed()
	}
	return 0
}

func (m *dozeMapping) checkFixed() uintptr {
	end := m.addr + m.n
	if m.flags&dozeMapNoReplace != 0 {
		if _, hi, kind := dozeMem.regions.Lookup(m.addr); kind != dozeNone || end > hi {
			return linux.EEXIST
		}
	}
	switch {
	case m.addr < dozeMmapLow || end > dozeMmapHigh || end < m.addr:
		return linux.ENOMEM
	case m.node == 0 && m.kind&dozeShared == 0 && m.prot&_PROT_WRITE != 0 && m.n/dozePage > dozeMostPages():
		dozeTooMuch(m.n) // the heap grows by more than there is
		return linux.ENOMEM
	}
	return 0
}

// clear takes away what is where a mapping is to be, from at on. It returns where
// to go on, 0 at the end.
func (m *dozeMapping) clear(at uintptr, until int64) uintptr {
	end := m.addr + m.n
	if at == 0 {
		at = m.addr
	} else if !dozeAllGoing(m.addr, end) {
		at = m.addr // somebody else has mapped something meanwhile
	}
	if at = dozeRelease(at, end, until); at < end {
		dozeSetGoing(m.addr, end)
		return at
	}
	return 0
}

// make makes the region at addr.
func (m *dozeMapping) make(addr uintptr) uintptr {
	if addr == 0 {
		return dozeErr(linux.ENOMEM)
	}
	kind := m.kind | dozeAccessOf(m.prot)
	node := m.node
	if node == 0 && kind&dozeShared != 0 {
		var errno uintptr
		if node, errno = dozeMapUnnamed(m.n); errno != 0 {
			return dozeErr(errno)
		}
	} else if node == 0 && (m.n >= 2*dozeBlock && m.flags&_MAP_FIXED != 0) {
		kind |= dozeBlocks // the heap grows in such pieces
	}
	ok := dozeSetRegion(addr, addr+m.n, kind, node, m.off)
	if node != m.node {
		dozeTree.fs.Release(node) // the region has it
	}
	if !ok {
		return dozeErr(linux.ENOMEM)
	}
	return addr
}

// dozeAllGoing reports whether all of [start, end) is on its way out, or nobody's.
func dozeAllGoing(start, end uintptr) bool {
	for va := start; va < end; {
		_, hi, kind := dozeMem.regions.Lookup(va)
		if dozeHas(kind) {
			return false
		}
		va = hi
	}
	return true
}

// dozeSetGoing marks all regions in [start, end) as on their way out: nobody gets
// these addresses, nobody's access goes on, and the file of a region stays until its
// pages are unmapped.
func dozeSetGoing(start, end uintptr) {
	r := &dozeMem.regions
	for va := start; va < end; {
		_, hi, kind := r.Lookup(va)
		hi = min(hi, end)
		if dozeHas(kind) {
			object, off := r.Backing(va)
			if !dozeSetRegion(va, hi, kind|dozeGoing, fs.Node(object), off) {
				dozeCrash("no room for a region that is being unmapped", va)
			}
		}
		va = hi
	}
}

// dozeGone ends the regions in [start, end) that are on their way out.
func dozeGone(start, end uintptr) {
	for va := start; va < end; {
		_, hi, kind := dozeMem.regions.Lookup(va)
		hi = min(hi, end)
		if kind&dozeGoing != 0 {
			dozeSetRegion(va, hi, dozeNone, 0, 0)
		}
		va = hi
	}
	dozeDropTables(start)
	dozeDropTables(end - 1)
}

// dozePlace finds n free bytes, at the hint if that is free, else lowest first.
func dozePlace(hint, n uintptr) uintptr {
	r := &dozeMem.regions
	hint = alignUp(hint, dozePage)
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
func dozeMunmap(t *dozeThread, addr, n uintptr) uintptr {
	end := addr + alignUp(n, dozePage)
	switch {
	case addr&(dozePage-1) != 0 || end <= addr || end > abi.MapHigh:
		return dozeErr(linux.EINVAL)
	case addr < dozeMmapLow && dozeOverlaps(addr, end, dozeImage) || end > dozeMmapHigh && dozeOverlaps(addr, end, dozeOwned):
		return dozeErr(linux.EINVAL) // the image and the first stack stay
	}
	at, until := dozeSliceOf(t)
	if at == 0 {
		if !dozeMem.regions.Room(addr, end, dozeNone, 0, 0) {
			return dozeErr(linux.ENOMEM)
		}
		if at = dozeRelease(addr, end, dozeSlicing(until)); at == end {
			dozeSetRegion(addr, end, dozeNone, 0, 0)
			dozeDropTables(addr)
			dozeDropTables(end - 1)
			dozeReportMany()
			return 0
		}
		dozeSetGoing(addr, end)
		return dozeNextSlice(t, at)
	}
	l := dozeLoose{end: end, until: until, going: true}
	if at = l.release(at); at < end {
		return dozeNextSlice(t, at)
	}
	dozeGone(addr, end)
	dozeReportMany()
	return 0
}

// dozeOverlaps reports whether a region of the kind is in [start, end).
func dozeOverlaps(start, end uintptr, kind uint32) bool {
	for va := start; va < end; {
		_, hi, k := dozeMem.regions.Lookup(va)
		if k&kind != 0 {
			return true
		}
		va = hi
	}
	return false
}

// Flags of mremap(2) (linux/mman.h). MREMAP_DONTUNMAP is not served.
const (
	dozeRemapMove  = 1
	dozeRemapFixed = 2
)

// dozeMremap serves mremap(2).
func dozeMremap(t *dozeThread, addr, old, n, flags, to uintptr) uintptr {
	r := &dozeMem.regions
	oldEnd, size := addr+alignUp(old, dozePage), alignUp(n, dozePage)
	if t.from != 0 {
		return dozeShrink(t, addr, addr+size, oldEnd) // what alone goes in slices
	}
	switch {
	case flags&^(dozeRemapMove|dozeRemapFixed) != 0 || flags&dozeRemapFixed != 0 && flags&dozeRemapMove == 0:
		return dozeErr(linux.EINVAL)
	case addr&(dozePage-1) != 0 || size == 0 || size > dozeMmapHigh:
		return dozeErr(linux.EINVAL)
	case flags&dozeRemapFixed != 0:
		return dozeErr(linux.EINVAL) // not served
	}
	_, end, kind := r.Lookup(addr)
	switch {
	case !dozeHas(kind) || kind&dozeImage != 0 || oldEnd > end || oldEnd < addr:
		return dozeErr(linux.EFAULT)
	case old == 0 && kind&dozeShared == 0:
		return dozeErr(linux.EINVAL)
	case old != 0 && addr+size <= oldEnd:
		return dozeShrink(t, addr, addr+size, oldEnd)
	}
	object, off := r.Backing(addr)
	if _, gap, k := r.Lookup(oldEnd); old != 0 && k == dozeNone && addr+size <= min(gap, dozeMmapHigh) {
		if !dozeSetRegion(addr, addr+size, kind, fs.Node(object), off) {
			return dozeErr(linux.ENOMEM)
		}
		return addr
	}
	if flags&dozeRemapMove == 0 {
		return dozeErr(linux.ENOMEM)
	}
	if to = dozePlace(0, size); to == 0 || !dozeSetRegion(to, to+size, kind, fs.Node(object), off) {
		return dozeErr(linux.ENOMEM)
	}
	if old == 0 {
		return to // the same once more
	}
	if !dozeMovePages(addr, oldEnd, to) {
		dozeMovePages(to, to+oldEnd-addr, addr)
		dozeSetRegion(to, to+size, dozeNone, 0, 0)
		return dozeErr(linux.ENOMEM)
	}
	dozeSetRegion(addr, oldEnd, dozeNone, 0, 0)
	dozeDropTables(addr)
	dozeDropTables(oldEnd - 1)
	return to
}

// dozeShrink gives back the end of what is mapped at addr.
func dozeShrink(t *dozeThread, addr, from, end uintptr) uintptr {
	if from == end {
		return addr
	}
	if r := dozeMunmap(t, from, end-from); r != 0 {
		return r
	}
	return addr
}

// dozeMovePages maps at to what is mapped in [start, end), and unmaps it there. Tables
// and blocks move as a whole where they can. It returns false if there is no
// memory for a table: what was moved until then stays where it is now.
func dozeMovePages(start, end, to uintptr) bool {
	dozeStill()
	ok := dozeMoveAll(start, end, to)
	dozeShootdown()
	return ok
}

func dozeMoveAll(start, end, to uintptr) bool {
	for va := start; va < end; {
		if !dozeTable(va, 2) {
			va = dozeSkip(va)
			continue
		}
		dst := to + va - start
		stop := min(va&^(dozeBlock-1)+dozeBlock, end)
		e := dozeEntry(va, 2)
		switch {
		case e == 0:
		case stop-va == dozeBlock && dst&(dozeBlock-1) == 0:
			if !dozeLink(dst, 2) {
				return false
			}
			dozeMap(va, 0, 1, 2, dozeBlock)
			dozeMap(dst, e, 1, 2, 0)
		case e&abi.PteHuge != 0 && !dozeSplit(va&^(dozeBlock-1), e), !dozeMoveSmall(va, stop, dst):
			return false
		}
		va = stop
	}
	return true
}

// dozeMoveSmall moves the pages of [va, stop), under one table.
func dozeMoveSmall(va, stop, dst uintptr) bool {
	for va < stop {
		e := dozeEntry(va, 1)
		if e == 0 {
			va, dst = va+dozePage, dst+dozePage
			continue
		}
		if !dozeLink(dst, 1) {
			return false
		}
		n := uintptr(1)
		for n < dozeEntries && va+n*dozePage < stop && (dst+n*dozePage)&(dozeBlock-1) != 0 && dozeEntry(va+n*dozePage, 1) == e+n*dozePage {
			n++
		}
		dozeMap(va, 0, n, 1, dozePage)
		dozeMap(dst, e&^abi.PteNX, n, 1, dozePage)
		va, dst = va+n*dozePage, dst+n*dozePage
	}
	return true
}
