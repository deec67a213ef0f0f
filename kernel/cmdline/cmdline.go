// Package cmdline has the words of a machine's command line (docs/nucleus.md 7), and the
// guest's reader of them. hostvmm/cmdline writes the line.
//
// The reader runs beneath the Go scheduler, before the first thread: it must never
// allocate, panic or block. It reads the line where the loader put it, and never writes
// there. A word that nobody asks for is left to others.
package cmdline

import "github.com/doze-vm/doze/kernel/mmio"

// Words for the machine. One that ends in = has a value.
const (
	WordEnv       = "doze.env="         // NAME=VALUE of the program's environment; one word for each
	WordVMM       = "doze.vmm="         // the VMM, for display
	WordAccel     = "doze.accel="       // the accelerator, for display
	WordStart     = "doze.start="       // when the VMM started, Unix time in ns
	WordCPUs      = "doze.cpus="        // vCPUs to start
	WordMaxCPUs   = "doze.cpus.max="    // most vCPUs that can be online
	WordMaxMemory = "doze.memory.max="  // highest end of RAM that the machine can grow to, in bytes
	WordHostname  = "doze.hostname="    // the host name
	WordDir       = "doze.cwd="         // the program's first working directory
	WordStrace    = "doze.strace="      // the calls to print (kernel/strace)
	WordTree      = "doze.tree=rw"      // the program may change the embedded tree
	WordHalt      = "doze.idle=hlt"     // never park
	WordSMPNone   = "doze.smp=none"     // nothing is done about preempted vCPUs
	WordSMPLock   = "doze.smp=lock"     // only the lock's part
	WordSMPWake   = "doze.smp=wake"     // only the wake-ups' part
	WordCOM3      = "doze.control=com3" // control lines for the guest come by COM3

	// WordDevice is a virtio-mmio window, SIZE@BASE:GSI, as Linux names it
	// (Documentation/admin-guide/kernel-parameters.txt, virtio_mmio.device).
	WordDevice = "virtio_mmio.device="

	// WordArgs ends the words for the machine: the program's arguments follow.
	WordArgs = "--"
)

// Words walks the words of a line. Its zero value is at the end of one without words.
type Words struct {
	begin, end uintptr // of the current word; the next one is searched from end on
}

// Of returns a walk of the line at addr, which ends with a zero byte. It is before the
// first word. 0 is a line without words.
func Of(addr uintptr) Words { return Words{addr, addr} }

// Next moves to the next word and reports whether there is one.
func (w *Words) Next() bool {
	if w.end == 0 {
		return false
	}
	for mmio.Load8(w.end) == ' ' {
		w.end++
	}
	w.begin = w.end
	for c := mmio.Load8(w.end); c != 0 && c != ' '; c = mmio.Load8(w.end) {
		w.end++
	}
	return w.end > w.begin
}

// NextForMachine is Next within the words for the machine: it is false at WordArgs, too.
func (w *Words) NextForMachine() bool { return w.Next() && !w.Is(WordArgs) }

// Is reports whether the current word is s.
func (w *Words) Is(s string) bool {
	v, ok := w.Value(s)
	return ok && v.Len() == 0
}

// Value returns what follows key in the current word, and whether the word begins with key.
func (w *Words) Value(key string) (v Value, ok bool) {
	for i := range len(key) {
		if w.begin+uintptr(i) == w.end || mmio.Load8(w.begin+uintptr(i)) != key[i] {
			return Value{}, false
		}
	}
	return Value{w.begin + uintptr(len(key)), w.end}, true
}

// Whole returns the current word.
func (w *Words) Whole() Value { return Value{w.begin, w.end} }

// Value is a part of a word. It shrinks from its front as it is read.
type Value struct {
	at, end uintptr
}

// Addr returns where the value begins.
func (v *Value) Addr() uintptr { return v.at }

// Len returns how many bytes it has, escapes not resolved.
func (v *Value) Len() uintptr { return v.end - v.at }

// Skip moves behind the first byte c, or to the end if there is none.
func (v *Value) Skip(c byte) {
	for v.at < v.end {
		v.at++
		if mmio.Load8(v.at-1) == c {
			return
		}
	}
}

// Number reads a decimal number, or a hexadecimal one after 0x, and moves behind it: 0 if
// there is none.
func (v *Value) Number() (n uint64) {
	base := uint64(10)
	if v.at+1 < v.end && mmio.Load8(v.at) == '0' && mmio.Load8(v.at+1)|0x20 == 'x' {
		base = 16
		v.at += 2
	}
	for ; v.at < v.end; v.at++ {
		d, ok := digit(mmio.Load8(v.at))
		if !ok || d >= base {
			break
		}
		n = n*base + d
	}
	return n
}

// Decode writes the value to dst, escapes resolved, and a zero byte. It returns where the
// zero byte is: at most Len bytes behind dst.
func (v *Value) Decode(dst uintptr) (end uintptr) {
	for v.at < v.end {
		c := v.byte()
		if c == 0 {
			continue // it stands for a word of no bytes
		}
		mmio.Store8(dst, c)
		dst++
	}
	mmio.Store8(dst, 0)
	return dst
}

// byte takes the next byte, or the one that %XX stands for.
func (v *Value) byte() byte {
	c := mmio.Load8(v.at)
	v.at++
	if c == '%' && v.at+1 < v.end {
		hi, ok1 := digit(mmio.Load8(v.at))
		lo, ok2 := digit(mmio.Load8(v.at + 1))
		if ok1 && ok2 {
			v.at += 2
			return byte(hi<<4 | lo)
		}
	}
	return c
}

// digit returns the value of a hexadecimal digit.
func digit(c byte) (v uint64, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		return uint64(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10, true
	}
	return 0, false
}

// Short is a short text kept from a line.
type Short struct {
	text [24]byte
	n    uint8
}

// Keep keeps the beginning of a value.
func (s *Short) Keep(v Value) {
	for s.n = 0; v.at < v.end && int(s.n) < len(s.text); v.at++ {
		s.text[s.n] = mmio.Load8(v.at)
		s.n++
	}
}

// Len returns how many bytes it has.
func (s *Short) Len() int { return int(s.n) }

// Byte returns byte i, 0 beyond the end.
func (s *Short) Byte(i int) byte {
	if uint(i) >= uint(s.n) {
		return 0
	}
	return s.text[uint(i)%uint(len(s.text))]
}

// Is reports whether it is text.
func (s *Short) Is(text string) bool {
	if int(s.n) != len(text) {
		return false
	}
	for i := range len(text) {
		if s.Byte(i) != text[i] {
			return false
		}
	}
	return true
}
