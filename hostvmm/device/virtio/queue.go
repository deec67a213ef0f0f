package virtio

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/doze-vm/doze/drivers/virtio/spec"
)

// QueueSizeMax is the most descriptors that a device's queue takes.
const QueueSizeMax = 256

// Queue is a virtqueue as the driver set it up.
type Queue struct {
	size              uint32
	ready             bool
	desc, avail, used uint64
	next              uint16 // avail index to be looked at
	counts            QueueCounts
	last              Chain // what walk returned last; the next one takes its memory
}

// QueueCounts are what a queue has seen, over all resets of its device.
type QueueCounts struct {
	Notifies uint64 // doorbells rung
	Requests uint64 // chains of descriptors returned as used
	Bytes    uint64 // in their buffers that were read or written
}

// Chain is a request: what the device may read, and what it may write. It holds until the
// queue's next one is looked at.
type Chain struct {
	head               uint16
	Readable, Writable [][]byte
	At                 []uint64 // guest-physical addresses of the writable ones
}

// Size returns how many bytes the parts of a chain have.
func Size(parts [][]byte) (n uint64) {
	for _, part := range parts {
		n += uint64(len(part))
	}
	return n
}

// parts returns the three areas, or false if they are not all RAM.
func (q *Queue) parts(mem Memory) (desc, avail, used []byte, ok bool) {
	n := uint64(q.size)
	if n == 0 || n > QueueSizeMax || n&(n-1) != 0 || q.desc&15 != 0 || q.avail&1 != 0 || q.used&3 != 0 {
		return nil, nil, nil, false
	}
	desc, ok1 := mem.Slice(q.desc, spec.DescSize*n)
	avail, ok2 := mem.Slice(q.avail, spec.RingEntries+2*n)
	used, ok3 := mem.Slice(q.used, spec.RingEntries+spec.UsedEntry*n)
	return desc, avail, used, ok1 && ok2 && ok3
}

// load32 reads a word that the guest may change at any time, once. b must be
// 4-aligned memory of at least 4 bytes; the callers' areas are.
func load32(b []byte) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(unsafe.SliceData(b[:4]))))
}

func store32(b []byte, v uint32) {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(unsafe.SliceData(b[:4]))), v)
}

// Serve takes the first request that is available, if there is one, calls each for it
// and returns it as used with nothing written. It returns how many it took. One at a
// time: so no doorbell makes the VMM work for long (MMIO.Unfinished).
func (q *Queue) Serve(mem Memory, each func(Chain) error) (served int, err error) {
	if !q.ready {
		return 0, nil
	}
	waiting, err := q.Waiting(mem)
	if waiting == 0 || err != nil {
		return 0, err
	}
	c, used, err := q.First(mem)
	if err != nil {
		return 0, err
	}
	if err := each(c); err != nil {
		return 0, err
	}
	q.counts.Bytes += Size(c.Readable) + Size(c.Writable)
	q.complete(used, c.head, 0)
	return 1, nil
}

// Ready reports whether the driver has set the queue up.
func (q *Queue) Ready() bool { return q.ready }

// Size returns how many descriptors the queue has, as the driver says.
func (q *Queue) Size() uint32 { return q.size }

// Return returns a chain, the first that is available, as used. written is how many bytes
// the device wrote into it; bytes are those that it read or wrote, for the counts.
func (q *Queue) Return(mem Memory, c Chain, written uint32, bytes uint64) error {
	_, _, used, ok := q.parts(mem)
	if !ok {
		return ErrQueue
	}
	q.counts.Bytes += bytes
	q.complete(used, c.head, written)
	return nil
}

// Waiting returns how many requests are available.
func (q *Queue) Waiting(mem Memory) (uint32, error) {
	_, avail, _, ok := q.parts(mem)
	if !ok {
		return 0, ErrQueue
	}
	// flags and idx share the first aligned word; avail is 2-aligned only, so
	// idx is read by itself.
	n := uint32(load16(avail[2:]) - q.next)
	if n > q.size {
		return 0, ErrQueue
	}
	return n, nil
}

