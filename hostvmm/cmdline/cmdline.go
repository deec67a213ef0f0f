// Package cmdline writes the guest's command line (docs/nucleus.md 7): words separated
// by spaces, with %XX for bytes that can't stand for themselves. A field here or in
// vm.Config is a word if it has a tag with the word's name.
//
// kernel/cmdline has the names, and the guest's reader. This package must never let an
// argument change the meaning of another.
package cmdline

import (
	"fmt"
	"strings"
	"time"

	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/cmdline"
	"github.com/doze-vm/doze/kernel/strace"
)

// Limits of what carries the command line.
const (
	// QEMULimit is the room in QEMU's PVH option ROM, with the final NUL.
	QEMULimit = 4096
	// HostLimit is what hostvmm gives, with the final NUL.
	HostLimit = 64 << 10
)

// Bounds of a host name: HOST_NAME_MAX of Linux, and the letters of RFC 1123, 2.1.
const (
	hostnameMax   = 64
	hostnameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."
)

// Line is what a command line says: what the machine is to be, and what only the VMM
// knows. Args begins with the program's name.
type Line struct {
	vm.Config
	VMM     string `word:"doze.vmm"`          // for display
	Accel   string `word:"doze.accel"`        // for display
	COM3    bool   `word:"doze.control=com3"` // control lines for the guest come by COM3
	Devices []Device
}

// Device is the window of a virtio-mmio device, in Linux's notation
// (Documentation/admin-guide/kernel-parameters.txt, virtio_mmio.device).
type Device struct {
	Size, Base uint64
	GSI        uint32
}

// FromConfig returns the line for a machine; vmm and accel are for display.
func FromConfig(c vm.Config, vmm, accel string) Line {
	start := c.Start
	if start.IsZero() {
		start = time.Now()
	}
	name := c.Name
	if name == "" {
		name = c.Image[strings.LastIndexByte(c.Image, '/')+1:]
	}
	c.Start, c.Args = start, append([]string{name}, c.Args...)
	if c.Idle == vm.IdlePark {
		c.Idle = "" // the guest does that by itself, as all below that is not written
	}
	if c.SMP == vm.SMPAll {
		c.SMP = ""
	}
	if c.MaxCPUs <= max(c.CPUs, 1) {
		c.MaxCPUs = 0
	}
	if c.CPUs == 1 {
		c.CPUs = 0
	}
	c.Strace = strings.ReplaceAll(c.Strace, "%", "") // a class needs none
	return Line{Config: c, VMM: vmm, Accel: accel}
}

// check says why a line can't be written.
func (l *Line) check() error {
	for _, e := range l.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return fmt.Errorf("environment variable %q: write NAME=VALUE", e)
		}
		if strings.IndexByte(e, 0) >= 0 {
			return fmt.Errorf("environment variable %q has a NUL byte", e)
		}
	}
	if l.Dir != "" && (l.Dir[0] != '/' || strings.IndexByte(l.Dir, 0) >= 0) {
		return fmt.Errorf("working directory %q: give an absolute path of the machine", l.Dir)
	}
	if n := len(l.Hostname); n > hostnameMax || strings.Trim(l.Hostname, hostnameBytes) != "" {
		return fmt.Errorf("host name %q: use up to %d letters, digits, hyphens and dots", l.Hostname, hostnameMax)
	}
	if l.Strace != "" {
		var calls strace.Filter
		if unknown, ok := calls.Set(l.Strace); !ok {
			return fmt.Errorf("calls to print, %s: %q is no call and no class of calls", l.Strace, unknown)
		}
	}
	for _, a := range l.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return fmt.Errorf("argument %q has a NUL byte", a)
		}
	}
	return nil
}

// Encode returns the line in at most limit-1 bytes: a NUL follows it.
func (l Line) Encode(limit int) (string, error) {
	if err := l.check(); err != nil {
		return "", err
	}
	var words []string
	for _, f := range fields {
		words = append(words, f.write(&l)...)
	}
	for _, d := range l.Devices {
		words = append(words, fmt.Sprintf("%s%#x@%#x:%d", cmdline.WordDevice, d.Size, d.Base, d.GSI))
	}
	words = append(words, cmdline.WordArgs)
	return join(append(words, l.Args...), limit)
}

func join(words []string, limit int) (string, error) {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		escape(&b, w)
	}
	if b.Len() >= limit {
		hint := "pass fewer"
		if limit < HostLimit {
			hint = fmt.Sprintf("pass fewer, or use --vmm kvm (%d)", HostLimit-1)
		}
		return "", fmt.Errorf("arguments and environment take %d bytes of the machine's command line, which holds %d: %s", b.Len(), limit-1, hint)
	}
	return b.String(), nil
}

const hexDigits = "0123456789ABCDEF"

// emptyWord stands for a word of no bytes, which could not be seen: %00 decodes
// to a NUL, which no word may contain.
const emptyWord = "%00"

// escape writes a word so that only graphic ASCII other than % stands for
// itself.
func escape(b *strings.Builder, word string) {
	if word == "" {
		b.WriteString(emptyWord)
	}
	for i := 0; i < len(word); i++ {
		if c := word[i]; c > ' ' && c < 0x7f && c != '%' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
}
