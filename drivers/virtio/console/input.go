package console

import (
	transport "github.com/doze-vm/doze/drivers/virtio/mmio"
	"github.com/doze-vm/doze/drivers/virtio/queue"
	"github.com/doze-vm/doze/drivers/virtio/spec"
)

// InputMemSize is the memory that InitInput needs for the receive queue.
const InputMemSize = 0x1000

// inputQueueSize is as small as serves: one buffer is asked for at a time.
const inputQueueSize = 4

// InitInput is Init for a console that receives too; inputMem is the address of
// InputMemSize bytes, page-aligned, the console's from now on.
func (c *Console) InitInput(base, queueMem, inputMem uintptr) transport.Code {
	if inputMem == 0 || inputMem%queue.Align != 0 {
		*c = Console{}
		return transport.BadMemory
	}
	return c.start(base, queueMem, inputMem)
}

// AddInput lets a console that can only send receive too, whatever output the device
// has. VIRTIO has queues set up before DRIVER_OK; hostvmm's device takes one later.
func (c *Console) AddInput(inputMem uintptr) transport.Code {
	if c.mem == 0 || inputMem == 0 {
		return transport.BadMemory
	}
	return setInput(c.regs, &c.in, inputMem)
}

// setInput hands the device a receive queue.
func setInput(r transport.Regs, in *queue.Queue, inputMem uintptr) transport.Code {
	if in.Init(inputMem, inputQueueSize) != queue.OK {
		return transport.BadMemory
	}
	in.WantInterrupts(true)
	return r.SetQueue(spec.ConsoleReceive, in)
}

// Ask gives the device n bytes at p to receive input in, its own until Take says
// that it used them. It reports whether the device took them.
func (c *Console) Ask(p uintptr, n uint32) bool {
	bufs := [1]queue.Buffer{{Addr: p, Len: n, Write: true}}
	if _, code := c.in.Add(bufs[:]); code != queue.OK {
		return false
	}
	c.in.Publish()
	if c.in.NeedsKick() {
		c.regs.Notify(spec.ConsoleReceive)
	}
	return true
}

// Take returns how many bytes the device wrote into the oldest memory that it was
// given and is done with; false if it is done with none, or broke the rules.
func (c *Console) Take() (n uintptr, ok bool) {
	_, written, code := c.in.Poll()
	return uintptr(written), code == queue.OK
}
