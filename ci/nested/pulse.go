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
// lasts: an interrupt that does not depend on those before it. QEMU 7.2 loses
// interrupts of the outer kernel: at VMRUN and #VMEXIT its emulation changes the word
// of pending interrupts without the lock under which its other threads set bits
// there. If that hits the outer kernel's own timer, which is armed anew by its
// handler, a guest of that kernel that makes no exit runs on for ever and nothing
// else does; the next interrupt of any kind brings the lost one along.
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
