package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// host is what this machine offers to build the nested one from.
type host struct {
	qemu, busybox, kernel string
	release               string   // of the kernel, names its modules
	modules               []string // in the order of loading
}

// The packages that bring what is needed, on Debian and its kin.
var packages = []string{"qemu-system-x86", "linux-image-cloud-amd64", "busybox-static", "xz-utils"}

// moduleNames are kvm-amd and what it needs, in the order of loading.
var moduleNames = []string{"virt/lib/irqbypass", "arch/x86/kvm/kvm", "arch/x86/kvm/kvm-amd"}

// findHost looks for the parts, and installs them where that is wanted.
func findHost(ctx context.Context) (host, error) {
	h, err := lookHost()
	if err == nil {
		return h, nil
	}
	install := "apt-get install " + strings.Join(packages, " ")
	if os.Getenv("CI") == "" || os.Geteuid() != 0 {
		return h, fmt.Errorf("%w; install it with: %s", err, install)
	}
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, aptErr := cmd.CombinedOutput(); aptErr != nil {
			return h, fmt.Errorf("%w; %s failed: %w\n%s", err, install, aptErr, out)
		}
	}
	return lookHost()
}

func lookHost() (h host, err error) {
	if h.qemu, err = exec.LookPath("qemu-system-x86_64"); err != nil {
		return h, fmt.Errorf("QEMU is missing: %w", err)
	}
	if h.busybox, err = exec.LookPath("busybox"); err != nil {
		return h, fmt.Errorf("busybox is missing: %w", err)
	}
	kernels, err := filepath.Glob("/boot/vmlinuz-*-cloud-amd64")
	if err != nil {
		return h, err
	}
	sort.Sort(sort.Reverse(sort.StringSlice(kernels)))
	err = fmt.Errorf("no cloud kernel is installed: no /boot/vmlinuz-*-cloud-amd64 has kvm-amd under /lib/modules")
	for _, k := range kernels {
		h.kernel, h.release = k, strings.TrimPrefix(filepath.Base(k), "vmlinuz-")
		if h.modules = findModules(h.release); h.modules != nil {
			return h, nil
		}
	}
	return h, err
}

// findModules returns the files of moduleNames, or nil if one is missing. Newer
// kernels compress theirs.
func findModules(release string) []string {
	var found []string
	for _, name := range moduleNames {
		matches, err := filepath.Glob(filepath.Join("/lib/modules", release, "kernel", name) + ".ko*")
		if err != nil || len(matches) == 0 {
			return nil
		}
		found = append(found, matches[0])
	}
	return found
}
