// Package console is a virtio console (VIRTIO 1.2, 5.3). It must never touch the host:
// who owns it takes its output and brings its input.
package console

import (
	"encoding/binary"
	"errors"
	"syscall"

	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/hostvmm/device/virtio"
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

// Console is a virtio console. One goroutine at a time uses it.
type Console struct {
	*virtio.MMIO
	c *console
}

// New makes a console. ready is told when the driver has output, by the
// goroutine that rang the doorbell; it must not wait for the host. TakeOutput and
// OutputDone take the output. asked, if not nil, is told when the driver offers
// memory for so many bytes of input; Receive fills it. interrupt, if not nil, is
// called when the driver should look at its queues.
func New(mem virtio.Memory, ready func(), asked func(room int), interrupt func()) *Console {
	c := &console{ready: ready, asked: asked}
	return &Console{MMIO: virtio.NewMMIO(c, mem, interrupt), c: c}
}

func (c *console) ID() uint32  { return spec.DeviceConsole }
func (c *console) Queues() int { return 2 }

func (c *console) QueueMax() uint32         { return virtio.QueueSizeMax }
func (c *console) Features() uint64         { return 0 }
func (c *console) Config(uint64) uint32     { return 0 }
func (c *console) SetConfig(uint64, uint32) {}
func (c *console) Reset()                   { c.at, c.taken = 0, false }

func (c *console) Notify(i int, q *virtio.Queue, mem virtio.Memory) (int, error) {
	if i == spec.ConsoleReceive {
		if c.asked == nil || !q.Ready() {
			return 0, nil
		}
		room, err := q.Room(mem)
		if room > 0 {
			c.asked(room)
		}
		return 0, err
	}
	if c.ready != nil && q.Ready() {
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
	q := c.Queue(spec.ConsoleTransmit)
	for empty := uint32(0); c.Live() && q.Ready() && empty <= q.Size(); empty++ {
		waiting, err := q.Waiting(c.Memory())
		if waiting == 0 && err == nil {
			return 0
		}
		var ch virtio.Chain
		if err == nil {
			ch, _, err = q.First(c.Memory())
		}
		if err != nil {
			c.Fail()
			return 0
		}
		if n := copyFrom(b, ch.Readable, c.c.at); n > 0 {
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
	q := c.Queue(spec.ConsoleTransmit)
	if !c.Live() || !q.Ready() || !c.c.taken { // the driver began anew
		return
	}
	c.c.taken = false
	ch, _, err := q.First(c.Memory())
	if err != nil {
		c.Fail()
		return
	}
	c.c.at += uint64(n)
	if failed != nil || c.c.at >= virtio.Size(ch.Readable) {
		c.complete(q, ch, failed)
	}
}

// complete returns the first request.
func (c *Console) complete(q *virtio.Queue, ch virtio.Chain, failed error) {
	var status [spec.ConsoleStatusSize]byte
	binary.LittleEndian.PutUint32(status[spec.ConsoleStatusErrno:], errno(failed))
	binary.LittleEndian.PutUint32(status[spec.ConsoleStatusWritten:], uint32(c.c.at))
	written := 0
	for _, part := range ch.Writable {
		written += copy(part, status[written:])
	}
	if q.Return(c.Memory(), ch, uint32(written), c.c.at) != nil {
		c.Fail()
		return
	}
	c.c.at = 0
	c.Used(q)
}

// Receive puts input into the memory that the driver offers and returns how much
// it took: nothing, if none is offered.
func (c *Console) Receive(b []byte) int {
	q := c.Queue(spec.ConsoleReceive)
	if !c.Live() || !q.Ready() {
		return 0
	}
	n, err := q.Fill(c.Memory(), b)
	switch {
	case err != nil:
		c.Fail()
	case n > 0:
		c.Notice()
	}
	return n
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
