// Package linuxvm boots Debian's cloud kernel under QEMU's microvm with one
// static Go program as its init: what Doze is compared with. The kernel gets what
// makes it quick (no option ROM, a quiet console, a known TSC rate), so that the
// comparison is with a Linux microVM at its best.
//
// It must never need root, a disk or a network.
package linuxvm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// VM is a Linux microVM ready to start.
type VM struct {
	Kernel string // path of the kernel
	initrd string
	tscKHz int
}

// New makes a VM of the newest installed cloud kernel whose init is program, a
// static executable. Its files go into dir.
func New(dir, program string) (*VM, error) {
	kernels, err := filepath.Glob("/boot/vmlinuz-*-cloud-amd64")
	if err != nil || len(kernels) == 0 {
		return nil, errors.New("no /boot/vmlinuz-*-cloud-amd64: run make setup (Debian package linux-image-cloud-amd64)")
	}
	slices.Sort(kernels)
	khz, err := hostKHz()
	if err != nil {
		return nil, err
	}
	initrd := filepath.Join(dir, "initrd")
	if err := archive(dir, initrd, program); err != nil {
		return nil, fmt.Errorf("initramfs with %s: %w", program, err)
	}
	return &VM{Kernel: kernels[len(kernels)-1], initrd: initrd, tscKHz: khz}, nil
}

// archive writes a cpio archive (newc) that holds program as /init. The kernel's
// own initramfs has /dev/console.
func archive(dir, target, program string) error {
	root, err := os.MkdirTemp(dir, "root")
	if err != nil {
		return err
	}
	text, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "init"), text, 0o755); err != nil {
		return err
	}
	cpio := exec.Command("cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet")
	cpio.Dir, cpio.Stdin = root, strings.NewReader("init\n")
	var stderr bytes.Buffer
	cpio.Stderr = &stderr
	out, err := cpio.Output()
	if err != nil {
		return fmt.Errorf("%v: %w: %s", cpio, err, stderr.Bytes())
	}
	return os.WriteFile(target, out, 0o600)
}

var megahertz = regexp.MustCompile(`(?m)^cpu MHz\s*: ([\d.]+)$`)

// hostKHz is about the rate of the TSC, which TCG hands to its guest as it is.
// Told the rate, the kernel need not measure it against the PIT: that fails now
// and then on a busy host, and the kernel then waits for ever.
func hostKHz() (int, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return 0, err
	}
	m := megahertz.FindSubmatch(text)
	if m == nil {
		return 0, errors.New("/proc/cpuinfo has no line \"cpu MHz\"")
	}
	mhz, err := strconv.ParseFloat(string(m[1]), 64)
	return int(mhz * 1000), err
}

// Run boots the VM on TCG and copies its console to stdout until it ends or ctx
// does. It ends when init does: the kernel panics and resets.
func (vm *VM) Run(ctx context.Context, stdout io.Writer, memory uint64, args ...string) error {
	words := append([]string{"console=ttyS0", "quiet", "panic=-1", "reboot=t", "random.trust_cpu=on",
		"tsc_early_khz=" + strconv.Itoa(vm.tscKHz), "--"}, args...)
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-M", "microvm,x-option-roms=off,rtc=on", "-accel", "tcg", "-cpu", "max", "-smp", "1",
		"-m", strconv.FormatUint(memory>>20, 10), "-nodefaults", "-no-user-config", "-nographic",
		"-serial", "stdio", "-no-reboot", "-kernel", vm.Kernel, "-initrd", vm.initrd,
		"-append", strings.Join(words, " "))
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%v: %w: %s", cmd, err, stderr.Bytes())
	}
	return nil
}
