package runtime

// The stack that a Linux program expects to start with: its arguments, its environment,
// and the auxiliary vector.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/cmdline"
	"internal/runtime/doze/mmio"
)

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
func dozeStackNeeds(line uintptr) (strings, text uintptr) {
	need := func(v cmdline.Value) {
		strings++
		text += v.Len() + 1
	}
	w := cmdline.Of(line)
	for w.NextForMachine() {
		if v, ok := w.Value(cmdline.WordEnv); ok {
			need(v)
		}
	}
	for w.Next() {
		need(w.Whole())
	}
	return strings, text
}

// dozeBuildStack maps the first thread's stack, writes argc, argv, envp, auxv
// and their strings to its upper part, and returns the stack pointer.
func dozeBuildStack(line uintptr) uintptr {
	const others, random = 32, 32 // words beside argv and envp; bytes behind the strings
	strings, size := dozeStackNeeds(line)
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
	w := cmdline.Of(line)
	for w.NextForMachine() {
	}
	dozeBootInfo.args = text
	for w.Next() {
		put(text)
		v := w.Whole()
		text = v.Decode(text) + 1
		if argc++; argc == 1 {
			dozeKeepExe(dozeBootInfo.args, text-1)
		}
	}
	dozeBootInfo.argsEnd = text
	put(0)
	for w = cmdline.Of(line); w.NextForMachine(); {
		if v, ok := w.Value(cmdline.WordEnv); ok {
			put(text)
			text = v.Decode(text) + 1
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
