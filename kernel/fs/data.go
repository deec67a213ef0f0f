package fs

import "github.com/doze-vm/doze/kernel/linux"

// The bytes of a regular file, piece by piece: whoever reads or writes copies
// them itself.

// Peek returns where up to n bytes of a file from off on lie, and how many of them
// lie there in a row; 0 bytes is the end of the file. Address 0 stands for bytes
// that are zero.
func (f *FS) Peek(n Node, off, count uint64) (addr, size uintptr) {
	i := f.inode(n)
	if off >= i.size {
		return 0, 0
	}
	count = min(count, i.size-off)
	page, missing := i.lookup(uintptr(off / PageSize))
	in := uintptr(off % PageSize)
	if page != 0 {
		return page + in, uintptr(min(count, uint64(PageSize-in)))
	}
	count = min(count, uint64(missing*PageSize-in))
	if off < uint64(i.dataLen) {
		return i.data + uintptr(off), uintptr(min(count, uint64(i.dataLen)-off))
	}
	return 0, uintptr(count)
}

// Prepare returns where to put the bytes of a file from off on, and for how many
// of count there is room in a row, making a page if there is none. The file's size
// stays: Wrote follows. What is put beyond the size must be told to Wrote.
func (f *FS) Prepare(n Node, off, count uint64) (addr, size uintptr, errno Errno) {
	i := f.inode(n)
	switch {
	case i.flags&ReadOnly != 0:
		return 0, 0, linux.EROFS
	case off >= MaxSize:
		return 0, 0, linux.EFBIG
	}
	page := f.own(i, uintptr(off/PageSize))
	if page == 0 {
		return 0, 0, linux.ENOSPC
	}
	in := uintptr(off % PageSize)
	return page + in, uintptr(min(count, uint64(PageSize-in))), 0
}

// Page returns the page of a file at an index, for a mapping to show: one that is
// there or, if it may, makes one. 0 is none, or no memory for it. It stays until
// the hook of OnUnmap was called for it. A page of bytes that are used in place and never
// change is where they lie.
func (f *FS) Page(n Node, index uintptr, make bool) uintptr {
	i := f.inode(n)
	page, _ := i.lookup(index)
	if at := i.data + index*PageSize; page == 0 && i.flags&ReadOnly != 0 && (index+1)*PageSize <= i.dataLen && at%PageSize == 0 {
		return at
	}
	if page == 0 && make {
		page = f.own(i, index)
	}
	return page
}

// useInPlace makes s what a new node holds.
func (i *inode) useInPlace(s string) {
	i.data, i.dataLen, i.size = addrOf(s), uintptr(len(s)), uint64(len(s))
}

// own is ensure for a file whose bytes may be used in place: the page begins with
// them.
func (f *FS) own(i *inode, index uintptr) uintptr {
	if page, _ := i.lookup(index); page != 0 {
		return page
	}
	page := f.ensure(i, index)
	if off := index * PageSize; page != 0 && off < i.dataLen {
		copyBytes(page, i.data+off, min(PageSize, i.dataLen-off))
	}
	return page
}

// Wrote notes that bytes up to end, exclusive, have been written.
func (f *FS) Wrote(n Node, end uint64) {
	i := f.inode(n)
	i.size = max(i.size, end)
	f.changed(n)
}

// Truncate sets a file's size. What it gains is zero.
func (f *FS) Truncate(n Node, size uint64) Errno {
	shrinks, errno := f.Shrink(n, size)
	if shrinks {
		f.unmapPages(n, roundUp(uintptr(size), PageSize)/PageSize, maxPages, true)
		f.Cut(n)
	}
	return errno
}

// Shrink sets a file's size. If there was more of it the caller takes the pages behind
// the new size away from whoever has mapped them, and calls Cut then; until then nothing
// else may change the file.
func (f *FS) Shrink(n Node, size uint64) (shrinks bool, errno Errno) {
	i := f.inode(n)
	switch {
	case i.is(TypeDir):
		return false, linux.EISDIR
	case !i.is(TypeFile):
		return false, linux.EINVAL
	case i.flags&ReadOnly != 0:
		return false, linux.EROFS
	case size > MaxSize:
		return false, linux.EFBIG
	}
	shrinks = size < i.size
	i.size = size
	f.changed(n)
	return shrinks, 0
}

// Cut takes away what a file that was shrunk has behind its size.
func (f *FS) Cut(n Node) {
	i := f.inode(n)
	f.cutAt(i, uintptr(i.size))
}

// IsMapped reports whether anything of a file is mapped.
func (f *FS) IsMapped(n Node) bool { return f.inode(n).maps != 0 }

// cutAt takes away all that lies beyond size.
func (f *FS) cutAt(i *inode, size uintptr) {
	i.dataLen = min(i.dataLen, size)
	f.losePages(i, roundUp(size, PageSize)/PageSize, maxPages)
	if page, _ := i.lookup(size / PageSize); page != 0 {
		clearAt(page+size%PageSize, PageSize-size%PageSize)
	}
}

// Modes of Allocate (Linux falloc.h).
const (
	KeepSize  = 1
	PunchHole = 2
	ZeroRange = 16
)

