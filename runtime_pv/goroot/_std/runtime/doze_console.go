package runtime

// Standard output and error: two virtio consoles where the VMM has them, else the two
// serial ports. A write returns when the host has taken its bytes, with the host's
// error if it did not: the thread waits until then, the machine never does.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/linux"
	"internal/runtime/doze/mmio"
	"internal/runtime/doze/virtio/console"
)

var dozeConsoles struct {
	base      [2]uintptr // device windows, 0 = none
	line      [2]uintptr // interrupt lines, 0 where the VMM has events instead
	interrupt uint64     // bits of the lines among the interrupts
	ready     [2]bool
	news      [2]bool // dozeSay took back what threads may wait for
	dev       [2]console.Console
	mem       [2][console.MemSize + dozePage]byte
	input     bool // the first receives, too
	inMem     [console.InputMemSize + dozePage]byte
}

// dozeConsoleAdd takes the device window at base for the next stream. The first
// is standard output, the second standard error.
func dozeConsoleAdd(base, line uintptr) {
	c := &dozeConsoles
	for i := range c.base {
		if c.base[i] == 0 {
			c.base[i], c.line[i] = base, line
			if line != 0 {
				c.interrupt |= 1 << (abi.VectorDevice + line - abi.VectorBase)
			}
			return
		}
	}
}

// dozeConsole returns the device of a stream, nil if there is none. It is set up
// when it is first used: that takes some thirty exits, and a program may never
// write to the stream.
func dozeConsole(stream uintptr) *console.Console {
	c := &dozeConsoles
	if c.base[stream] == 0 {
		return nil
	}
	if !c.ready[stream] {
		at := alignUp(dozeAddr(&c.mem[stream][0]), dozePage)
		if c.dev[stream].Init(c.base[stream], at) != 0 {
			c.base[stream] = 0
			return nil
		}
		if c.line[stream] != 0 {
			dozeRouteLine(c.line[stream])
		}
		c.ready[stream] = true
	}
	return &c.dev[stream]
}

// dozeConsoleAsk gives the first console n bytes at p to receive input in. A host that
// takes no output must not keep input back: so a console that could only send until now
// gets its receive queue while it sends.
func dozeConsoleAsk(p, n uintptr) (ok bool) {
	c := &dozeConsoles
	if c.base[0] == 0 {
		return false
	}
	if !c.input {
		in := alignUp(dozeAddr(&c.inMem[0]), dozePage)
		if c.ready[0] {
			c.input = c.dev[0].AddInput(in) == 0
		} else {
			at := alignUp(dozeAddr(&c.mem[0][0]), dozePage)
			c.input = c.dev[0].InitInput(c.base[0], at, in) == 0
			c.ready[0] = c.input
		}
		if !c.input {
			return false
		}
	}
	return c.dev[0].Ask(p, uint32(n))
}

// dozeConsoleTake returns how many bytes the first console has received, if it
// has received any since it was asked to.
func dozeConsoleTake() (n uintptr, ok bool) {
	if !dozeConsoles.input {
		return 0, false
	}
	return dozeConsoles.dev[0].Take()
}

// dozeStreamAddr is what threads wait on for a stream to take more.
func dozeStreamAddr(stream uintptr) uintptr { return dozeAddr(&dozeConsoles.dev[stream]) }

// dozeConsoleCollect takes back what a stream's device is done with and reports whether
// there was any. That may be what another thread waits for, and the event that tells
// of it finds nothing any more: so whoever looks lets all of them go on.
func dozeConsoleCollect(stream uintptr) bool {
	c := &dozeConsoles
	any := c.dev[stream].Collect()
	if any || c.news[stream] {
		c.news[stream] = false
		dozeNotify(dozeStreamAddr(stream), dozeEveryone)
	}
	return any
}