// First returns the first request that is available; there must be one.
func (q *Queue) First(mem Memory) (c Chain, used []byte, err error) {
	desc, avail, used, ok := q.parts(mem)
	if !ok {
		return c, nil, ErrQueue
	}
	head := load16(avail[spec.RingEntries+2*(uint32(q.next)%q.size):])
	c, err = q.walk(mem, desc, head)
	return c, used, err
}

// Room returns how many bytes fit into the first request that is available, 0 if
// none is.
func (q *Queue) Room(mem Memory) (room int, err error) {
	waiting, err := q.Waiting(mem)
	if waiting == 0 || err != nil {
		return 0, err
	}
	c, _, err := q.First(mem)
	for _, part := range c.Writable {
		room += len(part)
	}
	return room, err
}

// Fill copies b into the first request that is available, and returns that as used
// with what was copied. What does not fit is not taken.
func (q *Queue) Fill(mem Memory, b []byte) (n int, err error) {
	waiting, err := q.Waiting(mem)
	if waiting == 0 || len(b) == 0 || err != nil {
		return 0, err
	}
	c, used, err := q.First(mem)
	if err != nil {
		return 0, err
	}
	for _, part := range c.Writable {
		n += copy(part, b[n:])
	}
	q.counts.Bytes += uint64(n)
	q.complete(used, c.head, uint32(n))
	return n, nil
}

// wantsInterrupts says whether the driver wants to be told of used buffers
// (VIRTIO 1.2, 2.7.7).
func (q *Queue) wantsInterrupts(mem Memory) bool {
	const noInterrupt = 1
	_, avail, _, ok := q.parts(mem)
	return ok && load16(avail)&noInterrupt == 0
}

// load16 reads 16 bits once. There is no 16-bit atomic; one aligned MOV is what
// the compiler makes of it, and every use copes with any value.
func load16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }

// walk follows a chain. A chain has at most as many descriptors as the queue, so
// a loop in it ends there.
func (q *Queue) walk(mem Memory, desc []byte, head uint16) (c Chain, err error) {
	c = Chain{head: head, Readable: q.last.Readable[:0], Writable: q.last.Writable[:0], At: q.last.At[:0]}
	defer func() { q.last = c }()
	at := uint32(head)
	for range q.size {
		if at >= q.size {
			return c, ErrQueue
		}
		d := [spec.DescSize]byte(desc[spec.DescSize*at:]) // a copy: the guest may write on
		addr := binary.LittleEndian.Uint64(d[0:])
		length := binary.LittleEndian.Uint32(d[spec.DescLen:])
		flags := binary.LittleEndian.Uint16(d[spec.DescFlags:])
		if flags&^(spec.DescFlagNext|spec.DescFlagWrite) != 0 {
			return c, ErrQueue
		}
		part, ok := mem.Slice(addr, uint64(length))
		switch {
		case flags&spec.DescFlagWrite != 0 && ok:
			c.Writable, c.At = append(c.Writable, part), append(c.At, addr)
		case flags&spec.DescFlagWrite == 0 && ok:
			c.Readable = append(c.Readable, part)
		default:
			return c, ErrQueue
		}
		if flags&spec.DescFlagNext == 0 {
			return c, nil
		}
		at = uint32(binary.LittleEndian.Uint16(d[spec.DescNext:]))
	}
	return c, ErrQueue
}

// complete takes the first request off the available ring and puts it into the
// used one, with how many bytes were written: the element first, then the index.
func (q *Queue) complete(used []byte, head uint16, written uint32) {
	q.next++
	q.counts.Requests++
	word := load32(used)
	idx := uint16(word >> 16)
	e := used[spec.RingEntries+spec.UsedEntry*(uint32(idx)%q.size):]
	store32(e, uint32(head))
	store32(e[spec.UsedLen:], written)
	store32(used, word&0xffff|uint32(idx+1)<<16)
}
