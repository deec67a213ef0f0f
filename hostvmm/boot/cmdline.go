// Package boot speaks the guest's command line (docs/nucleus.md 7): words
// separated by spaces, with %XX for bytes that can't stand for themselves.
//
// The guest has its own reader; this package is the host's writer, with a reader
// to check it by. It must never let an argument change the meaning of another.
package boot

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/doze-vm/doze/hostvmm/vm"
)

// Limits of what carries the command line.
const (
	// QEMULimit is the room in QEMU's PVH option ROM, with the final NUL.
	QEMULimit = 4096
	// HostLimit is what hostvmm gives, with the final NUL.
	HostLimit = 64 << 10
)

// Words before the separator are for the machine, those after it are argv.
const separator = "--"

// The machine's words.
const (
	wordEnv    = "doze.env="
	wordIdle   = "doze.idle="
	wordSMP    = "doze.smp="
	wordStart  = "doze.start="
	wordVMM    = "doze.vmm="
	wordAccel  = "doze.accel="
	wordStrace = "doze.strace"
	wordCPUs   = "doze.cpus="
	wordMost   = "doze.cpus.max="
	wordDir    = "doze.cwd="
	wordTree   = "doze.tree="
	wordLines  = "doze.control="
	wordMemory = "doze.memory.max="
	wordDevice = "virtio_mmio.device="
)

// treeWritable is the value of wordTree, linesCOM3 that of wordLines.
const (
	treeWritable = "rw"
	linesCOM3    = "com3"
)

// Line is what a command line says.
type Line struct {
	Env        []string // NAME=VALUE
	HLT        bool     // never park
	SMP        string   // what to do about preempted vCPUs, of vm.SMP...; all if empty
	Start      time.Time
	VMM, Accel string
	Strace     bool
	CPUs       int    // vCPUs; 0 and 1 are not written
	MaxCPUs    int    // vCPUs there may come to be; not written unless more than CPUs
	MaxMemory  uint64 // bytes of RAM there may come to be; 0 is not written
	Dir        string // first working directory, absolute; / if empty
	TreeRW     bool   // the embedded tree can be changed
	COM3       bool   // control lines for the guest come by COM3
	Devices    []Device
	Args       []string // argv, program name first
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
	return Line{
		Env: c.Env, HLT: c.Idle == vm.IdleHLT, SMP: smp(c.SMP), Start: start, VMM: vmm, Accel: accel,
		Strace: c.Strace, CPUs: c.CPUs, MaxCPUs: c.MaxCPUs, MaxMemory: c.MaxMemory, Dir: c.Dir, TreeRW: c.TreeWritable, Args: append([]string{name}, c.Args...),
	}
}

// smp is the word's value: what is the rule is not written.
func smp(what string) string {
	if what == vm.SMPAll {
		return ""
	}
	return what
}

// Encode returns the line in at most limit-1 bytes: a NUL follows it.
func (l Line) Encode(limit int) (string, error) {
	var words []string
	for _, e := range l.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return "", fmt.Errorf("environment variable %q: write NAME=VALUE", e)
		}
		if strings.IndexByte(e, 0) >= 0 {
			return "", fmt.Errorf("environment variable %q has a NUL byte", e)
		}
		words = append(words, wordEnv+e)
	}
	if l.HLT {
		words = append(words, wordIdle+vm.IdleHLT)
	}
	if l.SMP != "" {
		words = append(words, wordSMP+l.SMP)
	}
	if !l.Start.IsZero() {
		words = append(words, wordStart+strconv.FormatInt(l.Start.UnixNano(), 10))
	}
	if l.VMM != "" {
		words = append(words, wordVMM+l.VMM)
	}
	if l.Accel != "" {
		words = append(words, wordAccel+l.Accel)
	}
	if l.Strace {
		words = append(words, wordStrace)
	}
	if l.CPUs > 1 {
		words = append(words, wordCPUs+strconv.Itoa(l.CPUs))
	}
	if l.MaxCPUs > max(l.CPUs, 1) {
		words = append(words, wordMost+strconv.Itoa(l.MaxCPUs))
	}
	if l.MaxMemory > 0 {
		words = append(words, wordMemory+strconv.FormatUint(l.MaxMemory, 10))
	}
	if l.Dir != "" {
		if l.Dir[0] != '/' || strings.IndexByte(l.Dir, 0) >= 0 {
			return "", fmt.Errorf("working directory %q: give an absolute path of the machine", l.Dir)
		}
		words = append(words, wordDir+l.Dir)
	}
	if l.TreeRW {
		words = append(words, wordTree+treeWritable)
	}
	if l.COM3 {
		words = append(words, wordLines+linesCOM3)
	}
	for _, d := range l.Devices {
		words = append(words, fmt.Sprintf("%s%#x@%#x:%d", wordDevice, d.Size, d.Base, d.GSI))
	}
	words = append(words, separator)
	for _, a := range l.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return "", fmt.Errorf("argument %q has a NUL byte", a)
		}
		words = append(words, a)
	}
	return join(words, limit)
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

var errEscape = errors.New("command line: % without two hexadecimal digits")

func unescape(word string) (string, error) {
	if word == emptyWord {
		return "", nil
	}
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		if word[i] != '%' {
			b.WriteByte(word[i])
			continue
		}
		if i+2 >= len(word) {
			return "", errEscape
		}
		v, err := strconv.ParseUint(word[i+1:i+3], 16, 8)
		if err != nil {
			return "", errEscape
		}
		b.WriteByte(byte(v))
		i += 2
	}
	return b.String(), nil
}
