package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// probeLimit is how long QEMU may take to start and to run two instructions.
const probeLimit = 20 * time.Second

// A firmware of two instructions for the reset vector: MOV $probeWord, %al; OUT %al,
// $probePort. isa-debug-exit makes an exit status of the word that QEMU has for nothing
// else.
const (
	firmwareSize = 64 << 10
	resetVector  = firmwareSize - 16 // Intel SDM 3A, 10.1.4
	probePort    = 0xf4
	probeWord    = 0x2a
	probeStatus  = probeWord<<1 | 1
)

// ProbeKVM runs a guest of two instructions under QEMU with KVM. The error says why that
// can't be used: Doze's own VMM asks less of KVM, so that its probe says nothing about
// QEMU's.
func ProbeKVM(ctx context.Context, o Options) error {
	o.Accel = KVM
	o, err := o.complete()
	if err != nil {
		return err
	}
	return o.probe(ctx)
}

// probe runs two instructions.
func (o Options) probe(ctx context.Context) error {
	firmware := make([]byte, firmwareSize)
	copy(firmware[resetVector:], []byte{0xb0, probeWord, 0xe6, probePort})
	dir, err := os.MkdirTemp("", "doze-qemu-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "firmware")
	if err := os.WriteFile(name, firmware, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.Binary, "-M", o.machine(), "-accel", o.Accel, "-cpu", o.cpu(), "-m", "16M",
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-bios", name,
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=1", probePort))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	// An abort of QEMU's is what is looked for: it shall leave no core here.
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return o.probed(ctx, cmd.Run(), said.String())
}

// probed says what the end of QEMU means.
func (o Options) probed(ctx context.Context, err error, said string) error {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("QEMU with %s did not run two instructions: %w", o.Accel, context.Cause(ctx))
	case errors.As(err, &exit) && exit.ExitCode() == probeStatus:
		return nil
	case errors.As(err, &exit):
		return fmt.Errorf("QEMU with %s ended with %v: %s", o.Accel, exit, oneLine(said))
	case err == nil:
		return fmt.Errorf("QEMU with %s ended without running a guest", o.Accel)
	}
	return fmt.Errorf("QEMU with %s: %w", o.Accel, err)
}
