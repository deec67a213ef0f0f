package fs

// The pages of a regular file: a tree of tables of addresses. A tree of height 1
// is one page of data, each level more is a table of 512; what was never written
// has no page.

const (
	tableBits  = 9
	maxHeight  = 4
	maxPages   = 1 << (tableBits * (maxHeight - 1))
	MaxSize    = maxPages * PageSize // of a file: 512 GiB
	pageOffset = PageSize - 1
)

// below is how many pages a tree of a height covers.
func below(height uint32) uintptr { return 1 << (tableBits * (height - 1)) }

// lookup returns the page of an index, or 0 and how many pages from there on
// are known to be missing, at least one.
func (i *inode) lookup(index uintptr) (page, missing uintptr) {
	if i.height == 0 || index >= below(i.height) {
		return 0, maxPages - min(index, maxPages-1)
	}
	page = i.root
	for h := i.height; h > 1; h-- {
		span := below(h - 1)
		if page = load(page + index/span%words*8); page == 0 {
			return 0, span - index%span
		}
	}
	return page, 0
}

// ensure returns the page of an index, a new zero one if there was none, or 0.
func (f *FS) ensure(i *inode, index uintptr) uintptr {
	if i.height == 0 {
		i.height = 1
	}
	for index >= below(i.height) {
		if i.root != 0 {
			top := f.page()
			if top == 0 {
				return 0
			}
			store(top, i.root)
			i.root = top
		}
		i.height++
	}
	slot := &i.root
	for h := i.height; ; h-- {
		if *slot == 0 {
			p := f.page()
			if p == 0 {
				return 0
			}
			*slot = p
			if h == 1 {
				i.pages++
			}
		}
		if h == 1 {
			return *slot
		}
		slot = (*uintptr)(at(*slot + index/below(h-1)%words*8))
	}
}

// dropPages frees the pages from index lo up to hi.
func (f *FS) dropPages(i *inode, lo, hi uintptr) {
	if i.height == 0 || i.root == 0 {
		i.height = 0
		return
	}
	if f.dropBelow(i, i.root, i.height, lo, min(hi, below(i.height))) {
		i.root, i.height = 0, 0
	}
}

// dropBelow frees the pages lo to hi, counted from the first that the tree at
// addr covers, and the tree's tables that are empty then. It says whether
// addr itself was freed.
func (f *FS) dropBelow(i *inode, addr uintptr, height uint32, lo, hi uintptr) bool {
	if lo >= hi {
		return false
	}
	if height == 1 {
		i.pages--
		f.freePage(addr)
		return true
	}
	span := below(height - 1)
	for k := lo / span; k <= (hi-1)/span; k++ {
		sub := load(addr + k*8)
		start := k * span
		if sub != 0 && f.dropBelow(i, sub, height-1, max(lo, start)-start, min(hi, start+span)-start) {
			store(addr+k*8, 0)
		}
	}
	for k := uintptr(0); k < words; k++ {
		if load(addr+k*8) != 0 {
			return false
		}
	}
	f.freePage(addr)
	return true
}
