package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/doze-vm/doze/ci/linuxvm"
	"github.com/doze-vm/doze/hostvmm/qemu"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// contender is one way to run a program. run returns when it ended or ctx did.
type contender struct {
	name string
	run  func(ctx context.Context, stdout io.Writer, args ...string) error
}

// underQEMU is a Doze image under QEMU's microvm on TCG.
func (o options) underQEMU(ctx context.Context, app string) (contender, error) {
	image, err := o.image(ctx, app)
	run := func(ctx context.Context, stdout io.Writer, args ...string) error {
		config := vm.Config{Image: image, Args: args, Memory: o.memory, CPUs: 1, Stdout: stdout, Stderr: os.Stderr}
		result, err := qemu.Run(ctx, config, qemu.Options{Machine: qemu.MicroVM, Accel: qemu.TCG})
		if err == nil && ctx.Err() == nil && result.ExitCode != 0 {
			err = fmt.Errorf("%s ended with status %d", image, result.ExitCode)
		}
		return err
	}
	return contender{"Doze, QEMU microvm, TCG", run}, err
}

// linuxUnderQEMU is a Linux microVM whose init is the same program.
func (o options) linuxUnderQEMU(ctx context.Context, app string) (contender, error) {
	program, err := o.process(ctx, app)
	if err != nil {
		return contender{}, err
	}
	linux, err := linuxvm.New(o.dir, program)
	if err != nil {
		return contender{}, err
	}
	run := func(ctx context.Context, stdout io.Writer, args ...string) error {
		return linux.Run(ctx, stdout, o.memory, args...)
	}
	return contender{"Linux, QEMU microvm, TCG", run}, nil
}

// underKVM is the doze command with an image on /dev/kvm.
func (o options) underKVM(ctx context.Context, app string) (contender, error) {
	image, err := o.image(ctx, app)
	run := func(ctx context.Context, stdout io.Writer, args ...string) error {
		return command(ctx, stdout, o.doze, append([]string{"run", "--vmm", "kvm", image}, args...)...)
	}
	return contender{"Doze, hostvmm, KVM", run}, err
}

// asProcess is the program as a Linux process.
func (o options) asProcess(ctx context.Context, app string) (contender, error) {
	program, err := o.process(ctx, app)
	run := func(ctx context.Context, stdout io.Writer, args ...string) error {
		return command(ctx, stdout, program, args...)
	}
	return contender{"Linux process", run}, err
}

func command(ctx context.Context, stdout io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	return cmd.Run()
}

// until runs c until a text appears on its stdout, then calls seen with the
// time since the start, and then ends c.
func (c contender) until(ctx context.Context, text string, seen func(time.Duration) error, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &watcher{text: []byte(text), found: make(chan time.Time, 1)}
	ended := make(chan error, 1)
	begin := time.Now()
	go func() { ended <- c.run(ctx, w, args...) }()
	select {
	case at := <-w.found:
		err := seen(at.Sub(begin))
		cancel()
		<-ended
		return err
	case err := <-ended:
		select {
		case at := <-w.found: // it printed and ended at once
			return seen(at.Sub(begin))
		default:
			return fmt.Errorf("%s ended without printing %q: %v", c.name, text, err)
		}
	}
}

// watcher notes when a text comes by.
type watcher struct {
	text  []byte
	tail  []byte
	found chan time.Time
}

func (w *watcher) Write(p []byte) (int, error) {
	if w.text == nil {
		return len(p), nil
	}
	w.tail = append(w.tail, p...)
	if bytes.Contains(w.tail, w.text) {
		w.found <- time.Now()
		w.text = nil
	}
	w.tail = w.tail[max(0, len(w.tail)-len(w.text)):]
	return len(p), nil
}
