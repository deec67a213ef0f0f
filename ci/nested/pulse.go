package main

import (
	"context"
	"io"
	"net"
	"time"
)

// pulseEvery is how long the machine may stand still.
const pulseEvery = time.Second

// pulse sends the machine a byte a second on its third serial port, as long as ctx
// lasts: an interrupt that does not depend on those before it. QEMU 7.2 can lose one of
// the outer kernel's. Seen in a machine that stood still: the guest of that kernel ran
// on in ring 3, QEMU had no interrupt noted for the CPU, and noting one by hand
// (CPU_INTERRUPT_HARD) woke everything, so one was pending. Why it was lost is not
// known; that VMRUN and #VMEXIT change that word while another thread sets a bit in it
// would explain it. The next interrupt of any kind brings the lost one along.
func pulse(ctx context.Context, socket string) {
	beat := time.NewTicker(pulseEvery)
	defer beat.Stop()
	var line net.Conn
	for {
		select {
		case <-ctx.Done():
			if line != nil {
				line.Close()
			}
			return
		case <-beat.C:
		}
		if line == nil {
			var err error
			if line, err = net.Dial("unix", socket); err != nil {
				line = nil
				continue // QEMU has not made it yet
			}
			go func() { _, _ = io.Copy(io.Discard, line) }() // the terminal's echo
		}
		_, _ = line.Write([]byte{'\n'})
	}
}
