// Package console writes to a virtio console (VIRTIO 1.2, 5.3), port 0, on its
// transmit queue, and reads from it on its receive queue if asked to. It has no
// further ports and handles no interrupts.
//
// It carries stdout, stderr and the last words of a crash, so it runs beneath the
// Go scheduler and must never allocate, panic, sleep or store a pointer, and
// waits for the device for a bounded number of reads. What is written is first
// copied to memory of its own: the device never sees the caller's. It has no
// lock; the caller has one, but for WriteCrash.
package console

import (
	transport "github.com/doze-vm/doze/drivers/virtio/mmio"
	"github.com/doze-vm/doze/drivers/virtio/queue"
	"github.com/doze-vm/doze/kernel/mmio"
)

// Queues of port 0 (5.3.2).
const (
	receiveQueue  = 0
	transmitQueue = 1
)

// queueSize is as small as serves: one buffer in flight, and the last descriptor
// for a crash.
const queueSize = 4

// A console's memory: the queue, a buffer for a crash, and the buffer for all
// else up to the end. A short line touches the first page only.
const (
	MemSize = 0x2000

	crashAt   = 0x100
	crashSize = 0x100
	bufferAt  = crashAt + crashSize
	bufferLen = MemSize - bufferAt
)

// patience bounds the wait for the device, in PAUSEs: some 50 ms. The device
// handles its doorbell at once under hostvmm, and in another thread, perhaps on
// the same CPU, under QEMU.
const patience = 1 << 20

// Console is one console. The zero value writes nothing, 0 bytes of all.
type Console struct {
	regs  transport.Regs
	mem   uintptr
	spins int
	q     queue.Queue
	in    queue.Queue // has no descriptors without input
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
	if code := r.Begin(transport.DeviceConsole); code != transport.OK {
		return code
	}
	var q, in queue.Queue
	code := transport.BadMemory
	if q.Init(queueMem, queueSize) == queue.OK {
		code = r.SetQueue(transmitQueue, &q)
	}
	if code == transport.OK && inputMem != 0 {
		code = transport.BadMemory
		if in.Init(inputMem, queueSize) == queue.OK {
			in.WantInterrupts(true)
			code = r.SetQueue(receiveQueue, &in)
		}
	}
	if code == transport.OK {
		code = r.Start()
	}
	if code != transport.OK {
		r.Fail()
		return code
	}
	*c = Console{regs: r, mem: queueMem, spins: patience, q: q, in: in}
	return transport.OK
}

// Ready reports whether Init was done.
func (c *Console) Ready() bool { return c.mem != 0 }

// Write writes n bytes from p and returns how many the device took or has been
// given. It is less than n if the device did not take its last buffer in time,
// or broke the rules.
func (c *Console) Write(p uintptr, n uintptr) (written uintptr) {
	for written < n && c.idle() {
		part := min(n-written, bufferLen)
		buffer := c.mem + bufferAt
		mmio.Copy(buffer, p+written, part)
		bufs := [1]queue.Buffer{{Addr: buffer, Len: uint32(part)}}
		if _, code := c.q.Add(bufs[:]); code != queue.OK {
			return written
		}
		c.q.Publish()
		if c.q.NeedsKick() {
			c.regs.Notify(transmitQueue)
		}
		written += part
	}
	c.idle()
	return written
}

// idle waits until the buffer is the driver's again.
func (c *Console) idle() bool {
	if c.mem == 0 {
		return false
	}
	for i := 0; c.q.InFlight() > 0; i++ {
		switch _, _, code := c.q.Poll(); {
		case code == queue.Empty && i < c.spins:
			mmio.Pause()
		case code != queue.OK:
			return false
		}
	}
	return c.q.Broken() == queue.OK
}

// WriteCrash is Write for a machine that is going down: it may interrupt Write
// anywhere, needs no lock, and believes nothing but where the console is. It
// tries each part once and gives up on the first that the device does not take.
// Write must not be called afterwards.
func (c *Console) WriteCrash(p uintptr, n uintptr) (written uintptr) {
	if c.mem == 0 {
		return 0
	}
	for written < n {
		part := min(n-written, crashSize)
		mmio.Copy(c.mem+crashAt, p+written, part)
		c.q.Force(c.mem+crashAt, uint32(part))
		c.regs.Notify(transmitQueue)
		if !c.done() {
			return written
		}
		written += part
	}
	return written
}

// done waits until the device has used all it was given.
func (c *Console) done() bool {
	for range c.spins {
		if c.q.Done() {
			return true
		}
		mmio.Pause()
	}
	return false
}
