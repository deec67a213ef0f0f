package runtime

// Calls about memory that is mapped: madvise(2), msync(2), mlock(2), mincore(2).

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
	"unsafe"
)

// Advice (asm-generic/mman-common.h).
const (
	dozeAdviseSequential = 2
	dozeAdviseWillNeed   = 3
	dozeAdviseDontNeed   = 4
	dozeAdviseFree       = 8
	dozeAdviseRemove     = 9
	dozeAdviseDontFork   = 10
	dozeAdviseWipe       = 18
	dozeAdvisePageOut    = 21
	dozeAdvisePopRead    = 22
	dozeAdvisePopWrite   = 23
	dozeAdviseUnlocked   = 24 // DONTNEED, locked pages too
)

// dozeMadvise serves madvise(2): DONTNEED and FREE give pages back at once, REMOVE
// those of the file, POPULATE takes them; the rest is advice about what this kernel
// does anyway. What needs a kernel that merges, poisons or collapses pages is refused.
func dozeMadvise(t *dozeThread, addr, n, advice uintptr) uintptr {
	end := addr + alignUp(n, dozePage)
	at, until := dozeSliceOf(t)
	switch {
	case advice > dozeAdviseUnlocked || advice > dozeAdviseDontNeed && advice < dozeAdviseFree:
		return dozeErr(linux.EINVAL)
	case advice == 12 || advice == 13: // MERGEABLE, UNMERGEABLE
		return dozeErr(linux.EINVAL)
	case addr&(dozePage-1) != 0 || end < addr || n != 0 && end == addr:
		return dozeErr(linux.EINVAL)
	case n == 0:
		return 0
	case at == 0:
		at = addr
	}
	for at < end {
		_, hi, kind := dozeMem.regions.Lookup(at)
		hi = min(hi, end)
		if dozeHas(kind) {
			next, errno := dozeAdvise(at, hi, kind, advice, until)
			if errno != 0 {
				return dozeErr(errno)
			}
			if next < hi {
				return dozeNextSlice(t, next)
			}
		}
		at = hi
	}
	dozeReportMany()
	return dozeErr(dozeHole(addr, end))
}

// dozeAdvise follows advice for [start, end), of one region, and returns how far it
// came.
func dozeAdvise(start, end uintptr, kind uint32, advice uintptr, until int64) (uintptr, uintptr) {
	object, off := dozeMem.regions.Backing(start)
	switch advice {
	case dozeAdviseFree:
		if object != 0 {
			return 0, linux.EINVAL
		}
	case dozeAdviseWipe:
		if object != 0 {
			return 0, linux.EINVAL
		}
		return end, 0
	case dozeAdviseRemove:
		if kind&(dozeShared|dozeMayWrite) != dozeShared|dozeMayWrite {
			return 0, linux.EACCES
		}
		return end, dozeTree.fs.Allocate(fs.Node(object), fs.PunchHole|fs.KeepSize, uint64(off), uint64(end-start))
	case dozeAdvisePopRead, dozeAdvisePopWrite:
		return dozePopulate(start, end, kind, advice == dozeAdvisePopWrite, until)
	case dozeAdviseDontNeed, dozeAdviseUnlocked:
	default:
		return end, 0
	}
	if kind&dozeImage != 0 {
		return 0, linux.EINVAL // the image is not there a second time
	}
	return dozeRelease(start, end, until), 0
}

// dozePopulate maps the pages of a region, and returns how far it came.
func dozePopulate(start, end uintptr, kind uint32, write bool, until int64) (uintptr, uintptr) {
	switch {
	case kind&dozeImage != 0:
		return end, 0
	case kind&dozeCanRead == 0 || write && kind&dozeCanWrite == 0:
		return 0, linux.EFAULT // as Linux says it of what can't be accessed
	}
	err := uintptr(0)
	if write {
		err = dozeFaultWrite
	}
	for va := start; va < end; va += dozePage {
		if va > start && dozeNow() > until {
			return va, 0
		}
		e, level := dozeLeaf(va)
		if e&dozeRW != 0 && (!write || e&dozeRW == dozeRW) {
			if level == 2 {
				va |= dozeBlock - dozePage
			}
			continue
		}
		if dozeReachable() < dozeReserve()+dozeTablePages {
			return 0, linux.ENOMEM
		}
		if dozeFill(va, err) != dozeFaultServed {
			return 0, linux.EFAULT
		}
	}
	return end, 0
}

