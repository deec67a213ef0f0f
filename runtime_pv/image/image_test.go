package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/doze-vm/doze/kernel/abi"
	"github.com/doze-vm/doze/kernel/boot"
	"github.com/doze-vm/doze/runtime_pv/port/standin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hello = `package main

import "fmt"

var large [5 << 20]byte

func main() { large[len(large)-1] = 1; fmt.Println("hello", len(large)) }
`

// buildHello returns programs of all toolchains.
func buildHello(t *testing.T) map[string]string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the standard library")
	}
	out := map[string]string{}
	for _, tc := range standin.Toolchains(t) {
		out[tc.Version] = standin.Build(t, tc, map[string]string{"main.go": hello})
	}
	return out
}

func TestConvertedProgramIsWhole(t *testing.T) {
	for version, program := range buildHello(t) {
		t.Run(version, func(t *testing.T) {
			data, err := os.ReadFile(program)
			require.NoError(t, err)
			img, err := Convert(data, boot.Blob, nil)
			require.NoError(t, err)
			path := filepath.Join(t.TempDir(), "hello.doze")
			require.NoError(t, WriteFile(path, img))

			out, err := exec.Command(path).CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Equal(t, "hello 5242880\n", string(out))

			out, err = exec.Command("go", "version", path).CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Contains(t, string(out), version)
			before, err := exec.Command("go", "tool", "nm", program).Output()
			require.NoError(t, err)
			after, err := exec.Command("go", "tool", "nm", path).Output()
			require.NoError(t, err)
			assert.Equal(t, string(before), string(after))
			checkHeaders(t, img)
			checkTables(t, img)
		})
	}
}

func checkHeaders(t *testing.T, img []byte) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(img))
	require.NoError(t, err)
	_, err = f.DWARF()
	require.NoError(t, err)
	notes, last := 0, uint64(0)
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_NOTE:
			notes++
			data := make([]byte, p.Filesz)
			_, err := p.ReadAt(data, 0)
			require.NoError(t, err)
			want := []byte{4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, 'X', 'e', 'n', 0, 0, 0, 0x10, 0}
			assert.Equal(t, want, data[:20])
			assert.EqualValues(t, 4, p.Align)
		case elf.PT_LOAD:
			assert.Equal(t, p.Vaddr, p.Paddr)
			assert.Equal(t, p.Vaddr%abi.PageSize, p.Off%abi.PageSize)
			assert.GreaterOrEqual(t, p.Vaddr, last, "segments ascend")
			assert.NotEqual(t, elf.PF_W|elf.PF_X, p.Flags&(elf.PF_W|elf.PF_X))
			last = p.Vaddr + p.Memsz
		}
	}
	assert.Equal(t, 1, notes)
}

// walk follows the tables of the machine segment to the leaf of addr.
func walk(t *testing.T, img []byte, addr uint64) (bits uint64, level int) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(img))
	require.NoError(t, err)
	var machine *elf.Prog
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Vaddr == abi.MachinePage {
			machine = p
		}
	}
	require.NotNil(t, machine)
	table := uint64(abi.TablesBase)
	for level = 4; level > 0; level-- {
		var b [8]byte
		_, err := machine.ReadAt(b[:], int64(table-abi.MachinePage+slot(addr, level)*8))
		require.NoError(t, err)
		e := binary.LittleEndian.Uint64(b[:])
		if e == 0 || level == 1 || e&abi.PteHuge != 0 {
			if e != 0 {
				size := uint64(1) << (12 + 9*(level-1))
				assert.Equal(t, addr&^(size-1), e&abi.PteAddrMask, "identity-mapped")
			}
			return e &^ abi.PteAddrMask, level
		}
		table = e & abi.PteAddrMask
	}
	return 0, 0
}

func checkTables(t *testing.T, img []byte) {
	t.Helper()
	const (
		p, w, u, a, d, nx = abi.PtePresent, abi.PteWrite, abi.PteUser, abi.PteAccessed, abi.PteDirty, uint64(abi.PteNX)
		uc                = abi.PtePCD | abi.PtePWT
		huge              = abi.PteHuge
	)
	text := textAddr(t, img)
	for _, c := range []struct {
		name string
		addr uint64
		bits uint64
	}{
		{"page zero", 0, p | u | a | nx},
		{"low", 0x1000, p | u | a | nx},
		{"low end", 0xff000, p | u | a | nx},
		{"boot text", abi.BlobBase, p | a},
		{"nucleus text", abi.NucleusText, p | a},
		{"IDT", abi.IDTBase, p | a | nx},
		{"gate", abi.GatePage, p | u | a},
		{"machine page", abi.MachinePage, p | w | u | a | d | nx},
		{"tables", abi.TablesBase, p | w | a | d | nx},
		{"tables end", abi.TablesLimit - 1, p | w | a | d | nx},
		{"nucleus vCPU", abi.NucleusVCPU0, p | w | a | d | nx},
		{"vCPU", abi.VCPUPage0, p | w | u | a | d | nx},
		{"vCPU end", abi.LowEnd - 1, p | w | u | a | d | nx},
		{"free", abi.LowEnd, 0},
		{"text", text, p | u | a},
		{"virtio", abi.VirtioBase, p | w | u | a | d | nx | uc | huge},
		{"IOAPIC", abi.IOAPICBase, p | w | u | a | d | nx | uc | huge},
		{"LAPIC", abi.LAPICBase, p | w | a | d | nx | uc | huge},
		{"above devices", 0xff000000, 0},
	} {
		bits, _ := walk(t, img, c.addr)
		assert.Equalf(t, c.bits, bits, "%s: %#x, want %#x", c.name, bits, c.bits)
	}
	bits, level := walk(t, img, 0x800000) // in the 5 MiB of BSS
	assert.Equal(t, uint64(p|w|u|a|d|nx|huge), bits)
	assert.Equal(t, 2, level)
}

func textAddr(t *testing.T, img []byte) uint64 {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(img))
	require.NoError(t, err)
	return f.Section(".text").Addr
}
