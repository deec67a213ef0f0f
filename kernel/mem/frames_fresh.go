package mem

// Which free frames the host does not know of yet: a count per block of frames
// that came free, and a walk over the blocks that have any.

const (
	freshMask = 0x3ff  // of a note: frames freed since the block was last reported
	suspect   = 0x8000 // of a note: free frames of the block may hold anything
)

func (f *Frames) note(b uintptr) uint16       { return load16(f.notes + b*2) }
func (f *Frames) setNote(b uintptr, v uint16) { store16(f.notes+b*2, v) }

// refresh notes that n frames from frame lo on came free.
func (f *Frames) refresh(lo, n uintptr) {
	f.fresh += n
	for hi := lo + n; lo < hi; lo = (lo/BlockPages + 1) * BlockPages {
		b := lo / BlockPages
		v := f.note(b)
		here := min(hi-lo, BlockPages-lo%BlockPages)
		now := min(uintptr(v&freshMask)+here, BlockPages)
		f.setNote(b, v&^freshMask|uint16(now))
		if b < f.lookAt || b == f.lookAt && f.lookIn > 0 {
			f.passed += here
		}
	}
}

// Fresh is how many frames came free since TakeFresh last came to its end.
func (f *Frames) Fresh() uintptr { return f.fresh }

// TakeFresh takes free frames in a row of which the host does not know that they are free.
// It returns the address of the first and their number; 0, 0 at the end of a walk over all
// blocks. Frames that come free behind the walk are for the next one. A block that is free
// as a whole is taken with its neighbours, at least one and at most so many pages. Of other
// blocks, runs of at least run frames are taken, if as many came free there. Return gives
// the frames back.
func (f *Frames) TakeFresh(run, most uintptr) (pa, pages uintptr) {
	for ; f.lookAt < f.blocks; f.lookAt, f.lookIn = f.lookAt+1, 0 {
		b := f.lookAt
		if f.lookIn == 0 {
			switch fresh := uintptr(f.note(b) & freshMask); {
			case fresh == 0:
				continue
			case f.rawCount(b) == 0:
				return f.takeBlocks(b, most/BlockPages)
			case fresh < run:
				continue
			}
			f.setNote(b, f.note(b)&^freshMask) // what comes free from here on is for the next walk
		}
		if i, n := f.nextRun(b, f.lookIn, run); n > 0 {
			f.lookIn = i + n
			return f.take(b, i, n), n
		}
	}
	f.lookAt, f.lookIn = 0, 0
	f.fresh, f.passed = f.passed, 0
	return 0, 0
}

// takeBlocks takes the free blocks from b on that are fresh, up to so many.
func (f *Frames) takeBlocks(b, most uintptr) (pa, pages uintptr) {
	for f.lookAt < f.blocks && f.lookAt < b+max(most, 1) && f.rawCount(f.lookAt) == 0 && f.note(f.lookAt)&freshMask != 0 {
		f.setNote(f.lookAt, f.note(f.lookAt)&^freshMask)
		f.setCount(f.lookAt, whole)
		f.lookAt++
	}
	return b * BlockSize, (f.lookAt - b) * BlockPages
}

// nextRun finds at least run free frames in a row in a block that is not whole,
// from frame i on; it returns their place, and how many there are.
func (f *Frames) nextRun(b, i, run uintptr) (at, n uintptr) {
	if f.rawCount(b) == whole {
		return 0, 0
	}
	for ; i < BlockPages; i++ {
		if f.word(b, i/wordBits)>>(i%wordBits)&1 == 0 {
			n++
			continue
		}
		if n >= run {
			break
		}
		n = 0
	}
	if n < run {
		return 0, 0
	}
	return i - n, n
}

// Suspect reports whether a free frame may hold anything but zero.
func (f *Frames) Suspect(pa uintptr) bool {
	b := pa / BlockSize
	return b < f.blocks && f.note(b)&suspect != 0
}

// SetSuspect says that frames have come back holding anything. It holds for their
// blocks from then on.
func (f *Frames) SetSuspect(pa, pages uintptr) {
	for b := pa / BlockSize; pages > 0 && b <= (pa+pages*PageSize-1)/BlockSize && b < f.blocks; b++ {
		f.setNote(b, f.note(b)|suspect)
	}
}
