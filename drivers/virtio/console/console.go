// Package console is the driver of a virtio console (VIRTIO 1.2, 5.3): a ring of bytes
// on its way out by the transmit queue, and input by the receive queue if it is asked
// for. It uses one port: the console, or port 1 of a device that has several, and
// never the control queues.
//
// Nothing here waits. Put hands bytes to the device and returns a ticket; Result says
// later what became of them, so that a thread whose bytes the host does not take can
// wait while others run. It carries stdout and stderr beneath the Go scheduler and
// must never allocate, panic, sleep or store a pointer, and never believe the device.
// The device sees only memory of the driver's own. It has no lock; the caller has one.
package console

import (
	transport "github.com/doze-vm/doze/drivers/virtio/mmio"
	"github.com/doze-vm/doze/drivers/virtio/queue"
	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/kernel/mmio"
)

// Sizes of the queue: each request has two descriptors, its bytes and its status.
const (
	queueSize = 16
	Tickets   = queueSize / 2
)

// A console's memory: the queue, the statuses, and the ring up to the end. The ring
// begins anew whenever it is empty, so a short line touches the first page only.
const (
	MemSize  = 0x5000
	statusAt = 0x280
	ringAt   = statusAt + Tickets*spec.ConsoleStatusSize
	ringSize = MemSize - ringAt
)

// EIO is the error of bytes whose device broke the rules (errno(3)).
const EIO = 5

// maxErrno is the greatest number that a caller takes for an error's (Linux, MAX_ERRNO).
const maxErrno = 4095

// ticket is the state of one request.
type ticket struct {
	state   uint8
	head    uint16
	n       uint32 // bytes
	errno   uint32
	written uint32
}

const (
	ticketFree      = iota
	ticketOut       // the device has it, and someone will ask for the result
	ticketAbandoned // the device has it, and nobody will ask
	ticketDone      // its result waits to be asked for
)

// Console is one console. The zero value takes nothing.
type Console struct {
	regs     transport.Regs
	mem      uintptr
	transmit uint32 // the transmit queue's number
	q        queue.Queue
	in       queue.Queue // has no descriptors without input
	tickets  [Tickets]ticket
	order    [Tickets]uint8 // tickets that the device has, the oldest first
	out      int            // how many
	at       uintptr        // where the next byte goes in the ring
	used     uintptr        // bytes in the ring
}

// Init starts the console whose registers are at base. queueMem is the address
// of MemSize bytes in a row, page-aligned, the console's from now on.
func (c *Console) Init(base, queueMem uintptr) transport.Code { return c.start(base, queueMem, 0) }

// start is Init, and InitInput if inputMem is not 0.
func (c *Console) start(base, queueMem, inputMem uintptr) transport.Code {
	*c = Console{}
	if base == 0 || queueMem == 0 || queueMem%queue.Align != 0 {
		return transport.BadMemory
	}
	r := transport.Regs{Base: base}
	features, code := r.BeginWith(spec.DeviceConsole, spec.ConsoleMultiport)
	if code != transport.OK {
		return code
	}
	transmit := uint32(spec.ConsoleTransmit)
	if features&spec.ConsoleMultiport != 0 {
		transmit = spec.ConsoleTransmitPort1
	}
	var q, in queue.Queue
	code = transport.BadMemory
	if q.Init(queueMem, queueSize) == queue.OK {
		code = r.SetQueue(transmit, &q)
	}
	if code == transport.OK && inputMem != 0 {
		code = setInput(r, &in, inputMem)
	}
	if code == transport.OK {
		code = r.Start()
	}
	if code != transport.OK {
		r.Fail()
		return code
	}
	*c = Console{regs: r, mem: queueMem, transmit: transmit, q: q, in: in}
	return transport.OK
}

// Ready reports whether Init was done.
func (c *Console) Ready() bool { return c.mem != 0 }

// Idle reports whether the device has none of the driver's output.
func (c *Console) Idle() bool { return c.out == 0 }

