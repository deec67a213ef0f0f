package runtime

// Mappings of files (docs/mappings.md): the program sees the pages that the file
// has, so what is written there, by whichever way, is one. A page of a private
// mapping is copied before it is written.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
)

// dozeFillRound is how many pages of a file are mapped around one that is touched.
const dozeFillRound = 16

// dozeFillFile maps the page of a file that addr shows, off in it, and those around
// it that there are.
func dozeFillFile(addr, object, off uintptr, kind uint32, write bool) int {
	f, n := dozeFiles(), fs.Node(object)
	va := addr &^ (dozePage - 1)
	if uint64(off) >= f.Size(n) {
		return dozeFaultBus
	}
	if !dozeLink(va, 1) {
		dozeOutOfMemory(addr)
		return dozeFaultServed
	}
	page := f.Page(n, off/dozePage, true)
	if page == 0 {
		return dozeFaultBus // as Linux says it where a file system is full
	}
	dozeFaults++
	e := dozeFrameOf(page) | dozePteFile
	if write && kind&dozeShared == 0 {
		dozeCopyOnWrite(va, e)
		return dozeFaultServed
	}
	if kind&dozeShared != 0 && write {
		dozeMakeAhead(n, off/dozePage)
	}
	lo := va &^ (dozeFillRound*dozePage - 1)
	dozeMapFilePages(lo, lo+dozeFillRound*dozePage, kind, object)
	return dozeFaultServed
}

// dozeMakeAhead makes the pages behind one that was made, up to where a round ends, if
// the file is written from its beginning on, as memory without a name usually is: a
// fault costs more than a page.
func dozeMakeAhead(n fs.Node, index uintptr) {
	f := &dozeTree.fs
	end := min((index|(dozeFillRound-1))+1, (uintptr(f.Size(n))+dozePage-1)/dozePage)
	if index > 0 && f.Page(n, index-1, false) == 0 || dozeMem.frames.FreePages() < dozeTotalPages()/4 {
		return
	}
	for index++; index < end && f.Page(n, index, true) != 0; index++ {
	}
}

// dozeFrameOf is the frame of a file's page: one of the kernel's pages, or of the image,
// which lies at its own address.
func dozeFrameOf(page uintptr) uintptr {
	if page >= dozePagesBase {
		return page - dozePagesBase
	}
	return page
}

// dozeFileData is where the kernel sees a file's frame.
func dozeFileData(pa uintptr) uintptr {
	if pa >= abi.ImageBase && pa < dozeMem.imageEnd {
		return pa
	}
	return dozePagesBase + pa
}

// dozeMapFilePages maps the pages of a file in [va, end), under one table, that it
// has, where nothing is mapped yet.
func dozeMapFilePages(va, end uintptr, kind uint32, object uintptr) {
	var run dozeFileRun
	bits := dozeBits(kind, dozePteFile)
	for ; va < end; va += dozePage {
		pa := uintptr(0)
		if o, off := dozeMem.regions.Backing(va); o == object && dozeEntry(va, 1) == 0 {
			if _, _, k := dozeMem.regions.Lookup(va); k == kind && uint64(off) < dozeTree.fs.Size(fs.Node(object)) {
				if page := dozeTree.fs.Page(fs.Node(object), off/dozePage, false); page != 0 {
					pa = dozeFrameOf(page)
				}
			}
		}
		run.add(va, pa, bits)
	}
	run.add(va, 0, bits)
}

// dozeFileRun collects pages in a row at addresses in a row.
type dozeFileRun struct{ va, pa, n uintptr }

func (r *dozeFileRun) add(va, pa, bits uintptr) {
	if r.n > 0 && (pa != r.pa+r.n*dozePage || va != r.va+r.n*dozePage) {
		dozeMap(r.va, r.pa|bits, r.n, 1, dozePage)
		r.n = 0
	}
	if pa == 0 {
		return
	}
	if r.n == 0 {
		r.va, r.pa = va, pa
	}
	r.n++
}

