package mem

// The tables of Frames and their invariants:
//
//	count   0: all bits zero
//	count   1..BlockPages: that many bits set
//	count   whole: all frames in use, all bits zero
//
// Callers pass b < blocks.

func (f *Frames) rawCount(b uintptr) uint16 { return load16(f.counts + b*2) }

// count is the number of frames in use in a block.
func (f *Frames) count(b uintptr) uintptr {
	c := uintptr(f.rawCount(b))
	if c == whole {
		return BlockPages
	}
	return c
}

func (f *Frames) wordAddr(b, w uintptr) uintptr  { return f.bitmap + (b*blockWords+w)*8 }
func (f *Frames) word(b, w uintptr) uint64       { return load64(f.wordAddr(b, w)) }
func (f *Frames) setWord(b, w uintptr, v uint64) { store64(f.wordAddr(b, w), v) }

// setCount writes a block's count and keeps the sums and hints.
func (f *Frames) setCount(b uintptr, raw uint16) {
	old := f.count(b)
	store16(f.counts+b*2, raw)
	now := f.count(b)
	f.free += old - now
	if old == 0 {
		f.freeBlocks--
	} else if old < BlockPages {
		f.partBlocks--
	}
	if now == 0 {
		f.freeBlocks++
		f.freeHint = min(f.freeHint, b)
	} else if now < BlockPages {
		f.partBlocks++
		f.partHint = min(f.partHint, b)
	}
}

// partly is the first block from b on that is in use in part, blocks for none.
func (f *Frames) partly(b uintptr) uintptr {
	if f.partBlocks == 0 {
		return f.blocks
	}
	for ; b < f.blocks; b++ {
		if c := f.rawCount(b); c > 0 && c < BlockPages {
			return b
		}
	}
	return f.blocks
}

// nextFree is the lowest free block, blocks for none.
func (f *Frames) nextFree() uintptr {
	if f.freeBlocks == 0 {
		return f.blocks
	}
	b := f.freeHint
	for b < f.blocks && f.rawCount(b) != 0 {
		b++
	}
	f.freeHint = b
	return b
}

// take marks n frames of a block from i on, which are free, and returns the
// address of the first.
func (f *Frames) take(b, i, n uintptr) uintptr {
	f.mark(b, i, i+n)
	return b*BlockSize + i*PageSize
}

// mark sets the bits lo..hi-1 of a block that is not whole.
func (f *Frames) mark(b, lo, hi uintptr) {
	added := uintptr(0)
	for i := lo; i < hi; {
		w, end := i/wordBits, min(hi, (i/wordBits+1)*wordBits)
		old := f.word(b, w)
		now := old | span(i%wordBits, end-w*wordBits)
		f.setWord(b, w, now)
		added += ones(old ^ now)
		i = end
	}
	if added > 0 {
		f.setCount(b, uint16(f.count(b)+added))
	}
}

// reserve marks the frames lo..hi-1, by number, up to the last block's end.
func (f *Frames) reserve(lo, hi uintptr) {
	hi = min(hi, f.blocks*BlockPages)
	for lo < hi {
		b := lo / BlockPages
		end := min(hi, (b+1)*BlockPages)
		switch {
		case f.rawCount(b) == whole:
		case end-lo == BlockPages:
			f.takeBlock(b)
		default:
			f.mark(b, lo%BlockPages, end-b*BlockPages)
		}
		lo = end
	}
}

// takeBlock makes a block whole, whatever it was.
func (f *Frames) takeBlock(b uintptr) {
	if f.rawCount(b) != 0 {
		f.fill(b, 0)
	}
	f.setCount(b, whole)
}

func (f *Frames) fill(b uintptr, v uint64) {
	for w := uintptr(0); w < blockWords; w++ {
		f.setWord(b, w, v)
	}
}

// Free gives back pages frames from pa on, whichever call took them. If one of
// them is not in use, or is no RAM, nothing happens and the answer is false:
// the caller has lost track of its memory.
func (f *Frames) Free(pa, pages uintptr) bool {
	if !f.Return(pa, pages) {
		return false
	}
	f.refresh(pa/PageSize, pages)
	return true
}

// Return is Free for frames of which it is known outside that they are free: they
// were taken by TakeFresh, or never used.
func (f *Frames) Return(pa, pages uintptr) bool {
	lo := pa / PageSize
	if pa%PageSize != 0 || lo == 0 || lo >= f.limit || pages == 0 || pages > f.limit-lo {
		return false
	}
	hi := lo + pages
	for i := lo; i < hi; i = (i/BlockPages + 1) * BlockPages {
		b := i / BlockPages
		if !f.used(b, i%BlockPages, min(hi-b*BlockPages, BlockPages)) {
			return false
		}
	}
	for i := lo; i < hi; i = (i/BlockPages + 1) * BlockPages {
		b := i / BlockPages
		f.clear(b, i%BlockPages, min(hi-b*BlockPages, BlockPages))
	}
	return true
}

// used reports whether the frames lo..hi-1 of a block are all in use.
func (f *Frames) used(b, lo, hi uintptr) bool {
	switch f.rawCount(b) {
	case 0:
		return false
	case whole:
		return true
	}
	for i := lo; i < hi; {
		w, end := i/wordBits, min(hi, (i/wordBits+1)*wordBits)
		if want := span(i%wordBits, end-w*wordBits); f.word(b, w)&want != want {
			return false
		}
		i = end
	}
	return true
}

// clear frees the frames lo..hi-1 of a block, which are in use.
func (f *Frames) clear(b, lo, hi uintptr) {
	n := f.count(b) - (hi - lo)
	if f.rawCount(b) == whole && n > 0 {
		f.fill(b, ^uint64(0))
	}
	if f.rawCount(b) != whole || n > 0 {
		for i := lo; i < hi; {
			w, end := i/wordBits, min(hi, (i/wordBits+1)*wordBits)
			f.setWord(b, w, f.word(b, w)&^span(i%wordBits, end-w*wordBits))
			i = end
		}
	}
	f.setCount(b, uint16(n))
}
