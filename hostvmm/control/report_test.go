package control

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doze-vm/doze/hostvmm/symbols"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
	"github.com/doze-vm/doze/runtime_pv/port/standin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const program = `package main

import "os"

func main() { outer(os.Args) }

//go:noinline
func outer(args []string) { middle(args) }

func middle(args []string) { inner(args) }

//go:noinline
func inner(args []string) { load(); os.Exit(len(args)) }

func load()
`

const programAsm = `#include "textflag.h"

TEXT ·load(SB),NOSPLIT,$0-0
	MOVQ main·answer(SB), AX
	RET

DATA main·answer(SB)/8, $42
GLOBL main·answer(SB), RODATA, $8
`

// symbol returns the address of a function of the program.
func symbol(t *testing.T, path, name string) uint64 {
	t.Helper()
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	syms, err := f.Symbols()
	require.NoError(t, err)
	for _, s := range syms {
		if s.Name == name || s.Name == name+".abi0" {
			return s.Value
		}
	}
	require.Fail(t, "no symbol", name)
	return 0
}

func TestReport(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the standard library")
	}
	for _, tc := range standin.Toolchains(t) {
		t.Run(tc.Version, func(t *testing.T) {
			path := standin.Build(t, tc, map[string]string{"main.go": program, "load.s": programAsm})
			load := symbol(t, path, "main.load.abi0")
			call := returnAddress(t, path, "main.outer", "main.inner")
			var out bytes.Buffer
			require.NoError(t, WriteReport(&out, &vm.Crash{
				Text: "fault in the kernel",
				Regs: []vm.Reg{{Name: "rip", Value: load}, {Name: "rax", Value: 1}, {Name: "rbx", Value: 2}, {Name: "rcx", Value: 3}},
				PCs:  []uint64{load, call, 0x10, abi.NucleusText + 8},
			}, path))
			text := out.String()
			assert.Contains(t, text, "machine crashed: fault in the kernel\n")
			assert.Contains(t, text, "main.load(...)\n\t")
			assert.Contains(t, text, "load.s:4 +0x0\n")
			assert.Contains(t, text, "MOVQ main.answer(SB), AX\n")
			assert.Contains(t, text, "main.middle(...)\n\t", "inlined")
			assert.Contains(t, text, "main.go:10 +")
			assert.Contains(t, text, "main.outer(...)\n\t")
			assert.Contains(t, text, "main.go:8 +")
			assert.Contains(t, text, "\n0x10\n")
			assert.Contains(t, text, "\n0x101008 in the nucleus\n")
			assert.Contains(t, text, "rcx    0000000000000003\n")
			assert.Less(t, strings.Index(text, "main.load"), strings.Index(text, "main.middle"))
			assert.Less(t, strings.Index(text, "main.middle"), strings.Index(text, "main.outer"))
		})
	}
}

// returnAddress finds the call of callee in caller.
func returnAddress(t *testing.T, path, caller, callee string) uint64 {
	t.Helper()
	s, err := symbols.Open(path)
	require.NoError(t, err)
	defer s.Close()
	from, to := symbol(t, path, caller), symbol(t, path, callee)
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	text := f.Section(".text")
	code := make([]byte, 256)
	_, err = text.ReadAt(code, int64(from-text.Addr))
	require.NoError(t, err)
	for i := range code[:len(code)-5] {
		rel := int32(uint32(code[i+1]) | uint32(code[i+2])<<8 | uint32(code[i+3])<<16 | uint32(code[i+4])<<24)
		if next := from + uint64(i) + 5; code[i] == 0xe8 && next+uint64(int64(rel)) == to {
			return next
		}
	}
	require.Fail(t, "no call", "%s in %s", callee, caller)
	return 0
}

func TestReportWithoutSymbols(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("no image"), 0o644))
	for _, path := range []string{"/nonexistent", text} {
		var out bytes.Buffer
		require.NoError(t, WriteReport(&out, &vm.Crash{Text: "x", PCs: []uint64{0x401000}}, path))
		assert.Contains(t, out.String(), "machine crashed: x\n(no symbols: ")
		assert.Contains(t, out.String(), "\n0x401000\n")
	}
}
