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

// fewPages is up to how many pages are freed at once; more are left to Reap.
const fewPages = 64

// losePages takes the pages from index lo up to hi away from a file: they are freed
// now if they are few, else by Reap.
func (f *FS) losePages(i *inode, lo, hi uintptr) {
	if i.pages > fewPages && i.height > 1 {
		if n := f.newNode(TypeFile, 0); n != 0 {
			ghost := f.inode(n)
			ghost.height = i.height
			before := i.pages
			f.moveBelow(&i.root, &ghost.root, i.height, lo, min(hi, below(i.height)))
			i.pages = countPages(i.root, i.height)
			ghost.pages = before - i.pages
			f.reap(n)
		}
	}
	f.dropPages(i, lo, hi) // what could not be moved, if anything
}

// moveBelow moves the pages lo to hi of the tree at src to the same places of the
// one at dst, which has none there. It stops when there is no page for a table.
func (f *FS) moveBelow(src, dst *uintptr, height uint32, lo, hi uintptr) bool {
	if *src == 0 || lo >= hi {
		return true
	}
	if lo == 0 && hi >= below(height) {
		*dst, *src = *src, 0
		return true
	}
	if *dst == 0 {
		if *dst = f.page(); *dst == 0 {
			return false
		}
	}
	span := below(height - 1)
	for k := lo / span; k <= (hi-1)/span; k++ {
		from, to := (*uintptr)(at(*src+k*8)), (*uintptr)(at(*dst+k*8))
		start := k * span
		if !f.moveBelow(from, to, height-1, max(lo, start)-start, min(hi, start+span)-start) {
			return false
		}
	}
	return true
}

// countPages is how many pages of data a tree has.
func countPages(addr uintptr, height uint32) (n uintptr) {
	if addr == 0 || height <= 1 {
		return min(addr, 1)
	}
	for k := uintptr(0); k < words; k++ {
		n += countPages(load(addr+k*8), height-1)
	}
	return n
}

// Doomed reports whether there are pages for Reap to free.
func (f *FS) Doomed() bool { return f.doomed != 0 }

// Reap frees up to so many pages of files that are gone.
func (f *FS) Reap(pages uintptr) {
	for f.doomed != 0 {
		n := f.doomed
		i := f.inode(n)
		if i.root != 0 && !f.dropLast(i.root, i.height, &pages) {
			return
		}
		f.doomed = Node(i.data)
		f.nodes--
		f.give(uintptr(n), inodeSize)
	}
}

// dropLast frees the pages of a tree from its end on, as many as are left to free. It
// says whether that was all.
func (f *FS) dropLast(addr uintptr, height uint32, left *uintptr) bool {
	for k := uintptr(words); height > 1 && k > 0; k-- {
		slot := addr + (k-1)*8
		if sub := load(slot); sub != 0 {
			if !f.dropLast(sub, height-1, left) {
				return false
			}
			store(slot, 0)
		}
	}
	if *left == 0 {
		return false
	}
	*left--
	f.freePage(addr)
	return true
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
