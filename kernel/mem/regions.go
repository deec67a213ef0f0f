package mem

import "unsafe"

// Regions says what each range of an address space is for: sorted ranges that
// don't overlap, each with a kind the caller chooses, and an object that it shows
// from an offset on, 0 for none. Neighbours of one kind that show the same object,
// one where the other ends, are one range. Kind 0 is no range at all.
//
// The list lies in memory of the caller's, RegionSize bytes per range.
type Regions struct {
	list     uintptr
	n        uintptr
	capacity uintptr

	// No gap between from and searched is as large as smallest: FindGap skips it.
	from, searched, smallest uintptr
}

// RegionSize is the size of one entry: start, end, kind, padding, object, offset.
const (
	RegionSize = 40

	regionEnd    = 8
	regionKind   = 16
	regionObject = 24
	regionOffset = 32
)

// shown is a range and what it is for.
type shown struct {
	start, end uintptr
	kind       uint32
	object     uintptr
	offset     uintptr // of start in the object
}

// cut is what of a range lies in [start, end).
func (s shown) cut(start, end uintptr) shown {
	if s.object != 0 {
		s.offset += start - s.start
	}
	s.start, s.end = start, end
	return s
}

// joins reports whether next, which begins where s ends, is more of the same.
func (s shown) joins(next shown) bool {
	return s.end == next.start && s.kind == next.kind && s.object == next.object &&
		(s.object == 0 || s.offset+s.end-s.start == next.offset)
}

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

// Backing is the object that addr shows, 0 for none, and where in it addr is.
func (r *Regions) Backing(addr uintptr) (object, offset uintptr) {
	i := r.above(addr)
	if i == r.n || r.start(i) > addr || r.object(i) == 0 {
		return 0, 0
	}
	return r.object(i), r.offset(i) + addr - r.start(i)
}

// FindGap is the lowest address in [lo, hi) where size bytes are free, aligned
// to align, a power of two. 0 if there is none, or the request makes no sense.
// It never returns address 0.
func (r *Regions) FindGap(lo, hi, size, align uintptr) uintptr {
	if size == 0 || align == 0 || align&(align-1) != 0 {
		return 0
	}
	from := max(lo, 1)
	if size >= r.smallest && r.from <= from && r.searched > from {
		from = r.searched
	}
	for i, crooked := r.above(from), false; ; i++ {
		a := alignUp(from, align)
		if a == 0 || a >= hi || hi-a < size {
			return 0
		}
		if i >= r.n || r.start(i) >= a && r.start(i)-a >= size {
			if !crooked && a == from {
				r.found(lo, a, size)
			}
			return a
		}
		crooked = crooked || r.start(i) > from && r.start(i)-from >= size // a gap, but for the alignment
		from = max(from, r.end(i))
	}
}

// found remembers that no gap between lo and a holds size bytes.
func (r *Regions) found(lo, a, size uintptr) {
	r.from, r.searched, r.smallest = max(lo, 1), a, size
}

// alignUp is 0 if the result is beyond the highest address.
func alignUp(a, align uintptr) uintptr { return (a + align - 1) &^ (align - 1) }

func (r *Regions) entry(i uintptr) uintptr  { return r.list + i*RegionSize }
func (r *Regions) start(i uintptr) uintptr  { return uintptr(load64(r.entry(i))) }
func (r *Regions) end(i uintptr) uintptr    { return uintptr(load64(r.entry(i) + regionEnd)) }
func (r *Regions) kind(i uintptr) uint32    { return load32(r.entry(i) + regionKind) }
func (r *Regions) object(i uintptr) uintptr { return uintptr(load64(r.entry(i) + regionObject)) }
func (r *Regions) offset(i uintptr) uintptr { return uintptr(load64(r.entry(i) + regionOffset)) }

func (r *Regions) get(i uintptr) shown {
	return shown{r.start(i), r.end(i), r.kind(i), r.object(i), r.offset(i)}
}

func (r *Regions) put(i uintptr, s shown) {
	store64(r.entry(i), uint64(s.start))
	store64(r.entry(i)+regionEnd, uint64(s.end))
	store64(r.entry(i)+regionKind, uint64(s.kind))
	store64(r.entry(i)+regionObject, uint64(s.object))
	store64(r.entry(i)+regionOffset, uint64(s.offset))
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

// Set makes [start, end) of that kind, without an object, whatever it was; kind 0
// removes. False, with nothing changed, if the list has no room for the ranges
// this leaves, or end is below start.
func (r *Regions) Set(start, end uintptr, kind uint32) bool {
	return r.SetObject(start, end, kind, 0, 0)
}

// SetObject is Set for a range that shows an object from an offset on.
func (r *Regions) SetObject(start, end uintptr, kind uint32, object, offset uintptr) bool {
	if start >= end {
		return start == end
	}
	i, j, parts, n := r.plan(start, end, kind, object, offset)
	if !r.replace(i, j, parts[:n]) {
		return false
	}
	if kind == 0 {
		r.opened(start)
	}
	return true
}

// Room reports whether SetObject with the same arguments finds room.
func (r *Regions) Room(start, end uintptr, kind uint32, object, offset uintptr) bool {
	if start >= end {
		return start == end
	}
	i, j, _, n := r.plan(start, end, kind, object, offset)
	return r.n-(j-i)+uintptr(n) <= r.capacity
}

// plan finds the ranges i..j-1 that give way to a new one, and the n parts that
// take their place.
func (r *Regions) plan(start, end uintptr, kind uint32, object, offset uintptr) (i, j uintptr, parts [3]shown, n int) {
	i, j = r.above(start), r.above(end)
	if j < r.n && r.start(j) < end {
		j++ // ranges i..j-1 give way
	}
	// What is left below, the new range, what is left above.
	add := func(s shown) {
		if n > 0 && parts[n-1].joins(s) {
			parts[n-1].end = s.end
			return
		}
		parts[n] = s
		n++
	}
	below, above := shown{}, shown{}
	if i < j {
		below, above = r.get(i), r.get(j-1)
	}
	s := shown{start, end, kind, object, offset}
	switch {
	case i < j && below.start < start:
		add(below.cut(below.start, start))
	case i > 0 && kind != 0 && r.get(i-1).joins(s):
		i--
		add(r.get(i))
	}
	if kind != 0 {
		add(s)
	}
	switch {
	case i < j && above.end > end:
		add(above.cut(end, above.end))
	case j < r.n && kind != 0 && s.joins(r.get(j)):
		add(r.get(j))
		j++
	}
	return i, j, parts, n
}

// opened notes that there is a gap at addr.
func (r *Regions) opened(addr uintptr) {
	if start, _, _ := r.Lookup(addr); start < r.searched {
		r.searched = start
	}
}

// replace puts parts in the place of ranges i..j-1.
func (r *Regions) replace(i, j uintptr, parts []shown) bool {
	k := uintptr(len(parts))
	n := r.n - (j - i) + k
	if n > r.capacity {
		return false
	}
	r.move(i+k, j, r.n-j)
	r.n = n
	for at, s := range parts {
		r.put(i+uintptr(at), s)
	}
	return true
}

// move shifts n entries from src to dst within the list.
func (r *Regions) move(dst, src, n uintptr) {
	if n > 0 && dst != src {
		copy(view(r.entry(dst), n*RegionSize), view(r.entry(src), n*RegionSize))
	}
}

func view(addr, n uintptr) []byte { return unsafe.Slice((*byte)(at(addr)), n) }
