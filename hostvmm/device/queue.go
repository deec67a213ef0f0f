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
}

// chain is a request: what the device may read, and how many bytes it may write.
type chain struct {
	head     uint16
	readable [][]byte
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

// serve takes all requests that are available, calls each for it and returns it
// as used with nothing written. It reports whether the driver wants an interrupt.
func (q *queue) serve(mem Memory, each func(chain)) (served int, err error) {
	if !q.ready {
		return 0, nil
	}
	desc, avail, used, ok := q.parts(mem)
	if !ok {
		return 0, errQueue
	}
	// flags and idx share the first aligned word; avail is 2-aligned only, so
	// idx is read by itself.
	idx := load16(avail[2:])
	if uint32(idx-q.next) > q.size {
		return 0, errQueue
	}
	for ; q.next != idx; q.next++ {
		slot := uint32(q.next) % q.size
		head := load16(avail[availRing+2*slot:])
		c, err := q.walk(mem, desc, head)
		if err != nil {
			return served, err
		}
		each(c)
		q.complete(used, head)
		served++
	}
	return served, nil
}

// load16 reads 16 bits once. There is no 16-bit atomic; one aligned MOV is what
// the compiler makes of it, and every use copes with any value.
func load16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }

// walk follows a chain. A chain has at most as many descriptors as the queue, so
// a loop in it ends there.
func (q *queue) walk(mem Memory, desc []byte, head uint16) (chain, error) {
	c := chain{head: head}
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
		if flags&descWrite == 0 {
			part, ok := mem.Slice(addr, uint64(length))
			if !ok {
				return c, errQueue
			}
			c.readable = append(c.readable, part)
		}
		if flags&descNext == 0 {
			return c, nil
		}
		at = uint32(binary.LittleEndian.Uint16(d[14:]))
	}
	return c, errQueue
}

// complete puts a chain into the used ring: the element first, then the index.
func (q *queue) complete(used []byte, head uint16) {
	word := load32(used)
	idx := uint16(word >> 16)
	e := used[usedRing+usedElem*(uint32(idx)%q.size):]
	store32(e, uint32(head))
	store32(e[4:], 0)
	store32(used, word&0xffff|uint32(idx+1)<<16)
}
