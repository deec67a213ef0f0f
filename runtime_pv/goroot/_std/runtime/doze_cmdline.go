package runtime

// The command line (docs/nucleus.md 7), and the stack that a Linux program
// expects to start with.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
	transport "internal/runtime/doze/virtio/mmio"
	"internal/runtime/doze/virtio/spec"
	"unsafe"
)

// dozeWord is a short word kept from the command line.
type dozeWord struct {
	b [24]byte
	n uint8
}

func (w *dozeWord) put(t *dozeText) {
	if w.n == 0 {
		t.str("unknown")
	}
	for _, c := range w.b[:w.n] {
		t.byte(c)
	}
}

func (w *dozeWord) is(s string) bool {
	if int(w.n) != len(s) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if w.b[i] != s[i] {
			return false
		}
	}
	return true
}

// dozeWords walks the words of the command line at p.
type dozeWords struct {
	p, word uintptr
}

// next moves to the next word, leaving word at its first byte.
func (w *dozeWords) next() bool {
	if w.p == 0 {
		return false
	}
	for mmio.Load8(w.p) == ' ' {
		w.p++
	}
	if mmio.Load8(w.p) == 0 {
		return false
	}
	w.word = w.p
	for c := mmio.Load8(w.p); c != 0 && c != ' '; c = mmio.Load8(w.p) {
		w.p++
	}
	return true
}

// after returns the address behind key if the word begins with it, else 0.
func (w *dozeWords) after(key string) uintptr {
	for i := 0; i < len(key); i++ {
		if w.word+uintptr(i) == w.p || mmio.Load8(w.word+uintptr(i)) != key[i] {
			return 0
		}
	}
	return w.word + uintptr(len(key))
}

// is reports whether the word is s.
func (w *dozeWords) is(s string) bool {
	return w.after(s) == w.p
}

// decode writes the bytes from p to the word's end, %XX resolved, and a zero to
// dst, and returns the address behind it.
func (w *dozeWords) decode(p, dst uintptr) uintptr {
	for p < w.p {
		c := mmio.Load8(p)
		p++
		if c == '%' && p+1 < w.p {
			c = dozeHexDigit(mmio.Load8(p))<<4 | dozeHexDigit(mmio.Load8(p+1))
			p += 2
		}
		if c == 0 {
			continue // it stands for a word of no bytes
		}
		mmio.Store8(dst, c)
		dst++
	}
	mmio.Store8(dst, 0)
	return dst + 1
}

func dozeHexDigit(c uint8) uint8 {
	if c >= 'a' {
		return c - 'a' + 10
	}
	if c >= 'A' {
		return c - 'A' + 10
	}
	return c - '0'
}

// number reads digits in base 10, or 16 after 0x, from p; it returns where they
// end.
func (w *dozeWords) number(p uintptr) (v uint64, end uintptr) {
	base := uint64(10)
	if p+1 < w.p && mmio.Load8(p) == '0' && mmio.Load8(p+1)|0x20 == 'x' {
		base, p = 16, p+2
	}
	for ; p < w.p; p++ {
		c := mmio.Load8(p)
		if c < '0' || c > '9' && (base == 10 || c|0x20 < 'a' || c|0x20 > 'f') {
			break
		}
		v = v*base + uint64(dozeHexDigit(c))
	}
	return v, p
}

// dozeReadCommandLine takes the words that are for the machine, and returns how
// many vCPUs there are to use, 0 if it does not say.
func dozeReadCommandLine(p uintptr) (want uint32) {
	i := &dozeBootInfo
	w := dozeWords{p: p}
	for w.next() && !w.is("--") {
		if p := w.after("doze.vmm="); p != 0 {
			w.keep(p, &i.vmm)
		} else if p := w.after("doze.accel="); p != 0 {
			w.keep(p, &i.accel)
		} else if p := w.after("doze.start="); p != 0 {
			v, _ := w.number(p)
			i.start = int64(v)
		} else if p := w.after("doze.cpus="); p != 0 {
			v, _ := w.number(p)
			want = uint32(v)
		} else if p := w.after("doze.cpus.max="); p != 0 {
			v, _ := w.number(p)
			i.most = uint32(v)
		} else if p := w.after("doze.memory.max="); p != 0 {
			v, _ := w.number(p)
			i.ceiling = uintptr(v)
		} else if p := w.after("doze.seed="); p != 0 {
			v, _ := w.number(p)
			i.seed[0] ^= v
		}
		if p := w.after("doze.hostname="); p != 0 {
			dozeSetHostname(unsafe.String((*byte)(unsafe.Pointer(p)), int(w.p-p)))
		}
		if p := w.after("doze.cwd="); p != 0 && w.p-p < dozePathMax {
			to := dozeAddr(&dozeTree.first[0])
			dozeTree.firstLen = w.decode(p, to) - 1 - to
		}
		dozeTree.writable = dozeTree.writable || w.is("doze.tree=rw")
		if p := w.after("doze.strace="); p != 0 {
			dozeTraceInit(unsafe.String((*byte)(unsafe.Pointer(p)), int(w.p-p)))
		}
		i.forceHalt = i.forceHalt || w.is("doze.idle=hlt")
		if w.is("doze.smp=none") {
			dozeSMP = 0
		} else if w.is("doze.smp=lock") {
			dozeSMP = dozeSMPLock
		} else if w.is("doze.smp=wake") {
			dozeSMP = dozeSMPWake
		}
		if w.is("doze.control=com3") {
			dozeInput.from = dozeControlUART
		}
	}
	return
}

func (w *dozeWords) keep(p uintptr, to *dozeWord) {
	for to.n = 0; p < w.p && int(to.n) < len(to.b); p++ {
		to.b[to.n] = mmio.Load8(p)
		to.n++
	}
}

