package runtime

// Small objects of the kernel's: pipes, epolls and watches, locks of files, in slots
// of pages that are theirs for good. And the pages that streams take and give back.

import "internal/runtime/doze/mmio"

const dozeSlotSize = 128

var dozeSlots struct {
	free        uintptr // the first word of a free slot is the next one
	fresh, left uintptr // the page that slots are cut from
}

// dozeSlotAlloc returns the address of a zero slot, 0 if memory is out.
func dozeSlotAlloc() uintptr {
	s := &dozeSlots
	if p := s.free; p != 0 {
		s.free = uintptr(mmio.Load64(p))
		mmio.Store64(p, 0)
		return p
	}
	if s.left == 0 {
		if s.fresh = dozePageAlloc(); s.fresh == 0 {
			return 0
		}
		s.left = dozePage
	}
	s.left -= dozeSlotSize
	return s.fresh + s.left
}

// dozeSlotFree takes a slot back; 0 is none.
func dozeSlotFree(p uintptr) {
	if p == 0 {
		return
	}
	mmio.Clear(p, dozeSlotSize)
	mmio.Store64(p, uint64(dozeSlots.free))
	dozeSlots.free = p
}

// dozeSparePages are kept for the next writer: taking a page and giving it back
// changes the page tables each time.
const dozeSparePages = 16

// dozeStreamPages are pages of streams that none has now, linked by their first words.
var dozeStreamPages struct {
	spare uintptr
	n     uintptr
}

// dozeStreamPage returns a page for a stream, 0 without memory.
func dozeStreamPage() uintptr {
	s := &dozeStreamPages
	page := s.spare
	if page == 0 {
		return dozePageAlloc()
	}
	s.spare = uintptr(mmio.Load64(page))
	s.n--
	return page
}

func dozeStreamPageFree(page uintptr) {
	s := &dozeStreamPages
	if s.n == dozeSparePages {
		dozePageFree(page)
		return
	}
	mmio.Store64(page, uint64(s.spare))
	s.spare = page
	s.n++
}
