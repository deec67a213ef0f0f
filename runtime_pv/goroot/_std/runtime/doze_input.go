package runtime

// Standard input, and what else comes from outside while the program runs:
// control lines with signals and the end of the input (docs/nucleus.md 8). Input
// is asked for when the program first looks for some, a piece at a time.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/control"
	"internal/runtime/doze/linux"
	"internal/runtime/doze/mmio"
)

// dozeInputSize is how much input the kernel holds: one piece that was asked for.
const dozeInputSize = 16 << 10

// How control lines come.
const (
	dozeControlNone = iota
	dozeControlPort // byte by byte from PortControl, after an event (hostvmm)
	dozeControlUART // at COM3's receiver, by interrupts; input comes there too
)

// dozeInput is standard input. Who reads it waits on its address.
var dozeInput struct {
	from     uint32 // how control lines come
	file     *dozeFile
	rd, have uintptr // bytes from rd to have are to be read
	total    uint64  // bytes that ever came
	end      uint64  // how many will have at the end, if ended
	ended    bool    // the end is known
	asked    bool    // a piece is on its way
	parser   control.Parser
	bytes    [dozeInputSize]byte
}

// dozeInputHave is how much can be read now.
func dozeInputHave() uintptr { return dozeInput.have - dozeInput.rd }

// dozeInputAtEnd reports whether nothing will come any more.
func dozeInputAtEnd() bool { return dozeInput.ended && dozeInput.total >= dozeInput.end }

func dozeInputInit() {
	i := &dozeInput
	switch i.from {
	case dozeControlNone:
		i.ended = true
	case dozeControlPort:
		mmio.Store32(abi.VCPUPage0+abi.ParkWant, 1)
	case dozeControlUART:
		dozeUARTListen()
	}
}

func dozeInputRead(f *dozeFile, p, n uintptr) uintptr {
	i := &dozeInput
	n = min(n, dozeInputHave())
	if n > 0 || dozeInputAtEnd() {
		if !dozeCopyOut(p, dozeAddr(&i.bytes[0])+i.rd, n) {
			return dozeErr(linux.EFAULT)
		}
		i.rd += n
		return n
	}
	dozeInputAsk()
	if f.flags&linux.ONonblock != 0 {
		return dozeErr(linux.EAGAIN)
	}
	return dozeWaitOn(f, dozeAddr(i))
}

// dozeInputAvailable serves FIONREAD.
func dozeInputAvailable(_ *dozeFile) (n uint32, errno uintptr) { return uint32(dozeInputHave()), 0 }

func dozeInputReadiness(_ *dozeFile) uint32 {
	if dozeInputHave() > 0 {
		return dozePollIn
	}
	if dozeInputAtEnd() {
		return dozePollIn | dozePollHup
	}
	dozeInputAsk()
	return 0
}

func dozeInputEnd(_ *dozeFile) {
	dozeInput.file = nil
	dozeNotify(dozeAddr(&dozeInput), dozeEveryone)
}

// dozeInputAsk asks for a piece if none is on its way. All that came was read.
func dozeInputAsk() {
	i := &dozeInput
	if i.asked || dozeInputAtEnd() {
		return
	}
	i.asked, i.rd, i.have = true, 0, 0
	if i.from == dozeControlUART {
		b := dozeNewReport()
		b.word(control.WordInput)
		b.dec(dozeInputSize)
		b.byte('\n')
		b.send()
	} else if !dozeConsoleAsk(dozeAddr(&i.bytes[0]), dozeInputSize) {
		i.ended, i.end = true, i.total
	}
}

// dozeInputCame notes that there are n bytes more, the last of what was asked for
// if done.
func dozeInputCame(n uintptr, done bool) {
	i := &dozeInput
	i.have += n
	i.total += uint64(n)
	i.asked = i.asked && !done
}

// dozeInputNews wakes who waits for input if there is some, or the end of it.
func dozeInputNews() {
	if dozeInputHave() > 0 || dozeInputAtEnd() {
		dozeNotify(dozeAddr(&dozeInput), dozeEveryone)
		dozeFileEvent(dozeInput.file, dozePollIn)
	}
}

// dozeTakeEvents takes what the VMM has put into the vCPU's page.
func dozeTakeEvents(v *dozeVCPU) {
	if mmio.Load64(v.page()+abi.ParkPending) == 0 {
		return
	}
	events := mmio.Xchg64(v.page()+abi.ParkPending, 0)
	if events&abi.EventControl != 0 && dozeInput.from == dozeControlPort {
		for c := mmio.In8(abi.PortControl); c != 0; c = mmio.In8(abi.PortControl) {
			dozeControlByte(c)
		}
	}
	if events&dozeBalloon.event != 0 {
		dozeBalloonEvent()
	}
	if events&(abi.EventDevice|abi.EventDevice<<1) != 0 {
		dozeConsoleEvent()
	}
	if events&abi.EventDevice != 0 {
		if n, ok := dozeConsoleTake(); ok {
			dozeInputCame(n, true)
		}
	}
	dozeInputNews()
}

// dozeControlByte takes the next byte of the control lines.
func dozeControlByte(c byte) {
	i := &dozeInput
	switch order := i.parser.Byte(c); order.Kind {
	case control.Signal:
		dozeRaiseProcess(uintptr(order.Value), dozeSiUser)
	case control.CPUs:
		dozeHotplugAsked(order.Value)
	case control.EOF:
		i.ended, i.end = true, order.Value
	case control.Data:
		if i.have < dozeInputSize {
			i.bytes[i.have] = c
			dozeInputCame(1, order.Value == 0)
		}
	}
}

// COM3's receiver (16550 data sheet) and its line at the IOAPIC (82093AA data
// sheet, 3.2).
const (
	dozeUARTInterrupts = 1
	dozeUARTFifo       = 2
	dozeUARTModem      = 4
	dozeUARTStatus     = 5

	dozeIOAPICData  = abi.IOAPICBase + 0x10
	dozeIOAPICEntry = 0x10 // register of the first line; two a line
)

// dozeUARTListen asks for an interrupt when bytes have come: when 14 have, or when
// there are some and no more come.
func dozeUARTListen() {
	const fifo, clear, at14 = 1, 2, 0xc0
	const received, ready = 1, 0xb // interrupt enable; DTR, RTS, OUT2
	dozeRouteLine(abi.LineCOM3)
	mmio.Out8(abi.PortCOM3+dozeUARTFifo, fifo|clear|at14)
	mmio.Out8(abi.PortCOM3+dozeUARTModem, ready)
	mmio.Out8(abi.PortCOM3+dozeUARTInterrupts, received)
}

// dozeRouteLine makes a line of the IOAPIC the vector that belongs to it: fixed
// delivery to the first vCPU, edge-triggered, active high, not masked.
func dozeRouteLine(line uintptr) {
	low := uint32(dozeIOAPICEntry + 2*line)
	mmio.Store32(abi.IOAPICBase, low+1)
	mmio.Store32(dozeIOAPICData, 0)
	mmio.Store32(abi.IOAPICBase, low)
	mmio.Store32(dozeIOAPICData, uint32(abi.VectorDevice+line))
}

const dozeVectorCOM3 = abi.VectorDevice + abi.LineCOM3

// dozeUARTReceive takes all that the receiver holds: the line is edge-triggered.
func dozeUARTReceive() {
	const arrived = 1
	for mmio.In8(abi.PortCOM3+dozeUARTStatus)&arrived != 0 {
		dozeControlByte(mmio.In8(abi.PortCOM3))
	}
	dozeInputNews()
}
