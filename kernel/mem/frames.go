package mem

// Frames allocates physical frames below a given address, which may be raised up
// to a ceiling. Its tables hold a count per block of 2 MiB, how many of its frames
// came free lately, and a bit per frame (1 = in use), all zero to begin with, so
// that starting costs the same for any amount of RAM: pages of the tables are
// first touched when frames they describe are.
//
// Low addresses go first, since those have been used before and cost the host
// nothing new. Single frames come from blocks that are in use in part, so whole
// blocks last for those who need them.
//
// The zero value has no frame. Frame 0 is never handed out.
type Frames struct {
	counts uintptr // u16 per block: frames in use, or whole
	notes  uintptr // u16 per block: frames freed since they were last reported, suspect
	bitmap uintptr // blockWords words per block
	blocks uintptr // number of blocks, the last one perhaps partly above limit
	limit  uintptr // number of the first frame beyond RAM

	total, free uintptr // frames
	freeBlocks  uintptr // blocks with no frame in use
	partBlocks  uintptr // blocks with some frames in use, not all

	// No block below these is free, or in use in part.
	freeHint, partHint uintptr
	// Where AllocRun looks next.
	runHint uintptr

	fresh          uintptr // frames freed since TakeFresh last came to its end
	lookAt, lookIn uintptr // where TakeFresh goes on: a block, a frame of it
	passed         uintptr // frames freed where TakeFresh had been already
}

// whole in a block's count says: all in use, and its bits were left zero. This
// is what makes taking and returning a block, and reserving a large hole, cheap.
const whole = 0xffff

// runTries bounds how many blocks in use in part AllocRun looks at while there
// are free ones.
const runTries = 32

// MetadataSize is how much of the tables RAM up to top needs, in whole pages, if
// they are laid out for RAM up to ceiling. The last table is the one that grows
// with top.
func MetadataSize(top, ceiling uintptr) uintptr {
	if ceiling = max(ceiling, top); ceiling == 0 {
		return 0
	}
	return (2*countsSize(blocksBelow(ceiling)) + blocksBelow(top)*blockWords*8 + PageSize - 1) &^ (PageSize - 1)
}

func blocksBelow(top uintptr) uintptr { return top/BlockSize + (top%BlockSize+BlockSize-1)/BlockSize }
func countsSize(blocks uintptr) uintptr {
	return (blocks*2 + 7) &^ 7
}

// Init begins with every frame in [PageSize, top) free. meta is the address of
// MetadataSize(top, ceiling) zero bytes, 8-aligned, which may lie in the RAM
// described: the caller reserves it.
func (f *Frames) Init(meta, top, ceiling uintptr) {
	n, size := blocksBelow(top), countsSize(blocksBelow(max(top, ceiling)))
	*f = Frames{counts: meta, notes: meta + size, bitmap: meta + 2*size, blocks: n, limit: top / PageSize}
	f.free = n * BlockPages
	f.freeBlocks = n
	f.reserve(f.limit, n*BlockPages)
	f.total = f.free
	if n > 0 {
		f.Hole(0, PageSize)
	}
}

// Grow adds the frames from where RAM ended up to top, free. There is no more room
// in the tables than Init was told, and MetadataSize(top, ceiling) of them is
// zero or in use.
func (f *Frames) Grow(top uintptr) {
	old, n := f.limit, blocksBelow(top)
	if top/PageSize <= old {
		return
	}
	before := f.free
	f.limit = top / PageSize
	f.free += (n - f.blocks) * BlockPages
	f.freeBlocks += n - f.blocks
	f.freeHint = min(f.freeHint, f.blocks)
	f.blocks = n
	f.reserve(f.limit, n*BlockPages)
	if at := old % BlockPages; at != 0 { // the rest of the block in which RAM ended
		b := old / BlockPages
		f.clear(b, at, min(BlockPages, f.limit-b*BlockPages))
	}
	f.total += f.free - before
}

// Exclude takes every frame out of use, as if all had been allocated: what then
// is freed is a set of frames, which Alloc, AllocRun and AllocBlock take from.
func (f *Frames) Exclude() {
	f.reserve(0, f.blocks*BlockPages)
}

