package runtime

// The serial ports as standard output and error, on machines without virtio-mmio
// (16550 data sheet). A port has no memory to speak of: what is sent while it is busy
// is lost, so a burst follows only on a look that says it is not.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/linux"
	"internal/runtime/doze/mmio"
)

const (
	dozeUARTFCR   = 2 // FIFO control register
	dozeUARTLSR   = 5 // line status register
	dozeUARTEmpty = 0x20
	dozeUARTBurst = 16       // what the FIFO holds
	dozeUARTStay  = 16 << 10 // bytes that one stay in the kernel sends
	dozeUARTNap   = 1_000_000
)

var dozeUARTs struct {
	ready  [2]bool
	buffer [dozeUARTBurst]byte
}

// dozeUARTPort returns the first register of a stream's port, with the FIFO on.
func dozeUARTPort(stream uintptr) uint16 {
	const on, clearTransmit = 1, 4
	port := [...]uint16{abi.PortCOM1, abi.PortCOM2}[stream]
	if u := &dozeUARTs; !u.ready[stream] {
		u.ready[stream] = true
		mmio.Out8(port+dozeUARTFCR, on|clearTransmit)
	}
	return port
}

// dozeUARTFree reports whether a port takes a burst, after some looks.
func dozeUARTFree(port uint16, looks int) bool {
	for ; looks > 0; looks-- {
		if mmio.In8(port+dozeUARTLSR)&dozeUARTEmpty != 0 {
			return true
		}
	}
	return false
}

// dozeUARTSend serves write(2) of a thread by a serial port. While that is busy the
// thread naps: no interrupt tells when it is free again. t.done is how far it is.
func dozeUARTSend(t *dozeThread, f *dozeFile, stream uintptr, s dozeParts) uintptr {
	const looks = 64
	port := dozeUARTPort(stream)
	b := dozeAddr(&dozeUARTs.buffer[0])
	for sent := uintptr(0); t.done < s.n; {
		nap := int64(dozeUARTNap)
		if sent >= dozeUARTStay {
			nap = 0 // others first
		}
		if nap == 0 || !dozeUARTFree(port, looks) {
			return dozeWaitAs(dozeWaitRestart, f, dozeStreamAddr(stream), dozeNow()+nap)
		}
		part := min(s.n-t.done, dozeUARTBurst)
		if part -= s.read(b, t.done, part); part == 0 {
			return t.wrote(linux.EFAULT)
		}
		mmio.OutString(port, b, part)
		t.done += part
		sent += part
	}
	return t.wrote(0)
}

// dozeUARTWrite sends the kernel's own words. If nobody takes them they are lost: nobody
// may wait for that.
func dozeUARTWrite(stream, p, n uintptr) {
	const patience = 1 << 20
	port := dozeUARTPort(stream)
	for n > 0 && dozeUARTFree(port, patience) {
		part := min(n, dozeUARTBurst)
		mmio.OutString(port, p, part)
		p, n = p+part, n-part
	}
}
