// Package mem keeps the books of a machine's memory: Frames knows which
// physical frames are in use, Regions knows what each range of the address space
// is for. Both hold numbers only; neither touches the memory it speaks of, edits
// page tables or knows who asks.
//
// The code runs beneath the Go scheduler, on the kernel's stack, with any lock
// of the runtime held. So it must never allocate, panic, block, call out, or
// store a pointer: its tables lie in memory that the caller gives, as addresses.
// It has no lock; the caller has one.
package mem

import "unsafe"

// The two page sizes (kernel/abi has them too; they are the CPU's).
const (
	PageSize   = 4 << 10
	BlockSize  = 2 << 20
	BlockPages = BlockSize / PageSize // frames in a block

	wordBits   = 64
	blockWords = BlockPages / wordBits // words of the bitmap for one block
)

// at turns an address in a table into a pointer. Tables lie outside the Go heap,
// so the garbage collector has no interest in it.
func at(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

func load16(addr uintptr) uint16     { return *(*uint16)(at(addr)) }
func load32(addr uintptr) uint32     { return *(*uint32)(at(addr)) }
func load64(addr uintptr) uint64     { return *(*uint64)(at(addr)) }
func store16(addr uintptr, v uint16) { *(*uint16)(at(addr)) = v }
func store64(addr uintptr, v uint64) { *(*uint64)(at(addr)) = v }

// ones counts the set bits of x, by adding neighbours of 1, 2, 4 … bits.
// math/bits is out of reach below package runtime.
func ones(x uint64) uintptr {
	x -= x >> 1 & 0x5555555555555555
	x = x&0x3333333333333333 + x>>2&0x3333333333333333
	x = (x + x>>4) & 0x0f0f0f0f0f0f0f0f
	return uintptr(x * 0x0101010101010101 >> 56)
}

// lowest is the number of the lowest set bit of x, 64 for none.
func lowest(x uint64) uintptr { return ones(x&-x - 1) }

// span is a word with the bits from lo up to hi set, 0 <= lo < hi <= 64.
func span(lo, hi uintptr) uint64 {
	return ^uint64(0) << (lo & 63) & (^uint64(0) >> ((wordBits - hi) & 63))
}
