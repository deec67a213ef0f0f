package mem

// Regions says what each range of an address space is for: sorted ranges that
// don't overlap, each with a kind the caller chooses. Neighbours of one kind are
// one range. Kind 0 is no range at all.
//
// The list lies in memory of the caller's, RegionSize bytes per range.
type Regions struct {
	list     uintptr
	n        uintptr
	capacity uintptr
}

// RegionSize is the size of one entry: start, end, kind, padding.
const (
	RegionSize = 24

	regionEnd  = 8
	regionKind = 16
)

// Init makes the list empty. arr is the address of capacity*RegionSize bytes,
// 8-aligned.
func (r *Regions) Init(arr uintptr, capacity int) {
	*r = Regions{list: arr, capacity: uintptr(max(capacity, 0))}
}

// Len is the number of ranges.
func (r *Regions) Len() int { return int(r.n) }

// At is range i in address order, zeros if there is none.
func (r *Regions) At(i int) (start, end uintptr, kind uint32) {
	if i < 0 || uintptr(i) >= r.n {
		return 0, 0, 0
	}
	return r.start(uintptr(i)), r.end(uintptr(i)), r.kind(uintptr(i))
}

// Lookup is the range that holds addr. If none does, kind is 0 and the range is
// the gap: from the end of the range below (or 0) to the start of the range
// above (or the highest address).
func (r *Regions) Lookup(addr uintptr) (start, end uintptr, kind uint32) {
	i := r.above(addr)
	if i < r.n && r.start(i) <= addr {
		return r.start(i), r.end(i), r.kind(i)
	}
	end = ^uintptr(0)
	if i < r.n {
		end = r.start(i)
	}
	if i > 0 {
		start = r.end(i - 1)
	}
	return start, end, 0
}

// FindGap is the lowest address in [lo, hi) where size bytes are free, aligned
// to align, a power of two. 0 if there is none, or the request makes no sense.
// It never returns address 0.
func (r *Regions) FindGap(lo, hi, size, align uintptr) uintptr {
	if size == 0 || align == 0 || align&(align-1) != 0 {
		return 0
	}
	a := max(lo, 1)
	for i := r.above(a); ; i++ {
		if a = alignUp(a, align); a == 0 || a >= hi || hi-a < size {
			return 0
		}
		if i >= r.n || r.start(i) >= a && r.start(i)-a >= size {
			return a
		}
		a = max(a, r.end(i))
	}
}

// alignUp is 0 if the result is beyond the highest address.
func alignUp(a, align uintptr) uintptr { return (a + align - 1) &^ (align - 1) }

func (r *Regions) entry(i uintptr) uintptr { return r.list + i*RegionSize }
func (r *Regions) start(i uintptr) uintptr { return uintptr(load64(r.entry(i))) }
func (r *Regions) end(i uintptr) uintptr   { return uintptr(load64(r.entry(i) + regionEnd)) }
func (r *Regions) kind(i uintptr) uint32   { return load32(r.entry(i) + regionKind) }

func (r *Regions) put(i, start, end uintptr, kind uint32) {
	store64(r.entry(i), uint64(start))
	store64(r.entry(i)+regionEnd, uint64(end))
	store64(r.entry(i)+regionKind, uint64(kind))
}

// above is the first range that ends above addr, n for none.
func (r *Regions) above(addr uintptr) uintptr {
	lo, hi := uintptr(0), r.n
	for lo < hi {
		mid := (lo + hi) / 2
		if r.end(mid) > addr {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// Set makes [start, end) of that kind, whatever it was; kind 0 removes. False,
// with nothing changed, if the list has no room for the ranges this leaves, or
// end is below start.
func (r *Regions) Set(start, end uintptr, kind uint32) bool {
	if start >= end {
		return start == end
	}
	i, j := r.above(start), r.above(end)
	if j < r.n && r.start(j) < end {
		j++ // ranges i..j-1 give way
	}
	c := cut{start: start, end: end, kind: kind}
	if i < j {
		c.leftStart, c.leftKind = r.start(i), r.kind(i)
		c.rightEnd, c.rightKind = r.end(j-1), r.kind(j-1)
	}
	c.trim()
	if i > 0 && kind != 0 && c.leftKind == 0 && r.end(i-1) == c.start && r.kind(i-1) == kind {
		i--
		c.start = r.start(i)
	}
	if j < r.n && kind != 0 && c.rightKind == 0 && r.start(j) == c.end && r.kind(j) == kind {
		c.end = r.end(j)
		j++
	}
	return r.replace(i, j, &c)
}

// cut is what takes the place of some ranges: what is left of the first (up to
// start), the new one, what is left of the last (from end). Kind 0 means that a
// part is missing.
type cut struct {
	leftStart, start, end, rightEnd uintptr
	leftKind, kind, rightKind       uint32
}

// trim drops the leftovers that are empty or of the new kind; the latter become
// part of the new range.
func (c *cut) trim() {
	if c.leftKind != 0 && c.leftStart < c.start && c.leftKind == c.kind {
		c.start, c.leftKind = c.leftStart, 0
	} else if c.leftStart >= c.start {
		c.leftKind = 0
	}
	if c.rightKind != 0 && c.rightEnd > c.end && c.rightKind == c.kind {
		c.end, c.rightKind = c.rightEnd, 0
	} else if c.rightEnd <= c.end {
		c.rightKind = 0
	}
}

func (c *cut) len() uintptr {
	n := uintptr(0)
	if c.leftKind != 0 {
		n++
	}
	if c.kind != 0 {
		n++
	}
	if c.rightKind != 0 {
		n++
	}
	return n
}

// replace puts c in the place of ranges i..j-1.
func (r *Regions) replace(i, j uintptr, c *cut) bool {
	n := r.n - (j - i) + c.len()
	if n > r.capacity {
		return false
	}
	r.move(i+c.len(), j, r.n-j)
	r.n = n
	if c.leftKind != 0 {
		r.put(i, c.leftStart, c.start, c.leftKind)
		i++
	}
	if c.kind != 0 {
		r.put(i, c.start, c.end, c.kind)
		i++
	}
	if c.rightKind != 0 {
		r.put(i, c.end, c.rightEnd, c.rightKind)
	}
	return true
}

// move shifts n entries from src to dst within the list.
func (r *Regions) move(dst, src, n uintptr) {
	if dst < src {
		for k := uintptr(0); k < n; k++ {
			r.put(dst+k, r.start(src+k), r.end(src+k), r.kind(src+k))
		}
	} else if dst > src {
		for k := n; k > 0; k-- {
			r.put(dst+k-1, r.start(src+k-1), r.end(src+k-1), r.kind(src+k-1))
		}
	}
}
