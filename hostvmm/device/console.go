package device

import (
	"encoding/binary"
	"errors"
	"syscall"
)

// A console is a virtio console without features (VIRTIO 1.2, 5.3): queue 0 is
// input, queue 1 is output. Beyond the specification, a request's memory that the
// device may write gets a status (drivers/virtio/console): the host's error number,
// and how many bytes were written before the error.
type console struct {
	ready func()         // the driver has output; nil: it is kept and never taken
	asked func(room int) // the driver offers memory for input; nil: it is kept and never filled
	at    uint64         // bytes of the first request that were written
	taken bool           // TakeOutput copied some that OutputDone has not told of
}

const (
	idConsole  = 3
	consoleIn  = 0
	consoleOut = 1

	statusSize    = 8
	statusErrno   = 0
	statusWritten = 4
)

// Console is a virtio console. One goroutine at a time uses it.
type Console struct {
	*MMIO
	c *console
}

// NewConsole makes a console. ready is told when the driver has output, by the
// goroutine that rang the doorbell; it must not wait for the host. TakeOutput and
// OutputDone take the output. asked, if not nil, is told when the driver offers
// memory for so many bytes of input; Receive fills it. interrupt, if not nil, is
// called when the driver should look at its queues.
func NewConsole(mem Memory, ready func(), asked func(room int), interrupt func()) *Console {
	c := &console{ready: ready, asked: asked}
	return &Console{MMIO: newMMIO(c, mem, interrupt), c: c}
}

func (c *console) id() uint32  { return idConsole }
func (c *console) queues() int { return 2 }

func (c *console) queueMax() uint32         { return QueueSizeMax }
func (c *console) features() uint64         { return 0 }
func (c *console) config(uint64) uint32     { return 0 }
func (c *console) setConfig(uint64, uint32) {}
func (c *console) reset()                   { c.at, c.taken = 0, false }

func (c *console) notify(i int, q *queue, mem Memory) (int, error) {
	if i == consoleIn {
		if c.asked == nil || !q.ready {
			return 0, nil
		}
		room, err := q.room(mem)
		if room > 0 {
			c.asked(room)
		}
		return 0, err
	}
	if c.ready != nil && q.ready {
		c.ready()
	}
	return 0, nil
}

// TakeOutput copies the next bytes of the first request into b, which is not empty,
// and returns how many; 0 if there is no output. OutputDone says what became of
// them before the next call. It returns requests without bytes, but only as many as
// fit into the queue: a guest whose rings overlap offers the next by taking back one.
// The doorbell tells of what came meanwhile.
func (c *Console) TakeOutput(b []byte) int {
	q := &c.MMIO.queues[consoleOut]
	for empty := uint32(0); c.live() && q.ready && empty <= q.size; empty++ {
		waiting, err := q.waiting(c.mem)
		if waiting == 0 && err == nil {
			return 0
		}
		var ch chain
		if err == nil {
			ch, _, err = q.first(c.mem)
		}
		if err != nil {
			c.broken()
			return 0
		}
		if n := copyFrom(b, ch.readable, c.c.at); n > 0 {
			c.c.taken = true
			return n
		}
		c.complete(q, ch, nil) // a request without bytes
	}
	return 0
}

// copyFrom copies what the parts hold from an offset on.
func copyFrom(b []byte, parts [][]byte, at uint64) (n int) {
	for _, part := range parts {
		if at >= uint64(len(part)) {
			at -= uint64(len(part))
			continue
		}
		n += copy(b[n:], part[at:])
		at = 0
	}
	return n
}

// OutputDone says that n bytes of those that TakeOutput copied were written, and the
// error that kept the others from it. It returns a request to the driver once all of
// its bytes are written, or one of them is not.
func (c *Console) OutputDone(n int, failed error) {
	q := &c.MMIO.queues[consoleOut]
	if !c.live() || !q.ready || !c.c.taken { // the driver began anew
		return
	}
	c.c.taken = false
	ch, _, err := q.first(c.mem)
	if err != nil {
		c.broken()
		return
	}
	c.c.at += uint64(n)
	if failed != nil || c.c.at >= size(ch.readable) {
		c.complete(q, ch, failed)
	}
}

// complete returns the first request.
func (c *Console) complete(q *queue, ch chain, failed error) {
	_, _, used, ok := q.parts(c.mem)
	if !ok {
		c.broken()
		return
	}
	var status [statusSize]byte
	binary.LittleEndian.PutUint32(status[statusErrno:], errno(failed))
	binary.LittleEndian.PutUint32(status[statusWritten:], uint32(c.c.at))
	written := 0
	for _, part := range ch.writable {
		written += copy(part, status[written:])
	}
	q.counts.Bytes += c.c.at
	c.c.at = 0
	q.complete(used, ch.head, uint32(written))
	c.pending |= usedBuffer
	if q.wantsInterrupts(c.mem) && c.interrupt != nil {
		c.interrupt()
	}
}

// broken gives the driver up: it broke the rules.
func (c *Console) broken() {
	c.status |= statusNeedsReset
	c.notice()
}

// maxErrno is the greatest error number that a call can return (Linux, MAX_ERRNO).
const maxErrno = 4095

// errno returns an error's number, EIO for one without: 0 would say that all is written.
func errno(err error) uint32 {
	if err == nil {
		return 0
	}
	if number := (syscall.Errno)(0); errors.As(err, &number) && number > 0 && number <= maxErrno {
		return uint32(number)
	}
	return uint32(syscall.EIO)
}
