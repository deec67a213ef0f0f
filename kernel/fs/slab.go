package fs

// Small objects: pages cut into pieces of one size. A page begins with a header;
// its free pieces are a list of offsets. Pages with both free and used pieces are
// on their class's list, full ones on none, and empty ones are given back.

const (
	classes  = 7
	slabHead = 64
)

var classSize = [classes]uint16{64, 96, 128, 192, 256, 512, 1024}

// slab is the header of such a page.
type slab struct {
	next, prev uintptr
	class      uint16
	used       uint16
	free       uint16 // offset of the first freed piece, 0 for none
	fresh      uint16 // offset of the first piece that was never used
}

func slabAt(addr uintptr) *slab { return (*slab)(at(addr)) }

// classOf is the smallest class that holds n bytes, classes if only a page does.
func classOf(n uintptr) int {
	c := 0
	for c < classes && uintptr(classSize[c]) < n {
		c++
	}
	return c
}

// take returns the address of n zero bytes, 0 if there is no page for them.
func (f *FS) take(n uintptr) uintptr {
	c := classOf(n)
	if c == classes {
		return f.page()
	}
	p := f.slabs[c]
	if p == 0 {
		if p = f.page(); p == 0 {
			return 0
		}
		s := slabAt(p)
		s.class, s.fresh = uint16(c), slabHead
		f.listSlab(p)
	}
	s := slabAt(p)
	obj := p + uintptr(s.free)
	if s.free != 0 {
		s.free = load16(obj)
		store16(obj, 0)
	} else {
		obj = p + uintptr(s.fresh)
		s.fresh += classSize[c]
	}
	s.used++
	if s.full() {
		f.unlistSlab(p)
	}
	return obj
}

// give takes back what take(n) returned.
func (f *FS) give(obj, n uintptr) {
	c := classOf(n)
	if c == classes {
		f.freePage(obj)
		return
	}
	p := pageOf(obj)
	s := slabAt(p)
	if s.full() {
		f.listSlab(p)
	}
	clearAt(obj, uintptr(classSize[c]))
	store16(obj, s.free)
	s.free = uint16(obj - p)
	if s.used--; s.used == 0 {
		f.unlistSlab(p)
		f.freePage(p)
	}
}

func (s *slab) full() bool {
	return s.free == 0 && uintptr(s.fresh)+uintptr(classSize[s.class]) > PageSize
}

func (f *FS) listSlab(p uintptr) {
	s := slabAt(p)
	s.prev, s.next = 0, f.slabs[s.class]
	if s.next != 0 {
		slabAt(s.next).prev = p
	}
	f.slabs[s.class] = p
}

func (f *FS) unlistSlab(p uintptr) {
	s := slabAt(p)
	if s.prev != 0 {
		slabAt(s.prev).next = s.next
	} else {
		f.slabs[s.class] = s.next
	}
	if s.next != 0 {
		slabAt(s.next).prev = s.prev
	}
}
