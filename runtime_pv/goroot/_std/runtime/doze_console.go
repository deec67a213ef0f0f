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
	dev  [2]console.Console
	mem  [2][console.MemSize + dozePage]byte
	n    int
	uart [2]bool // the port has been set up
}

// dozeConsoleAdd takes the device window at base for the next stream. The first
// is standard output, the second standard error.
func dozeConsoleAdd(base uintptr) {
	c := &dozeConsoles
	if c.n == len(c.dev) {
		return
	}
	at := alignUp(uintptr(dozeAddr(&c.mem[c.n][0])), dozePage)
	if c.dev[c.n].Init(base, at) == 0 {
		c.n++
	}
}

func dozeConsoleWrite(fd, p, n uintptr) uintptr {
	stream := 0
	if fd == 2 {
		stream = 1
	}
	if c := &dozeConsoles; stream < c.n {
		return c.dev[stream].Write(p, n)
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
