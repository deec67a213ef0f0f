package runtime

// Small objects of the kernel's: pipes, epolls and watches, locks of files, in slots
// of pages that are theirs for good.

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
