// Package queue is the driver's side of a split virtqueue (VIRTIO 1.2, 2.7) over
// memory given by its address; guest-physical and virtual address are the same.
//
// The device is not trusted to be right: what it writes is checked against what
// the driver asked for, with the driver's own notes kept apart from the
// descriptors. A queue whose device broke the rules stays broken.
//
// It runs beneath the Go scheduler: it must never allocate, panic, block, wait,
// store a pointer, or touch a device register (the doorbell is the caller's). It
// has no lock; the caller has one. Memory that the device shares is accessed
// through kernel/mmio alone, so that the compiler keeps every access in order.
package queue

import (
	"github.com/doze-vm/doze/kernel/mmio"

	"github.com/doze-vm/doze/drivers/virtio/spec"
)

// Code says how an operation ended.
type Code uint8

const (
	OK        Code = iota
	Empty          // nothing to take
	Full           // too few free descriptors
	BadSize        // a queue size that is no power of two, or memory not aligned
	BadChain       // a chain without buffers, or an empty buffer
	BadIndex       // the device used more buffers than it was given
	BadID          // the device used a buffer that it was not given
	BadLength      // the device wrote more than there was room for
)

// Text is a few words for the code.
func (c Code) Text() string {
	switch c {
	case OK:
		return "ok"
	case Empty:
		return "nothing to take"
	case Full:
		return "too few free descriptors"
	case BadSize:
		return "bad queue size or alignment"
	case BadChain:
		return "empty chain or buffer"
	case BadIndex:
		return "device used more buffers than it was given"
	case BadID:
		return "device used a buffer it was not given"
	case BadLength:
		return "device wrote more than there was room for"
	}
	return "unknown code"
}

// Align is the alignment of a queue's memory.
const Align = 16

// maxBuffer is what a descriptor's length holds.
const maxBuffer = 1<<32 - 1

// The driver's notes, one for each descriptor, behind the rings where the device
// has no business: the next descriptor of the chain or of the free list, the
// number of descriptors in the chain if one in flight begins here (else 0), and
// how much the device may write into it.
const (
	noteSize  = 8
	noteNext  = 0
	noteCount = 2
	noteRoom  = 4
)

// Queue is one virtqueue. The zero value has no descriptors.
type Queue struct {
	mem      uintptr
	size     uint16
	free     uint16 // number of free descriptors
	freeHead uint16 // the first of them
	avail    uint16 // index the next chain will have in the available ring
	used     uint16 // index of the next used entry to look at
	inFlight uint16 // chains added and not yet taken back
	broken   Code   // what the device did, OK if nothing
}

// Size is the memory that a queue of n descriptors needs; 0 if there is no such
// queue.
func Size(n uint16) uintptr {
	if !valid(n) {
		return 0
	}
	return notesAt(n) + uintptr(n)*noteSize
}

func valid(n uint16) bool { return n != 0 && n <= spec.QueueMax && n&(n-1) == 0 }

func availAt(n uint16) uintptr { return uintptr(n) * spec.DescSize }
func usedAt(n uint16) uintptr  { return alignUp(availAt(n)+spec.RingEntries+2*uintptr(n)+2, 4) }
func notesAt(n uint16) uintptr {
	return alignUp(usedAt(n)+spec.RingEntries+spec.UsedEntry*uintptr(n)+2, 8)
}

func alignUp(a, align uintptr) uintptr { return (a + align - 1) &^ (align - 1) }

// Init lays out a queue of n descriptors in Size(n) bytes at mem and empties it.
// The device must not know of the memory yet. Interrupts are declined; see
// WantInterrupts.
func (q *Queue) Init(mem uintptr, n uint16) Code {
	*q = Queue{}
	if !valid(n) || mem == 0 || mem%Align != 0 {
		return BadSize
	}
	mmio.Clear(mem, Size(n))
	*q = Queue{mem: mem, size: n, free: n}
	for i := uint16(0); i < n; i++ {
		mmio.Store16(q.note(i)+noteNext, i+1)
	}
	q.WantInterrupts(false)
	return OK
}

// Desc, Driver and Device are the addresses of the three areas for the
// transport.
func (q *Queue) Desc() uintptr   { return q.mem }
func (q *Queue) Driver() uintptr { return q.mem + availAt(q.size) }
func (q *Queue) Device() uintptr { return q.mem + usedAt(q.size) }

// Len is the number of descriptors, Free how many of them can be added,
// InFlight how many chains the device has.
func (q *Queue) Len() uint16      { return q.size }
func (q *Queue) Free() uint16     { return q.free }
func (q *Queue) InFlight() uint16 { return q.inFlight }

// Broken is what the device did wrong, OK if nothing.
func (q *Queue) Broken() Code { return q.broken }

// WantInterrupts asks for an interrupt when a buffer is used, or declines it.
// The device takes that as a hint.
func (q *Queue) WantInterrupts(on bool) {
	if q.size == 0 {
		return
	}
	flags := uint16(spec.AvailFlagNoInterrupt)
	if on {
		flags = 0
	}
	mmio.Store16(q.Driver(), flags)
	mmio.Fence() // before the caller looks at the used ring (2.7.10)
}

// Publish shows the device all chains added so far.
func (q *Queue) Publish() {
	if q.size != 0 {
		// x86 keeps the stores to descriptors and ring before this one.
		mmio.Store16(q.Driver()+spec.RingIndex, q.avail)
	}
}

// NeedsKick reports whether the device wants its doorbell rung for what Publish
// showed.
func (q *Queue) NeedsKick() bool {
	if q.size == 0 {
		return false
	}
	mmio.Fence() // the index must be out before the flags are read (2.7.13.4.1)
	return mmio.Load16(q.Device())&spec.UsedFlagNoNotify == 0
}

func (q *Queue) note(i uint16) uintptr { return q.mem + notesAt(q.size) + uintptr(i)*noteSize }

func (q *Queue) setDesc(i uint16, addr uintptr, n uint32, flags, next uint16) {
	d := q.mem + uintptr(i)*spec.DescSize
	mmio.Store64(d, uint64(addr))
	mmio.Store32(d+spec.DescLen, n)
	mmio.Store16(d+spec.DescFlags, flags)
	mmio.Store16(d+spec.DescNext, next)
}

// offer puts a chain's head into the available ring at index at.
func (q *Queue) offer(at, head uint16) {
	mmio.Store16(q.Driver()+spec.RingEntries+uintptr(at&(q.size-1))*2, head)
}
