package queue

import (
	"github.com/doze-vm/doze/kernel/mmio"

	"github.com/doze-vm/doze/drivers/virtio/spec"
)

// Buffer is one element of a chain.
type Buffer struct {
	Addr  uintptr
	Len   uint32
	Write bool // the device writes into it
}

// Add puts a chain into the queue: first the buffers that the device reads, then
// those it writes (2.7.4.2). It returns the chain's head, by which Poll will name
// it. The device sees nothing before Publish, and owns the memory from then on
// until Poll returns the head.
func (q *Queue) Add(bufs []Buffer) (head uint16, code Code) {
	if q.broken != OK {
		return 0, q.broken
	}
	room, code := check(bufs)
	if code != OK {
		return 0, code
	}
	if len(bufs) > int(q.free) {
		return 0, Full
	}
	head = q.freeHead
	i := head
	for k := range bufs {
		b := &bufs[k]
		flags, next := uint16(0), mmio.Load16(q.note(i)+noteNext)
		if b.Write {
			flags = spec.DescFlagWrite
		}
		if k < len(bufs)-1 {
			flags |= spec.DescFlagNext
		}
		q.setDesc(i, b.Addr, b.Len, flags, next)
		i = next
	}
	q.freeHead = i
	q.free -= uint16(len(bufs))
	mmio.Store16(q.note(head)+noteCount, uint16(len(bufs)))
	mmio.Store32(q.note(head)+noteRoom, room)
	q.offer(q.avail, head)
	q.avail++
	q.inFlight++
	return head, OK
}

// check looks at a chain and adds up what the device may write.
func check(bufs []Buffer) (room uint32, code Code) {
	if len(bufs) == 0 || len(bufs) > spec.QueueMax {
		return 0, BadChain
	}
	sum, writes := uint64(0), false
	for k := range bufs {
		b := &bufs[k]
		if b.Len == 0 || b.Addr == 0 || b.Addr+uintptr(b.Len) < b.Addr || writes && !b.Write {
			return 0, BadChain
		}
		if b.Write {
			writes = true
			sum += uint64(b.Len)
		}
	}
	if sum > maxBuffer { // a chain is at most 4 GiB (2.7.4)
		return 0, BadChain
	}
	return uint32(sum), OK
}

// Poll takes back one chain that the device is done with: its head, and how many
// bytes the device wrote. Empty if there is none. Any other code says that the
// device broke the rules; the queue is then unusable and every later call says
// the same.
func (q *Queue) Poll() (head uint16, written uint32, code Code) {
	if q.broken != OK || q.size == 0 {
		return 0, 0, max(q.broken, Empty)
	}
	index := mmio.Load16(q.Device() + spec.RingIndex)
	switch ready := index - q.used; {
	case ready == 0:
		return 0, 0, Empty
	case ready > q.inFlight:
		return 0, 0, q.fail(BadIndex)
	}
	entry := q.Device() + spec.RingEntries + uintptr(q.used&(q.size-1))*spec.UsedEntry
	id, n := mmio.Load32(entry), mmio.Load32(entry+spec.UsedLen)
	if id >= uint32(q.size) {
		return 0, 0, q.fail(BadID)
	}
	head = uint16(id)
	count := mmio.Load16(q.note(head) + noteCount)
	if count == 0 || count > q.size-q.free {
		return 0, 0, q.fail(BadID)
	}
	if n > mmio.Load32(q.note(head)+noteRoom) {
		return 0, 0, q.fail(BadLength)
	}
	q.release(head, count)
	q.used++
	q.inFlight--
	return head, n, OK
}

func (q *Queue) fail(code Code) Code {
	q.broken = code
	return code
}

// release puts a chain's descriptors in front of the free list.
func (q *Queue) release(head, count uint16) {
	last := head
	for k := uint16(1); k < count; k++ {
		last = mmio.Load16(q.note(last) + noteNext)
	}
	mmio.Store16(q.note(last)+noteNext, q.freeHead)
	mmio.Store16(q.note(head)+noteCount, 0)
	q.freeHead = head
	q.free += count
}