// dozeUnmapPages is dozeUnmapFile at once.
func dozeUnmapPages(n fs.Node, lo, hi uintptr, copies bool) {
	dozeUnmapFile(n, lo, hi, copies, dozeForever)
}

// dozeUnmapFile takes the pages lo to hi of a file away from whoever has mapped
// them, copies included if copies says so, before the file lets go of them. It returns
// false if there is more to do when time is up.
func dozeUnmapFile(n fs.Node, lo, hi uintptr, copies bool, until int64) (done bool) {
	r := &dozeMem.regions
	lo, hi = lo*dozePage, min(hi, fs.MaxSize/dozePage)*dozePage
	for i := 0; i < r.Len(); i++ {
		start, end, _ := r.At(i)
		object, off := r.Backing(start)
		if object != uintptr(n) || off >= hi || off+end-start <= lo {
			continue
		}
		from := start + max(lo, off) - off
		to := min(end, start+hi-off)
		l := dozeLoose{end: to, until: until, files: !copies}
		if l.release(from) < to {
			return false
		}
	}
	return true
}

// dozeMapObject returns what mmap(2) of a descriptor is to show, 0 for memory, and
// what its region may be asked for.
func dozeMapObject(fd, prot, flags uintptr) (node fs.Node, kind uint32, errno uintptr) {
	f := dozeFd(fd)
	if f == nil || f.flags&linux.OPath != 0 {
		return 0, 0, linux.EBADF
	}
	access := f.flags & linux.OAccess
	shared := flags&dozeMapType != _MAP_PRIVATE
	switch {
	case access == linux.OWronly:
		return 0, 0, linux.EACCES
	case shared && prot&_PROT_WRITE != 0 && access != linux.ORdwr:
		return 0, 0, linux.EACCES
	}
	if shared {
		kind = dozeShared
		if access == linux.ORdwr {
			kind |= dozeMayWrite
		}
	}
	if f.ops.kind == dozeFileZero {
		return 0, kind, 0
	}
	node = dozeNodeOf(f)
	if node == 0 || dozeFiles().Type(node) != fs.TypeFile {
		return 0, 0, linux.ENODEV
	}
	return node, kind, 0
}

// dozeMapUnnamed returns a file without a name for memory that is shared: it stays
// when its pages are given back. It is held once.
func dozeMapUnnamed(size uintptr) (fs.Node, uintptr) {
	f := dozeFiles()
	n, errno := f.NewFile(0o600)
	if errno == 0 {
		if errno = f.Truncate(n, uint64(size)); errno != 0 {
			f.Release(n)
		}
	}
	if errno != 0 {
		return 0, linux.ENOMEM
	}
	return n, 0
}

// dozeSetRegion makes [start, end) a region that shows a file from off on, or none,
// and counts the pages that each file has mapped. It returns false if there are too
// many regions.
func dozeSetRegion(start, end uintptr, kind uint32, n fs.Node, off uintptr) bool {
	r := &dozeMem.regions
	if !r.Room(start, end, kind, uintptr(n), off) {
		return false
	}
	if n != 0 {
		dozeTree.fs.Mapped(n, int((end-start)/dozePage))
	}
	for va := start; va < end; {
		lo, hi, _ := r.Lookup(va)
		hi = min(hi, end)
		if object, _ := r.Backing(va); object != 0 && lo < end {
			dozeTree.fs.Mapped(fs.Node(object), -int((hi-va)/dozePage))
		}
		va = hi
	}
	return r.SetObject(start, end, kind, uintptr(n), off)
}

// dozeFilled says for mincore(2) whether the file that va shows has its page.
func dozeFilled(va uintptr) bool {
	object, off := dozeMem.regions.Backing(va)
	return object != 0 && dozeTree.fs.Page(fs.Node(object), off/dozePage, false) != 0
}
