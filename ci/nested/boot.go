package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// boot runs the machine until it switches itself off, and returns the status it
// left on its second serial port.
func boot(ctx context.Context, h host, o options, dir, initrd string) (int, error) {
	statusFile, pulseSocket := filepath.Join(dir, "status"), filepath.Join(dir, "pulse")
	words := []string{"console=ttyS0", "panic=1"}
	if !o.verbose {
		words = append(words, "quiet", "loglevel=0")
	}
	if o.append != "" {
		words = append(words, o.append)
	}
	cmd := exec.CommandContext(ctx, h.qemu,
		"-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
		"-smp", strconv.Itoa(o.cpus), "-m", strconv.Itoa(o.memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "stdio", "-serial", "file:"+statusFile, "-serial", "unix:"+pulseSocket+",server=on,wait=off",
		"-kernel", h.kernel, "-initrd", initrd,
		"-append", strings.Join(words, " "))
	cmd.Stdout = &lines{w: os.Stdout}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	cmd.WaitDelay = 5 * time.Second
	pulsing, stop := context.WithCancel(ctx)
	defer stop()
	go pulse(pulsing, pulseSocket)
	err := cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return statusTimeout, fmt.Errorf("the program did not end within %v; see -timeout", o.timeout)
	case ctx.Err() != nil:
		return statusError, errors.New("interrupted")
	case err != nil:
		return statusError, fmt.Errorf("%s: %w: %s", h.qemu, err, strings.TrimSpace(stderr.String()))
	}
	return readStatus(statusFile)
}

func readStatus(name string) (int, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return statusError, err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "status ")
	status, err := strconv.Atoi(text)
	if !ok || err != nil {
		return statusError, fmt.Errorf("the machine ended without a status (it said %q); run again with -v to see its kernel's messages", data)
	}
	return status, nil
}

// lines passes console output on without the carriage returns of a terminal.
type lines struct{ w io.Writer }

func (l *lines) Write(p []byte) (int, error) {
	if _, err := l.w.Write(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}
