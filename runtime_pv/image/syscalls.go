package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// rawNoError is the function of package syscall, rewritten by package port, that
// golang.org/x/sys's two functions with a SYSCALL of their own jump to. All
// three have the same frame.
const rawNoError = "syscall.rawSyscallNoError"

var patched = []string{
	"golang.org/x/sys/unix.SyscallNoError",
	"golang.org/x/sys/unix.RawSyscallNoError",
}

// opSyscall is the instruction (Intel SDM 2B).
var opSyscall = []byte{0x0f, 0x05}

// checkSyscalls rewrites the known functions and refuses a program with any
// other SYSCALL. Ring 3 has no system calls: the instruction would be #UD.
func (p *program) checkSyscalls() error {
	p.data = bytes.Clone(p.data)
	base := p.loads[0].Vaddr
	text := p.data[p.text.Addr-base : p.text.Addr-base+p.text.Size]
	for pos := 0; ; {
		i := bytes.Index(text[pos:], opSyscall)
		if i < 0 {
			return nil
		}
		addr := p.text.Addr + uint64(pos+i)
		next := pos + i + len(opSyscall)
		f, ok := p.function(addr)
		if ok {
			if err := p.checkFunction(f); err != nil {
				return err
			}
			next = max(next, int(f.Value+f.Size-p.text.Addr))
		}
		pos = next
	}
}

// function returns the function around addr.
func (p *program) function(addr uint64) (elf.Symbol, bool) {
	i := sort.Search(len(p.funcs), func(i int) bool { return p.funcs[i].Value > addr }) - 1
	if i < 0 || addr >= p.funcs[i].Value+p.funcs[i].Size {
		return elf.Symbol{}, false
	}
	return p.funcs[i], true
}

func (p *program) checkFunction(f elf.Symbol) error {
	name := strings.TrimSuffix(f.Name, abi0Suffix)
	if name == linuxEntry || !hasSyscall(p.code(f)) {
		return nil
	}
	for _, known := range patched {
		if name == known || strings.HasSuffix(name, "/vendor/"+known) || name == "vendor/"+known {
			return p.patch(f)
		}
	}
	return fmt.Errorf("%s executes SYSCALL itself, which a Doze machine has not: use package syscall or golang.org/x/sys/unix there", name)
}

// patch writes a jump to rawNoError at the start of f.
func (p *program) patch(f elf.Symbol) error {
	const size = 5 // JMP rel32
	target, err := p.symbol(rawNoError)
	if err != nil {
		return err
	}
	delta := int64(target.Value) - int64(f.Value+size)
	if f.Size < size || delta != int64(int32(delta)) || uint64(len(p.code(f))) > math.MaxInt32 {
		return fmt.Errorf("%s can't be rewritten", f.Name)
	}
	code := p.code(f)
	for i := range code {
		code[i] = 0xcc // INT3: what follows the jump never runs
	}
	code[0] = 0xe9
	binary.LittleEndian.PutUint32(code[1:], uint32(int32(delta)))
	return nil
}

// hasSyscall says whether code has a SYSCALL instruction, or bytes of one where
// the code can't be decoded.
func hasSyscall(code []byte) bool {
	for len(code) > 0 {
		n := 0
		if inst, err := x86asm.Decode(code, 64); err == nil {
			if inst.Op == x86asm.SYSCALL {
				return true
			}
			n = inst.Len
		} else if n = vexLen(code); n == 0 {
			return bytes.Contains(code, opSyscall)
		}
		code = code[n:]
	}
	return false
}