// dozeConsoleEvent lets those go on whose bytes the devices are done with.
func dozeConsoleEvent() {
	c := &dozeConsoles
	for i := range c.dev {
		if !c.ready[i] {
			continue
		}
		if c.line[i] != 0 {
			c.dev[i].Acknowledge()
		}
		dozeConsoleCollect(uintptr(i))
		if c.dev[i].WantInterrupts(!c.dev[i].Idle()); !c.dev[i].Idle() {
			dozeConsoleCollect(uintptr(i))
		}
	}
}

// dozeConsoleWrite serves write(2) to standard output and error, whose open file has
// the descriptor's number in obj. t.done is how far a call that waited is, t.sent the
// ticket of what the device has of it.
func dozeConsoleWrite(t *dozeThread, f *dozeFile, s dozeParts) uintptr {
	stream := dozeStreamOf(f.obj)
	c := dozeConsole(stream)
	if c == nil {
		return dozeUARTSend(t, f, stream, s)
	}
	for {
		if t.sent != 0 {
			written, errno, ok := c.Result(int(t.sent - 1))
			if !ok {
				if c.WantInterrupts(true); dozeConsoleCollect(stream) {
					continue
				}
				return dozeWaitOn(f, dozeStreamAddr(stream))
			}
			t.sent = 0
			t.done += uintptr(written)
			dozeNotify(dozeStreamAddr(stream), dozeEveryone) // some may wait for a ticket
			if linux.Errno(errno) == linux.EPIPE {
				dozeRaise(t, _SIGPIPE, dozeSiUser)
			}
			if errno != 0 {
				return t.wrote(linux.Errno(errno))
			}
		}
		if t.done == s.n {
			return t.wrote(0)
		}
		at, room := c.Space()
		if room == 0 {
			if c.WantInterrupts(true); dozeConsoleCollect(stream) {
				continue
			}
			if !c.Ready() {
				return t.wrote(console.EIO)
			}
			return dozeWaitOn(f, dozeStreamAddr(stream))
		}
		part := min(s.n-t.done, room)
		part -= s.read(at, t.done, part)
		if part == 0 {
			return t.wrote(linux.EFAULT)
		}
		t.sent = uint32(c.Put(part)) + 1
		t.sentTo = uint32(stream)
		dozeConsoleCollect(stream) // a device may be done by now
	}
}

// dozeConsoleLeave ends a thread's interest in what a device has of its write: a
// signal handler ends the call, which has written those bytes.
func dozeConsoleLeave(t *dozeThread) {
	if t.sent != 0 {
		t.done += uintptr(dozeConsoles.dev[t.sentTo].Abandon(int(t.sent - 1)))
		t.sent = 0
		dozeNotify(dozeStreamAddr(uintptr(t.sentTo)), dozeEveryone) // some may wait for a ticket
	}
}

func dozeStreamOf(fd uintptr) uintptr {
	if fd == 2 {
		return 1
	}
	return 0
}

// dozeSay prints the kernel's own words on standard error. They are in the ring when
// it returns, or lost if there is no room even after a while: nobody may wait here.
func dozeSay(p, n uintptr) {
	const patience = 1 << 20 // PAUSEs: some 50 ms
	c := dozeConsole(1)
	if c == nil {
		dozeUARTWrite(1, p, n)
		return
	}
	for tries := 0; n > 0 && tries < patience && c.Ready(); tries++ {
		at, room := c.Space()
		if room == 0 {
			mmio.Pause()
			dozeConsoles.news[1] = c.Collect() || dozeConsoles.news[1]
			continue
		}
		part := min(n, room)
		mmio.Copy(at, p, part)
		c.Abandon(c.Put(part))
		p, n = p+part, n-part
	}
	dozeConsoles.news[1] = c.Collect() || dozeConsoles.news[1]
}

// dozeSayRoom reports whether dozeSay has room for n bytes; if not, dozeConsoleEvent
// tells when that may have changed.
func dozeSayRoom(n uintptr) bool {
	c := dozeConsole(1)
	if c == nil || !c.Ready() {
		return true
	}
	for {
		if _, room := c.Space(); room >= n || c.Idle() {
			return true
		}
		if c.WantInterrupts(true); !dozeConsoleCollect(1) {
			return false
		}
	}
}
