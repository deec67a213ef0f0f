package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/doze-vm/doze/hostvmm/qemu"
	"github.com/doze-vm/doze/runtime_pv/outfile"
)

// verdictAge is how long an answer to the question whether QEMU's KVM runs a guest is
// believed. A new QEMU and a new start of the host ask anew at once.
const verdictAge = 24 * time.Hour

// fine is what stands in a file of the cache if it does; else it is why it does not.
const fine = "ok"

// probeQEMU asks whether QEMU's KVM runs a guest in one of its machines, once a day: to
// start QEMU takes longer than to boot a machine.
func probeQEMU(machine string) error {
	file := verdictFile(machine)
	if text, ok := freshVerdict(file); ok {
		return asVerdict(text)
	}
	err := qemu.ProbeKVM(context.Background(), qemu.Options{Machine: machine})
	if file == "" || errors.Is(err, context.DeadlineExceeded) { // a busy host is no verdict
		return err
	}
	text := fine
	if err != nil {
		text = oneLine(err)
	}
	if os.MkdirAll(filepath.Dir(file), 0o755) == nil {
		// Without it the next one asks again.
		_ = outfile.Write(file, 0o644, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
	}
	return asVerdict(text)
}

func asVerdict(text string) error {
	if text == fine {
		return nil
	}
	return errors.New(text)
}

func freshVerdict(file string) (text string, ok bool) {
	info, err := os.Stat(file)
	if err != nil || time.Since(info.ModTime()) > verdictAge {
		return "", false
	}
	data, err := os.ReadFile(file)
	return string(data), err == nil && len(data) > 0
}

// verdictFile is named by all that the answer depends on; empty if that can't be told.
func verdictFile(machine string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	path, err := exec.LookPath(qemu.Binary)
	if err != nil {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%s\x00%s", path, info.Size(), info.ModTime().UnixNano(), boot, machine))
	return filepath.Join(dir, "doze", "qemu", hex.EncodeToString(sum[:8]))
}