// Allocate serves fallocate(2): pages for a range, or none.
func (f *FS) Allocate(n Node, mode uint32, off, count uint64) Errno {
	if errno := f.mayAllocate(n, mode, off, count); errno != 0 {
		return errno
	}
	i := f.inode(n)
	if mode&(PunchHole|ZeroRange) != 0 {
		f.unmapPages(n, roundUp(uintptr(off), PageSize)/PageSize, uintptr(off+count)/PageSize, false)
		if errno := f.zero(i, uintptr(off), uintptr(off+count)); errno != 0 {
			return errno
		}
	}
	if mode&PunchHole == 0 {
		if errno := f.fillPages(n, uintptr(off/PageSize), uintptr((off+count-1)/PageSize)+1); errno != 0 {
			return errno
		}
	}
	if mode&KeepSize == 0 {
		i.size = max(i.size, off+count)
	}
	f.changed(n)
	return 0
}

// Allocatable says why Allocate would fail. Who allocates in pieces asks for the whole
// first.
func (f *FS) Allocatable(n Node, mode uint32, off, count uint64) Errno {
	errno := f.mayAllocate(n, mode, off, count)
	if errno == 0 && !f.fits(f.inode(n).missing(uintptr(off/PageSize), uintptr((off+count-1)/PageSize)+1)) {
		errno = linux.ENOSPC
	}
	return errno
}

// Unallocate undoes what allocating in pieces has made: pages that are zero. Nobody can
// tell.
func (f *FS) Unallocate(n Node, off, count uint64) {
	lo, hi := uintptr(off/PageSize), roundUp(uintptr(off+count), PageSize)/PageSize
	f.unmapPages(n, lo, hi, false)
	f.dropZeros(f.inode(n), lo, hi)
}

func (f *FS) mayAllocate(n Node, mode uint32, off, count uint64) Errno {
	i := f.inode(n)
	switch {
	case mode&^(KeepSize|PunchHole|ZeroRange) != 0 || mode&PunchHole != 0 && mode != PunchHole|KeepSize:
		return linux.EOPNOTSUPP
	case i.flags&ReadOnly != 0:
		return linux.EROFS
	case count == 0 || int64(off) < 0 || int64(count) < 0:
		return linux.EINVAL
	case off > MaxSize || count > MaxSize-off:
		return linux.EFBIG
	}
	return 0
}

// missing is how many of the pages lo to hi are not there.
func (i *inode) missing(lo, hi uintptr) (n uintptr) {
	for k := lo; k < hi; {
		_, gap := i.lookup(k)
		gap = min(gap, hi-k)
		n += gap
		k += max(gap, 1)
	}
	return n
}

// fillPages makes the pages lo to hi of a file that are missing: all of them, or none. What
// is undone if the pages run out half-way are those that hold nothing.
func (f *FS) fillPages(n Node, lo, hi uintptr) Errno {
	i := f.inode(n)
	if !f.fits(i.missing(lo, hi)) {
		return linux.ENOSPC
	}
	for k := lo; k < hi; k++ {
		if f.own(i, k) == 0 {
			f.unmapPages(n, lo, k, false)
			f.dropZeros(i, lo, k)
			return linux.ENOSPC
		}
	}
	return 0
}

// dropZeros frees those of the pages lo to hi that are zero.
func (f *FS) dropZeros(i *inode, lo, hi uintptr) {
	for k := lo; k < hi; k++ {
		page, _ := i.lookup(k)
		if page == 0 || k*PageSize < i.dataLen || !isZero(page) {
			continue
		}
		f.dropPages(i, k, k+1)
	}
}

func isZero(page uintptr) bool {
	for k := uintptr(0); k < words; k++ {
		if load(page+k*8) != 0 {
			return false
		}
	}
	return true
}

// zero makes a range read as zeros, freeing what pages it can.
func (f *FS) zero(i *inode, lo, hi uintptr) Errno {
	first, end := roundUp(lo, PageSize), hi&^pageOffset
	if first > end {
		return f.zeroIn(i, lo, hi)
	}
	if errno := f.zeroIn(i, lo, first); errno != 0 {
		return errno
	}
	if errno := f.zeroIn(i, end, hi); errno != 0 {
		return errno
	}
	f.losePages(i, first/PageSize, end/PageSize)
	for off := first; off < end && off < i.dataLen; off += PageSize {
		if f.ensure(i, off/PageSize) == 0 {
			return linux.ENOSPC
		}
	}
	return 0
}

// zeroIn is zero within one page.
func (f *FS) zeroIn(i *inode, lo, hi uintptr) Errno {
	if page, _ := i.lookup(lo / PageSize); lo == hi || page == 0 && lo >= i.dataLen {
		return 0
	}
	page := f.own(i, lo/PageSize)
	if page == 0 {
		return linux.ENOSPC
	}
	clearAt(page+lo%PageSize, hi-lo)
	return 0
}

// Seek returns the first place from off on that holds data, or is a hole; the
// end of a file is a hole. It fails with ENXIO beyond the end.
func (f *FS) Seek(n Node, off uint64, hole bool) (uint64, Errno) {
	i := f.inode(n)
	for off < i.size {
		page, missing := i.lookup(uintptr(off / PageSize))
		switch {
		case page != 0:
			if !hole {
				return off, 0
			}
			off = off&^pageOffset + PageSize
		case off < uint64(i.dataLen):
			if !hole {
				return off, 0
			}
			off += min(uint64(i.dataLen)-off, uint64(missing)*PageSize-off%PageSize)
		case hole:
			return off, 0
		default:
			off = off&^pageOffset + uint64(missing)*PageSize
		}
		if hole && off >= i.size {
			return i.size, 0
		}
	}
	return 0, linux.ENXIO
}