// dozeFindDevices takes the virtio-mmio windows that the command line names:
// virtio_mmio.device=SIZE@BASE:GSI.
func dozeFindDevices(p uintptr) {
	const windows, windowsEnd = 0xfea00000, abi.IOAPICBase // what the image maps for devices
	w := dozeWords{p: p}
	for w.next() && !w.is("--") {
		q := w.after("virtio_mmio.device=")
		if q == 0 {
			continue
		}
		for q < w.p && mmio.Load8(q) != '@' {
			q++
		}
		base, end := w.number(q + 1)
		line, _ := w.number(end + 1)
		if base >= windows && base+dozePage <= windowsEnd {
			dozeDeviceAdd(uintptr(base), uintptr(line))
		}
	}
}

// dozeDeviceAdd takes a device's window and line. Where the VMM is hostvmm the
// first two are consoles, and no device is asked what it is before it is needed:
// each look is an exit.
func dozeDeviceAdd(base, line uintptr) {
	i := dozeDevices
	dozeDevices++
	if dozeInput.from == dozeControlPort {
		if i < 2 {
			dozeConsoleAdd(base, 0)
		} else {
			dozeBalloonAdd(base, i, 0)
		}
		return
	}
	switch device, _ := (transport.Regs{Base: base}).Probe(); device {
	case spec.DeviceConsole:
		dozeConsoleAdd(base, line)
	case spec.DeviceBalloon:
		dozeBalloonAdd(base, i, line)
	}
}

// dozeDevices counts the windows.
var dozeDevices uintptr

// Auxiliary vector entries (Linux auxvec.h).
const (
	dozeAtPagesz = 6
	dozeAtRandom = 25
	dozeAtSecure = 23
)

// dozeImageRegions tells of the parts of the image, which the linker has put into
// pages of their own.
func dozeImageRegions() {
	m, r := &firstmoduledata, &dozeMem.regions
	rodata, data := alignUp(m.etext, dozePage), m.noptrdata&^(dozePage-1)
	const fixed = dozeOwned | dozeImage
	r.Set(abi.ImageBase, rodata, fixed|dozeCanRead)
	r.Set(rodata, data, fixed|dozeCanRead)
	r.Set(data, alignUp(m.end, dozePage), fixed|dozeCanRead|dozeCanWrite)
}

// dozeG0Stack is what the runtime takes below the first stack pointer as g0's stack
// (rt0_go).
const dozeG0Stack = 64 << 10

// dozeStackNeeds returns how many arguments and variables the command line has, and an
// upper bound for the bytes of their text.
func dozeStackNeeds(cmdline uintptr) (strings, text uintptr) {
	w := dozeWords{p: cmdline}
	for args := false; w.next(); {
		if args || w.after("doze.env=") != 0 {
			strings++
			text += w.p - w.word + 1
		}
		args = args || w.is("--")
	}
	return strings, text
}

// dozeBuildStack maps the first thread's stack, writes argc, argv, envp, auxv
// and their strings to its upper part, and returns the stack pointer.
func dozeBuildStack(cmdline uintptr) uintptr {
	const others, random = 32, 32 // words beside argv and envp; bytes behind the strings
	strings, size := dozeStackNeeds(cmdline)
	words := alignUp((strings+others)*8, dozePage)
	base := dozeMainStackHi - alignUp(dozeG0Stack+words+size+random, dozePage)
	if base < dozeMmapHigh || !dozeMem.regions.Set(base, dozeMainStackHi, dozeSmall) {
		dozeFatal("no memory for the first stack, with the program's arguments")
	}
	dozeImageRegions()
	dozeBootInfo.stack = base
	sp := base + dozeG0Stack
	at, text := sp+8, sp+words
	var argc uint64
	put := func(v uintptr) {
		mmio.Store64(at, uint64(v))
		at += 8
	}
	w := dozeWords{p: cmdline}
	for w.next() && !w.is("--") {
	}
	dozeBootInfo.args = text
	for w.next() {
		put(text)
		text = w.decode(w.word, text)
		if argc++; argc == 1 {
			dozeKeepExe(dozeBootInfo.args, text-1)
		}
	}
	dozeBootInfo.argsEnd = text
	put(0)
	w = dozeWords{p: cmdline}
	for w.next() && !w.is("--") {
		if p := w.after("doze.env="); p != 0 {
			put(text)
			text = w.decode(p, text)
		}
	}
	dozeBootInfo.envEnd = text
	put(0)
	mmio.Store64(sp, argc)
	text = alignUp(text, 16)
	mmio.Store64(text, dozeRandom64())
	mmio.Store64(text+8, dozeRandom64())
	for _, v := range [...]uintptr{dozeAtPagesz, dozePage, dozeAtSecure, 0, dozeAtRandom, text, 0, 0} {
		put(v)
	}
	return sp
}

// dozeExe is the program's name as it was started: what lies on the first stack is
// the program's to change.
var dozeExe struct {
	name [dozePathMax]byte
	n    uintptr
}

func dozeKeepExe(p, end uintptr) {
	dozeExe.n = min(end-p, dozePathMax)
	mmio.Copy(dozeAddr(&dozeExe.name[0]), p, dozeExe.n)
}

// dozeFirstComm is the name of the first thread: the last part of the program's.
func dozeFirstComm() (comm [dozeCommSize]byte) {
	n := 0
	for _, c := range dozeExe.name[:dozeExe.n] {
		if n++; c == '/' {
			n = 0
		} else if n < dozeCommSize {
			comm[n-1] = c
		}
		if n == 0 {
			comm = [dozeCommSize]byte{}
		}
	}
	return comm
}
