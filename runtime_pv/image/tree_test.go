package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"

	"github.com/doze-vm/doze/kernel/abi"
	"github.com/doze-vm/doze/kernel/boot"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// machinePageOf returns the machine page as the image has it.
func machinePageOf(t *testing.T, img []byte) []byte {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(img))
	require.NoError(t, err)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Vaddr == abi.MachinePage {
			page := make([]byte, abi.PageSize)
			_, err := p.ReadAt(page, 0)
			require.NoError(t, err)
			return page
		}
	}
	require.Fail(t, "no machine page")
	return nil
}

func calmProgram() []byte {
	b := tinyProgram()
	copy(b[0x1010:], "\x90\x90\x90\xc3")
	return b
}

func TestTreeIsASegment(t *testing.T) {
	le := binary.LittleEndian
	bare, err := Convert(calmProgram(), boot.Blob, nil)
	require.NoError(t, err)
	end := le.Uint64(machinePageOf(t, bare)[abi.MachineImgEnd:])
	for _, size := range []int{1, 4096, 70_000, abi.HugePageSize - 1, abi.HugePageSize, 5<<20 + 17, 150 << 20} {
		tree := bytes.Repeat([]byte("doze"), size/4+1)[:size]
		img, err := Convert(calmProgram(), boot.Blob, tree)
		require.NoError(t, err, size)
		page := machinePageOf(t, img)
		start, stop := le.Uint64(page[abi.MachineTree:]), le.Uint64(page[abi.MachineTreeEnd:])
		assert.EqualValues(t, size, stop-start)
		assert.Equal(t, align(stop, abi.PageSize), le.Uint64(page[abi.MachineImgEnd:]), "the kernel leaves its frames alone")
		assert.GreaterOrEqual(t, start, end)
		assert.Zero(t, start%abi.PageSize)
		if size >= abi.HugePageSize {
			assert.Zero(t, start%abi.HugePageSize)
		}
		f, err := elf.NewFile(bytes.NewReader(img))
		require.NoError(t, err)
		last := f.Progs[len(f.Progs)-1]
		assert.Equal(t, elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_R, Off: last.Off, Vaddr: start, Paddr: start,
			Filesz: uint64(size), Memsz: uint64(size), Align: abi.PageSize}, last.ProgHeader)
		assert.True(t, bytes.Equal(tree, img[last.Off:last.Off+last.Filesz]))
		for _, addr := range []uint64{start, stop - 1} {
			bits, level := walk(t, img, addr&^(abi.PageSize-1))
			want := uint64(abi.PtePresent | abi.PteUser | abi.PteAccessed | abi.PteNX)
			if level == 2 {
				want |= abi.PteHuge
			}
			assert.Equal(t, want, bits, "read only at %#x of %d bytes", addr, size)
		}
		if size == abi.HugePageSize {
			_, level := walk(t, img, start)
			assert.Equal(t, 2, level)
		}
	}
	page := machinePageOf(t, bare)
	assert.Zero(t, le.Uint64(page[abi.MachineTree:]))
	assert.Zero(t, le.Uint64(page[abi.MachineTreeEnd:]))
}

func TestTreeTooLarge(t *testing.T) {
	p := &program{loads: []elf.ProgHeader{{Vaddr: abi.ImageBase, Memsz: programTop - abi.ImageBase - abi.PageSize}}}
	assert.ErrorContains(t, p.addTree(make([]byte, abi.PageSize+1)), "embed less")
	assert.NoError(t, p.addTree(make([]byte, abi.PageSize)))
}
