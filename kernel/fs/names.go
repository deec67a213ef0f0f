package fs

import "unsafe"

// The names: one hash table for all directories, which grows and shrinks by one
// bucket at a time (linear hashing, Litwin 1980), so that no operation has to
// rebuild it.

const (
	words       = PageSize / 8 // buckets in a page, pages in the table
	maxBuckets  = words * words
	perBucket   = 2 // names to a bucket before there are more buckets
	entryHead   = 56
	entryInline = 8 // bytes of a name at entry.name
)

// entry is a name in a directory.
type entry struct {
	chain      uintptr // the next in the bucket
	next, prev uintptr // in the directory
	dir, node  Node
	cookie     uint64 // ascending along the directory
	hash       uint32
	length     uint16
	inPlace    uint16  // 1: name is the address of the name
	name       uintptr // else the name begins here, and ends where it ends
}

func entryAt(addr uintptr) *entry { return (*entry)(at(addr)) }

func (e *entry) text() string {
	if e.inPlace != 0 {
		return text(e.name, uintptr(e.length))
	}
	return text(uintptr(unsafe.Pointer(&e.name)), uintptr(e.length))
}

func (e *entry) size() uintptr {
	if e.inPlace != 0 {
		return entryHead + entryInline
	}
	return entryHead + uintptr(e.length)
}

// table is the buckets: top is a page of addresses of pages of chains.
type table struct {
	top     uintptr
	buckets uintptr
	mask    uintptr // the least 2^k-1 that is no less than buckets-1
	entries uintptr
}

func (t *table) bucket(i uintptr) uintptr { return load(t.top+i/words*8) + i%words*8 }

// index is the bucket of a hash.
func (t *table) index(hash uint32) uintptr {
	i := uintptr(hash) & t.mask
	if i >= t.buckets {
		i &= t.mask >> 1
	}
	return i
}

// hashOf is FNV-1a over the directory's number and the name.
func (f *FS) hashOf(dir Node, name string) uint32 {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for v := f.inode(dir).ino; v != 0; v >>= 8 {
		h = (h ^ uint32(v&0xff)) * prime
	}
	for i := 0; i < len(name); i++ {
		h = (h ^ uint32(name[i])) * prime
	}
	return h ^ h>>15
}

// find returns the address of a name's entry in a directory, 0 for none.
func (f *FS) find(dir Node, name string) uintptr {
	t := &f.names
	if t.top == 0 {
		return 0
	}
	hash := f.hashOf(dir, name)
	for a := load(t.bucket(t.index(hash))); a != 0; {
		e := entryAt(a)
		if e.hash == hash && e.dir == dir && e.text() == name {
			return a
		}
		a = e.chain
	}
	return 0
}

// startNames makes the table's first pages.
func (f *FS) startNames() bool {
	t := &f.names
	if t.top != 0 {
		return true
	}
	top := f.page()
	if top == 0 {
		return false
	}
	first := f.page()
	if first == 0 {
		f.freePage(top)
		return false
	}
	store(top, first)
	t.top, t.buckets, t.mask = top, words, words-1
	return true
}

// hashIn puts an entry into the table, which startNames has made.
func (f *FS) hashIn(a uintptr) {
	t := &f.names
	b := t.bucket(t.index(entryAt(a).hash))
	entryAt(a).chain = load(b)
	store(b, a)
	t.entries++
	if t.entries > t.buckets*perBucket && t.buckets < maxBuckets {
		f.moreBuckets()
	}
}

func (f *FS) hashOut(a uintptr) {
	t := &f.names
	b := t.bucket(t.index(entryAt(a).hash))
	for load(b) != a {
		b = load(b) // chain is an entry's first field
	}
	store(b, entryAt(a).chain)
	t.entries--
	if t.buckets > words && t.entries < t.buckets*perBucket/2 {
		f.fewerBuckets()
	}
}

// moreBuckets splits one bucket. Without memory there are just longer chains.
func (f *FS) moreBuckets() {
	t := &f.names
	last := t.buckets
	if last%words == 0 {
		p := f.page()
		if p == 0 {
			return
		}
		store(t.top+last/words*8, p)
	}
	if last > t.mask {
		t.mask = t.mask<<1 | 1
	}
	t.buckets++
	from, to := t.bucket(last&(t.mask>>1)), t.bucket(last)
	for a := load(from); a != 0; a = load(from) {
		if t.index(entryAt(a).hash) != last {
			from = a
			continue
		}
		store(from, entryAt(a).chain)
		entryAt(a).chain = load(to)
		store(to, a)
	}
}

// fewerBuckets joins the last bucket to the one it came from.
func (f *FS) fewerBuckets() {
	t := &f.names
	last := t.buckets - 1
	end := t.bucket(last & (t.mask >> 1))
	for load(end) != 0 {
		end = load(end)
	}
	store(end, load(t.bucket(last)))
	store(t.bucket(last), 0)
	t.buckets--
	if t.buckets == t.mask>>1+1 {
		t.mask >>= 1
	}
	if last%words == 0 {
		p := t.top + last/words*8
		f.freePage(load(p))
		store(p, 0)
	}
}