// TotalPages is the number of frames that are RAM: those below top less the
// holes and frame 0.
func (f *Frames) TotalPages() uintptr { return f.total }

// FreePages is the number of free frames.
func (f *Frames) FreePages() uintptr { return f.free }

// FreeBlocks is the number of blocks that are free as a whole.
func (f *Frames) FreeBlocks() uintptr { return f.freeBlocks }

// Reserve takes all frames that [lo, hi) touches out of use, whether free or
// not. Free gives them back.
func (f *Frames) Reserve(lo, hi uintptr) {
	if lo < hi {
		f.reserve(lo/PageSize, (hi-1)/PageSize+1)
	}
}

// Hole is Reserve for addresses that are no RAM: they don't count in
// TotalPages. Declare holes before anything else is reserved in them.
func (f *Frames) Hole(lo, hi uintptr) {
	before := f.free
	f.Reserve(lo, hi)
	f.total -= before - f.free
}

// Alloc returns the address of one frame, 0 if there is none.
func (f *Frames) Alloc() uintptr {
	b := f.partly(f.partHint)
	if b < f.blocks {
		f.partHint = b
	} else if b = f.nextFree(); b == f.blocks {
		return 0
	}
	for w := uintptr(0); w < blockWords; w++ {
		if v := f.word(b, w); v != ^uint64(0) {
			return f.take(b, w*wordBits+lowest(^v), 1)
		}
	}
	return 0
}

// AllocBlock returns the address of a free block of 2 MiB, 0 if there is none.
func (f *Frames) AllocBlock() uintptr {
	b := f.nextFree()
	if b == f.blocks {
		return 0
	}
	f.setCount(b, whole)
	return b * BlockSize
}

// AllocRun returns the address of that many frames in a row, aligned to their
// size, 0 if there are none. pages is a power of two up to BlockPages.
func (f *Frames) AllocRun(pages uintptr) uintptr {
	switch {
	case pages == 0 || pages > BlockPages || pages&(pages-1) != 0:
		return 0
	case pages == 1:
		return f.Alloc()
	case pages == BlockPages:
		return f.AllocBlock()
	}
	tries := f.partBlocks
	if f.freeBlocks > 0 && tries > runTries {
		tries = runTries
	}
	if pa := f.runInParts(pages, tries); pa != 0 {
		return pa
	}
	if b := f.nextFree(); b < f.blocks {
		return f.take(b, 0, pages)
	}
	return 0
}

// runInParts looks for a run in so many of the blocks that are in use in part,
// going round from where it stopped last.
func (f *Frames) runInParts(pages, tries uintptr) uintptr {
	b := f.runHint
	for ; tries > 0; tries-- {
		if b = f.partly(b); b >= f.blocks {
			if b = f.partly(f.partHint); b >= f.blocks {
				return 0
			}
		}
		f.runHint = b
		if i := f.findRun(b, pages); i < BlockPages {
			return f.take(b, i, pages)
		}
		b++
	}
	return 0
}

// findRun is the place of an aligned run of free frames in a block, BlockPages
// for none.
func (f *Frames) findRun(b, pages uintptr) uintptr {
	if BlockPages-f.count(b) < pages {
		return BlockPages
	}
	if pages > wordBits {
		return f.findWords(b, pages/wordBits)
	}
	for w := uintptr(0); w < blockWords; w++ {
		v := ^f.word(b, w)
		for k := uintptr(1); k < pages; k <<= 1 {
			v &= v >> k // bit i: frames i..i+2k-1 are free
		}
		if v &= ^uint64(0) / span(0, pages); v != 0 { // every pages-th bit
			return w*wordBits + lowest(v)
		}
	}
	return BlockPages
}

// findWords is findRun for runs of n whole words.
func (f *Frames) findWords(b, n uintptr) uintptr {
	for w := uintptr(0); w < blockWords; w += n {
		used := uint64(0)
		for i := w; i < w+n; i++ {
			used |= f.word(b, i)
		}
		if used == 0 {
			return w * wordBits
		}
	}
	return BlockPages
}
