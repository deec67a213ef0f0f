package profile

import (
	"golang.org/x/arch/x86/x86asm"

	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/kernel/abi"
)

// maxPrologue bounds the instructions among which Go sets a frame up: before that
// stand the comparison with the stack's bound and the jump to make it grow.
const maxPrologue = 12

// maxInstruction is the length of the longest one (Intel SDM 2A, 2.3.11).
const maxInstruction = 15

// prologue says where a function sets up its frame.
type prologue struct {
	pushed uint64 // address behind PUSHQ BP, 0 = the function has no frame
	framed uint64 // address behind MOVQ SP, BP
}

// caller finds the callers of functions without a frame, by the code in memory;
// nil if the image has no names to tell functions by.
func (im image) caller(memory []byte) func(pc uint64, top [sample.TopWords]uint64) (uint64, bool) {
	if im.syms == nil {
		return nil
	}
	known := map[uint64]prologue{} // bounded by the functions of the image
	return func(pc uint64, top [sample.TopWords]uint64) (uint64, bool) {
		if pc < abi.ImageBase {
			return 0, false
		}
		f, ok := im.syms.Place(pc)
		if !ok {
			return 0, false
		}
		p, ok := known[f.Entry]
		if !ok {
			p = readPrologue(memory, f.Entry)
			known[f.Entry] = p
		}
		word, ok := p.word(memory, pc)
		if !ok {
			return 0, false
		}
		// A function in assembly may keep anything there.
		_, ok = im.syms.Place(top[word] - 1)
		return top[word], ok && top[word] > abi.ImageBase
	}
}

// word is which word of the stack is the return address at pc, if the frame
// pointer is still or again the caller's.
func (p prologue) word(memory []byte, pc uint64) (int, bool) {
	switch {
	case p.pushed == 0 || pc < p.pushed:
		return 0, true
	case pc < p.framed:
		return 1, true
	}
	inst, ok := instruction(memory, pc)
	return 0, ok && inst.Op == x86asm.RET
}

func readPrologue(memory []byte, entry uint64) (p prologue) {
	at := entry
	for range maxPrologue {
		inst, ok := instruction(memory, at)
		if !ok {
			return p
		}
		at += uint64(inst.Len)
		switch {
		case inst.Op == x86asm.PUSH && inst.Args[0] == x86asm.RBP:
			p.pushed, p.framed = at, at
		case inst.Op == x86asm.MOV && inst.Args[0] == x86asm.RBP && inst.Args[1] == x86asm.RSP && p.pushed != 0:
			p.framed = at
			return p
		case inst.Op == x86asm.RET, inst.Op == x86asm.CALL, inst.Op == x86asm.JMP:
			return p
		}
	}
	return p
}

func instruction(memory []byte, at uint64) (x86asm.Inst, bool) {
	const mode = 64
	if at >= uint64(len(memory)) {
		return x86asm.Inst{}, false
	}
	code := memory[at:min(at+maxInstruction, uint64(len(memory)))]
	inst, err := x86asm.Decode(code, mode)
	return inst, err == nil
}