// Space returns where the next bytes may be put, and how many; 0 if the ring is full,
// or no ticket is free.
func (c *Console) Space() (addr, n uintptr) {
	if c.mem == 0 || c.free() < 0 {
		return 0, 0
	}
	if c.used == 0 {
		c.at = 0
	}
	first := c.at + ringSize - c.used // the oldest byte's place
	if first >= ringSize {
		first -= ringSize
	}
	n = ringSize - c.at
	if c.used > 0 && first >= c.at {
		n = first - c.at
	}
	return c.mem + ringAt + c.at, n
}

// free returns a free ticket, -1 if there is none.
func (c *Console) free() int {
	for i := range c.tickets {
		if c.tickets[i].state == ticketFree {
			return i
		}
	}
	return -1
}

// Put hands the device n bytes that the caller has written to where Space said, and
// returns a ticket for Result or Abandon. n is not 0, nor more than Space's.
func (c *Console) Put(n uintptr) int {
	i := c.free()
	t := &c.tickets[i]
	status := c.mem + statusAt + uintptr(i)*spec.ConsoleStatusSize
	mmio.Store64(status, 0)
	bufs := [2]queue.Buffer{{Addr: c.mem + ringAt + c.at, Len: uint32(n)}, {Addr: status, Len: spec.ConsoleStatusSize, Write: true}}
	head, code := c.q.Add(bufs[:])
	*t = ticket{state: ticketOut, head: head, n: uint32(n)}
	if code != queue.OK {
		*t = ticket{state: ticketDone, n: uint32(n), errno: EIO}
		return i
	}
	c.order[c.out] = uint8(i)
	c.out++
	c.used += n
	if c.at += n; c.at == ringSize {
		c.at = 0
	}
	c.q.Publish()
	if c.q.NeedsKick() {
		c.regs.Notify(c.transmit)
	}
	return i
}

// Collect takes back what the device is done with and reports whether there was
// any. A device that breaks the rules is given up, and what it had has failed.
func (c *Console) Collect() (any bool) {
	for c.out > 0 {
		i := int(c.order[0])
		t := &c.tickets[i]
		head, _, code := c.q.Poll()
		switch {
		case code == queue.Empty:
			return any
		case code != queue.OK || head != t.head:
			c.giveUp()
			return true
		}
		status := c.mem + statusAt + uintptr(i)*spec.ConsoleStatusSize
		if t.errno = mmio.Load32(status + spec.ConsoleStatusErrno); t.errno > maxErrno {
			t.errno = EIO
		}
		if t.errno != 0 {
			t.written = min(mmio.Load32(status+spec.ConsoleStatusWritten), t.n)
		} else {
			t.written = t.n
		}
		c.end(t)
		any = true
	}
	return any
}

// end ends the oldest request.
func (c *Console) end(t *ticket) {
	if t.state == ticketAbandoned {
		t.state = ticketFree
	} else {
		t.state = ticketDone
	}
	c.used -= uintptr(t.n)
	c.out--
	for k := 0; k < c.out; k++ {
		c.order[k] = c.order[k+1]
	}
}

// giveUp ends all requests with an error, and the console with them.
func (c *Console) giveUp() {
	for c.out > 0 {
		t := &c.tickets[c.order[0]]
		t.errno, t.written = EIO, 0
		c.end(t)
	}
	c.mem = 0
}

// Result returns what became of a request, once: how many bytes were written, and the
// host's error number if that is not all. ok is false while the device has it.
func (c *Console) Result(i int) (written, errno uint32, ok bool) {
	t := &c.tickets[i]
	if t.state != ticketDone {
		return 0, 0, false
	}
	t.state = ticketFree
	return t.written, t.errno, true
}

// Abandon gives up a ticket, and returns how many bytes the request has. They are
// written all the same.
func (c *Console) Abandon(i int) uint32 {
	t := &c.tickets[i]
	if t.state == ticketOut {
		t.state = ticketAbandoned
	} else {
		t.state = ticketFree
	}
	return t.n
}

// WantInterrupts asks for an interrupt when the device is done with a request, or
// declines it. Look at Collect once more before waiting.
func (c *Console) WantInterrupts(on bool) {
	if c.mem != 0 {
		c.q.WantInterrupts(on)
	}
}

// Acknowledge takes back the device's interrupt; the status that is returned says
// why it was raised (4.2.2).
func (c *Console) Acknowledge() uint32 { return c.regs.Acknowledge() }