// dozeHole returns ENOMEM if a part of [start, end) is not the program's.
func dozeHole(start, end uintptr) uintptr {
	for va := start; va < end; {
		_, hi, kind := dozeMem.regions.Lookup(va)
		if !dozeHas(kind) {
			return linux.ENOMEM
		}
		va = hi
	}
	return 0
}

// dozeMsync serves msync(2). What is shared is the file's, and there is no disk.
func dozeMsync(addr, n, flags uintptr) uintptr {
	const async, invalidate, sync = 1, 2, 4
	end := addr + alignUp(n, dozePage)
	switch {
	case flags&^(async|invalidate|sync) != 0 || flags&(async|sync) == async|sync || addr&(dozePage-1) != 0:
		return dozeErr(linux.EINVAL)
	case end < addr || n != 0 && end == addr:
		return dozeErr(linux.ENOMEM)
	}
	return dozeErr(dozeHole(addr, end))
}

// dozeMlock serves mlock(2) and mlock2(2): nothing is ever swapped, so what is
// mapped is locked.
func dozeMlock(t *dozeThread, addr, n uintptr, unknown bool) uintptr {
	end := alignUp(addr+n, dozePage)
	addr &^= dozePage - 1
	at, until := dozeSliceOf(t)
	switch {
	case unknown || end < addr:
		return dozeErr(linux.EINVAL)
	case at == 0:
		at = addr
	}
	if errno := dozeHole(addr, end); errno != 0 {
		return dozeErr(errno)
	}
	for at < end {
		_, hi, kind := dozeMem.regions.Lookup(at)
		hi = min(hi, end)
		write := kind&dozeCanWrite != 0
		next, errno := dozePopulate(at, hi, kind, write, until)
		if errno != 0 {
			return dozeErr(linux.ENOMEM)
		}
		if next < hi {
			return dozeNextSlice(t, next)
		}
		at = hi
	}
	return 0
}

func dozeMunlock(addr, n uintptr) uintptr {
	end := alignUp(addr+n, dozePage)
	if addr &^= dozePage - 1; end < addr {
		return dozeErr(linux.EINVAL)
	}
	return dozeErr(dozeHole(addr, end))
}

// dozeMincore serves mincore(2): a byte a page, 1 if it has a frame.
func dozeMincore(t *dozeThread, addr, n, vec uintptr) uintptr {
	pages := alignUp(n, dozePage) / dozePage
	switch {
	case addr&(dozePage-1) != 0:
		return dozeErr(linux.EINVAL)
	case addr+pages*dozePage < addr || n != 0 && pages == 0:
		return dozeErr(linux.ENOMEM)
	}
	done, until := dozeSliceOf(t)
	for done < pages {
		var in [64]uint8
		k := min(pages-done, uintptr(len(in)))
		for i := range k {
			va := addr + (done+i)*dozePage
			_, _, kind := dozeMem.regions.Lookup(va)
			if !dozeHas(kind) {
				return dozeErr(linux.ENOMEM)
			}
			if e, _ := dozeLeaf(va); e != 0 || kind&dozeImage != 0 || dozeFilled(va) {
				in[i] = 1
			}
		}
		if !dozeCopyOut(vec+done, uintptr(unsafe.Pointer(&in)), k) {
			return dozeErr(linux.EFAULT)
		}
		if done += k; done < pages && dozeNow() > until {
			return dozeNextSlice(t, done)
		}
	}
	return 0
}
