package device

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// Sizes and flags of the split virtqueue (VIRTIO 1.2, 2.7).
const (
	QueueSizeMax = 256
	descSize     = 16
	availRing    = 4 // offset of the ring, after flags and idx
	usedRing     = 4
	usedElem     = 8

	descNext  = 1 // flags of a descriptor (2.7.5)
	descWrite = 2
)

// queue is a virtqueue as the driver set it up.
type queue struct {
	size              uint32
	ready             bool
	desc, avail, used uint64
	next              uint16 // avail index to be looked at
	counts            QueueCounts
	last              chain // what walk returned last; the next one takes its memory
}

// QueueCounts are what a queue has seen, over all resets of its device.
type QueueCounts struct {
	Notifies uint64 // doorbells rung
	Requests uint64 // chains of descriptors returned as used
	Bytes    uint64 // in their buffers that were read or written
}

// chain is a request: what the device may read, and what it may write. It holds until the
// queue's next one is looked at.
type chain struct {
	head               uint16
	readable, writable [][]byte
	at                 []uint64 // guest-physical addresses of the writable ones
}

func size(parts [][]byte) (n uint64) {
	for _, part := range parts {
		n += uint64(len(part))
	}
	return n
}

// parts returns the three areas, or false if they are not all RAM.
func (q *queue) parts(mem Memory) (desc, avail, used []byte, ok bool) {
	n := uint64(q.size)
	if n == 0 || n > QueueSizeMax || n&(n-1) != 0 || q.desc&15 != 0 || q.avail&1 != 0 || q.used&3 != 0 {
		return nil, nil, nil, false
	}
	desc, ok1 := mem.Slice(q.desc, descSize*n)
	avail, ok2 := mem.Slice(q.avail, availRing+2*n)
	used, ok3 := mem.Slice(q.used, usedRing+usedElem*n)
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

// serve takes the first request that is available, if there is one, calls each for it
// and returns it as used with nothing written. It returns how many it took. One at a
// time: so no doorbell makes the VMM work for long (MMIO.Unfinished).
func (q *queue) serve(mem Memory, each func(chain) error) (served int, err error) {
	if !q.ready {
		return 0, nil
	}
	waiting, err := q.waiting(mem)
	if waiting == 0 || err != nil {
		return 0, err
	}
	c, used, err := q.first(mem)
	if err != nil {
		return 0, err
	}
	if err := each(c); err != nil {
		return 0, err
	}
	q.counts.Bytes += size(c.readable) + size(c.writable)
	q.complete(used, c.head, 0)
	return 1, nil
}

// waiting returns how many requests are available.
func (q *queue) waiting(mem Memory) (uint32, error) {
	_, avail, _, ok := q.parts(mem)
	if !ok {
		return 0, errQueue
	}
	// flags and idx share the first aligned word; avail is 2-aligned only, so
	// idx is read by itself.
	n := uint32(load16(avail[2:]) - q.next)
	if n > q.size {
		return 0, errQueue
	}
	return n, nil
}

// first returns the first request that is available; there must be one.
func (q *queue) first(mem Memory) (c chain, used []byte, err error) {
	desc, avail, used, ok := q.parts(mem)
	if !ok {
		return c, nil, errQueue
	}
	head := load16(avail[availRing+2*(uint32(q.next)%q.size):])
	c, err = q.walk(mem, desc, head)
	return c, used, err
}

// room returns how many bytes fit into the first request that is available, 0 if
// none is.
func (q *queue) room(mem Memory) (room int, err error) {
	waiting, err := q.waiting(mem)
	if waiting == 0 || err != nil {
		return 0, err
	}
	c, _, err := q.first(mem)
	for _, part := range c.writable {
		room += len(part)
	}
	return room, err
}

// fill copies b into the first request that is available, and returns that as used
// with what was copied. What does not fit is not taken.
func (q *queue) fill(mem Memory, b []byte) (n int, err error) {
	waiting, err := q.waiting(mem)
	if waiting == 0 || len(b) == 0 || err != nil {
		return 0, err
	}
	c, used, err := q.first(mem)
	if err != nil {
		return 0, err
	}
	for _, part := range c.writable {
		n += copy(part, b[n:])
	}
	q.counts.Bytes += uint64(n)
	q.complete(used, c.head, uint32(n))
	return n, nil
}

// wantsInterrupts says whether the driver wants to be told of used buffers
// (VIRTIO 1.2, 2.7.7).
func (q *queue) wantsInterrupts(mem Memory) bool {
	const noInterrupt = 1
	_, avail, _, ok := q.parts(mem)
	return ok && load16(avail)&noInterrupt == 0
}

// load16 reads 16 bits once. There is no 16-bit atomic; one aligned MOV is what
// the compiler makes of it, and every use copes with any value.
func load16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }

// walk follows a chain. A chain has at most as many descriptors as the queue, so
// a loop in it ends there.
func (q *queue) walk(mem Memory, desc []byte, head uint16) (c chain, err error) {
	c = chain{head: head, readable: q.last.readable[:0], writable: q.last.writable[:0], at: q.last.at[:0]}
	defer func() { q.last = c }()
	at := uint32(head)
	for range q.size {
		if at >= q.size {
			return c, errQueue
		}
		d := [descSize]byte(desc[descSize*at:]) // a copy: the guest may write on
		addr := binary.LittleEndian.Uint64(d[0:])
		length := binary.LittleEndian.Uint32(d[8:])
		flags := binary.LittleEndian.Uint16(d[12:])
		if flags&^(descNext|descWrite) != 0 {
			return c, errQueue
		}
		part, ok := mem.Slice(addr, uint64(length))
		switch {
		case flags&descWrite != 0 && ok:
			c.writable, c.at = append(c.writable, part), append(c.at, addr)
		case flags&descWrite == 0 && ok:
			c.readable = append(c.readable, part)
		default:
			return c, errQueue
		}
		if flags&descNext == 0 {
			return c, nil
		}
		at = uint32(binary.LittleEndian.Uint16(d[14:]))
	}
	return c, errQueue
}

// complete takes the first request off the available ring and puts it into the
// used one, with how many bytes were written: the element first, then the index.
func (q *queue) complete(used []byte, head uint16, written uint32) {
	q.next++
	q.counts.Requests++
	word := load32(used)
	idx := uint16(word >> 16)
	e := used[usedRing+usedElem*(uint32(idx)%q.size):]
	store32(e, uint32(head))
	store32(e[4:], written)
	store32(used, word&0xffff|uint32(idx+1)<<16)
}
