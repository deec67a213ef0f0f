// Package stream keeps bytes on their way from one open file to another, in pages: a
// pipe's, and later a local socket's. A buffer at rest has no page.
//
// The code runs beneath the Go scheduler, on the kernel's stack. It must never allocate,
// block, store a Go pointer, or touch memory of the program: the caller gets the address
// of a piece and copies. The caller also gives pages and frees them.
package stream

import "github.com/doze-vm/doze/kernel/mmio"

const (
	// PageSize is the size of a page, and what its address is divisible by.
	PageSize = 4 << 10
	// Hold is how many bytes a page holds: its first word is the address of the next page.
	Hold = PageSize - header

	header = 8
)

// Buffer is a queue of bytes. It holds no pointer, so that it can lie anywhere. Its zero
// value is empty and has no room: Size comes first.
type Buffer struct {
	// Size is how many bytes there may be. The caller keeps it, and never takes it below Len.
	Size uintptr

	first, last uintptr // pages; 0: none
	begin, end  uintptr // where the bytes begin in the first page, and end in the last
	used        uintptr
}

// Len returns how many bytes there are.
func (b *Buffer) Len() uintptr { return b.used }

// Room returns how many bytes more there may be.
func (b *Buffer) Room() uintptr { return b.Size - b.used }

// Peek returns where the next bytes lie, and how many of them lie there in a row. 0 bytes
// means that there are none.
func (b *Buffer) Peek() (addr, n uintptr) {
	if b.used == 0 {
		return 0, 0
	}
	return b.first + header + b.begin, b.firstEnd() - b.begin
}

// Took removes n bytes, no more than Peek returned. The caller then calls Unused until
// there is no such page.
func (b *Buffer) Took(n uintptr) {
	b.begin += n
	b.used -= n
}

// Unused removes and returns a page of which all bytes were taken, and 0 if there is none.
// The caller frees the page.
func (b *Buffer) Unused() (page uintptr) {
	if b.first == 0 || b.begin < b.firstEnd() {
		return 0
	}
	page = b.first
	b.begin = 0
	if page == b.last {
		b.first, b.last, b.end = 0, 0, 0
	} else {
		b.first = uintptr(mmio.Load64(page))
	}
	return page
}

// Prepare returns where to put the next bytes, and for how many there is room in a row. 0
// bytes means that the caller must Add a page. Prepare does not look at Size.
func (b *Buffer) Prepare() (addr, n uintptr) {
	if b.last == 0 {
		return 0, 0
	}
	return b.last + header + b.end, Hold - b.end
}

// Add puts a page behind the last one, which must be full.
func (b *Buffer) Add(page uintptr) {
	mmio.Store64(page, 0)
	if b.last == 0 {
		b.first = page
	} else {
		mmio.Store64(b.last, uint64(page))
	}
	b.last, b.end = page, 0
}

// Put adds the n bytes that the caller put where Prepare said.
func (b *Buffer) Put(n uintptr) {
	b.end += n
	b.used += n
}

// Empty removes the first page with its bytes and returns it, 0 for none. The caller frees
// the page.
func (b *Buffer) Empty() (page uintptr) {
	b.used -= b.firstEnd() - b.begin
	b.begin = b.firstEnd()
	return b.Unused()
}

// firstEnd returns where the bytes of the first page end.
func (b *Buffer) firstEnd() uintptr {
	if b.first == b.last {
		return b.end
	}
	return Hold
}
