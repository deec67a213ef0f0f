package runtime

// Standard output and error: two virtio consoles where the VMM has them, else
// the two serial ports. Writes are synchronous, so what was written is out when
// the machine ends or crashes.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
	"internal/runtime/doze/virtio/console"
)

var dozeConsoles struct {
	base  [2]uintptr // device windows, 0 = none
	ready [2]bool
	dev   [2]console.Console
	mem   [2][console.MemSize + dozePage]byte
	input bool // the first receives, too
	inMem [console.InputMemSize + dozePage]byte
}

// dozeConsoleAdd takes the device window at base for the next stream. The first
// is standard output, the second standard error.
func dozeConsoleAdd(base uintptr) {
	for i := range dozeConsoles.base {
		if dozeConsoles.base[i] == 0 {
			dozeConsoles.base[i] = base
			return
		}
	}
}

// dozeConsole returns the device of a stream, nil if there is none. It is set up
// when it is first used: that takes some thirty exits, and a program may never
// write to the stream.
func dozeConsole(stream int) *console.Console {
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
		c.ready[stream] = true
	}
	return &c.dev[stream]
}

// dozeConsoleAsk gives the first console n bytes at p to receive input in. A
// console that could only send until now is started anew: what it was given to
// send is sent.
func dozeConsoleAsk(p, n uintptr) bool {
	c := &dozeConsoles
	if c.base[0] == 0 {
		return false
	}
	if !c.input {
		at := alignUp(dozeAddr(&c.mem[0][0]), dozePage)
		in := alignUp(dozeAddr(&c.inMem[0]), dozePage)
		c.ready[0] = c.dev[0].InitInput(c.base[0], at, in) == 0
		if c.input = c.ready[0]; !c.input {
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

func dozeConsoleWrite(fd, p, n uintptr) uintptr {
	stream := 0
	if fd == 2 {
		stream = 1
	}
	if c := dozeConsole(stream); c != nil {
		return c.Write(p, n)
	}
	return dozeUARTWrite(stream, p, n)
}

// dozeUARTWrite sends bytes by a 16550: REP OUTSB where the device takes a byte
// at once, as emulated ones do, after one look that it is there.
func dozeUARTWrite(stream int, p, n uintptr) uintptr {
	const lineStatus, empty, patience = 5, 0x20, 1 << 20 // (16550 data sheet: LSR, THRE)
	port := [...]uint16{abi.PortCOM1, abi.PortCOM2}[stream]
	for i := 0; mmio.In8(port+lineStatus)&empty == 0; i++ {
		if i == patience {
			return n // nobody listens, and nobody may wait for that
		}
	}
	mmio.OutString(port, p, n)
	return n
}
