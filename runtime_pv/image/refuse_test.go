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

// plainBuild builds a program with the plain Go toolchain.
func plainBuild(t testing.TB, env []string, flags ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() { println(1) }\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n\ngo 1.26\n"), 0o644))
	cmd := exec.Command("go", append(append([]string{"build", "-o", "m"}, flags...), ".")...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	data, err := os.ReadFile(filepath.Join(dir, "m"))
	require.NoError(t, err)
	return data
}

func TestConvertRefusesOtherFiles(t *testing.T) {
	plain := plainBuild(t, nil)
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"empty", "not an ELF file", nil},
		{"text", "not an ELF file", []byte("#!/bin/sh\necho something longer than an ELF header, to be sure of that\n")},
		{"archive", "not an ELF file", append([]byte("!<arch>\n"), make([]byte, 100)...)},
		{"plain Go program", "use doze build", plain},
		{"other machine", "GOARCH=amd64", plainBuild(t, []string{"GOARCH=arm64"})},
		{"other system", "not an ELF file", plainBuild(t, []string{"GOOS=windows"})},
		{"position-independent", "without -buildmode", plainBuild(t, nil, "-buildmode=pie")},
		{"stripped", "without -ldflags=-s", plainBuild(t, nil, "-ldflags=-s")},
		{"moved", "lies outside", plainBuild(t, nil, "-ldflags=-T 0x90000000")},
		{"header only", "damaged ELF file", plain[:headerSize]},
		{"truncated", "damaged ELF file", plain[:len(plain)/2]},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Convert(c.data, boot.Blob, nil)
			require.Error(t, err)
			assert.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	_, err := Convert(plain, nil, nil)
	assert.ErrorContains(t, err, "boot blob has 0 bytes")
}

// Each change makes a program that must be refused.
func TestConvertRefusesDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the standard library")
	}
	good, err := os.ReadFile(standin.Build(t, standin.Toolchains(t)[0], map[string]string{"main.go": hello}))
	require.NoError(t, err)
	le := binary.LittleEndian
	text := headerSize + 2*phdrSize // PHDR, NOTE, then the text's LOAD
	for _, c := range []struct {
		name, want string
		do         func(b []byte)
	}{
		{"text writable", "writable and executable", func(b []byte) { le.PutUint32(b[text+4:], 7) }},
		{"text elsewhere", "another physical address", func(b []byte) { le.PutUint64(b[text+24:], 0x1000) }},
		{"text unaligned", "not page-aligned", func(b []byte) { le.PutUint64(b[text+16:], 0x400010); le.PutUint64(b[text+24:], 0x400010) }},
		{"on the nucleus", "overlaps another or lies outside", func(b []byte) { le.PutUint64(b[text+16:], 0x100000); le.PutUint64(b[text+24:], 0x100000) }},
		{"on another", "overlaps another or lies outside", func(b []byte) { le.PutUint64(b[text+40:], 0x200000) }},
		{"beyond the end", "beyond its end", func(b []byte) { le.PutUint64(b[text+32:], 1<<40); le.PutUint64(b[text+40:], 1<<40) }},
		{"file larger than memory", "beyond its end", func(b []byte) { le.PutUint64(b[text+40:], 1) }},
		{"no program headers", "no segment holds", func(b []byte) { le.PutUint16(b[0x38:], 0) }},
		{"interpreter", "dynamically linked", func(b []byte) { le.PutUint32(b[headerSize:], uint32(elf.PT_INTERP)) }},
		{"section headers elsewhere", "damaged ELF file", func(b []byte) { le.PutUint64(b[0x28:], 1<<62) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := append([]byte(nil), good...)
			c.do(bad)
			_, err := Convert(bad, boot.Blob, nil)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestTablesRefuse(t *testing.T) {
	load := func(addr, size uint64) elf.ProgHeader {
		return elf.ProgHeader{Vaddr: addr, Memsz: size, Flags: elf.PF_R}
	}
	_, err := buildTables([]elf.ProgHeader{load(abi.BlobBase, abi.PageSize)})
	assert.ErrorContains(t, err, "two things at address 0x100000")
	_, err = buildTables([]elf.ProgHeader{load(userDevices, abi.PageSize)})
	assert.ErrorContains(t, err, "two things at address 0xfea00000")
	var many []elf.ProgHeader
	for i := range uint64(40) {
		many = append(many, load(abi.ImageBase+i*abi.HugePageSize, abi.PageSize))
	}
	_, err = buildTables(many)
	assert.ErrorContains(t, err, "program is too large")
}

func TestWriteFileIsWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.doze")
	require.NoError(t, WriteFile(path, []byte("one")))
	require.NoError(t, WriteFile(path, []byte("two")))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "two", string(data))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	assert.Error(t, WriteFile(filepath.Join(dir, "folder"), []byte("x")))
	assert.Error(t, WriteFile(filepath.Join(dir, "no", "b.doze"), []byte("x")))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "nothing left behind")
}

// tinyProgram is an ELF file with all that Convert looks at, small enough to
// fuzz.
func tinyProgram() []byte {
	const size, symtab, strtab, shstr = 0x3000, 0x2000, 0x2100, 0x2200
	le := binary.LittleEndian
	b := make([]byte, size)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[0x10:], uint16(elf.ET_EXEC))
	le.PutUint16(b[0x12:], uint16(elf.EM_X86_64))
	le.PutUint32(b[0x14:], 1)
	le.PutUint64(b[0x20:], headerSize)
	le.PutUint64(b[0x28:], headerSize+phdrSize)
	for i, v := range []uint16{headerSize, phdrSize, 1, shdrSize, 5, 4} {
		le.PutUint16(b[0x34+2*i:], v)
	}
	putProgHeader(b[headerSize:], elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X,
		Vaddr: abi.ImageBase, Paddr: abi.ImageBase, Filesz: 0x2000, Memsz: 0x2000, Align: abi.PageSize})
	section := func(i int, name, typ uint32, addr, off, size uint64, link uint32, entsize uint64) {
		s := b[headerSize+phdrSize+i*shdrSize:]
		le.PutUint32(s, name)
		le.PutUint32(s[4:], typ)
		le.PutUint64(s[16:], addr)
		le.PutUint64(s[24:], off)
		le.PutUint64(s[32:], size)
		le.PutUint32(s[40:], link)
		le.PutUint64(s[56:], entsize)
	}
	names := "\x00.text\x00.symtab\x00.strtab\x00.shstrtab\x00"
	copy(b[shstr:], names)
	section(1, 1, uint32(elf.SHT_PROGBITS), abi.ImageBase+0x1000, 0x1000, 0x100, 0, 0)
	section(2, 7, uint32(elf.SHT_SYMTAB), 0, symtab, 4*24, 3, 24)
	section(3, 15, uint32(elf.SHT_STRTAB), 0, strtab, 0x80, 0, 0)
	section(4, 23, uint32(elf.SHT_STRTAB), 0, shstr, uint64(len(names)), 0, 0)
	at := 1
	for i, s := range []struct {
		name        string
		value, size uint64
	}{{markSymbol, abi.ImageBase, 8}, {entrySymbol, abi.ImageBase + 0x1000, 16}, {"golang.org/x/sys/unix.SyscallNoError", abi.ImageBase + 0x1010, 16}} {
		copy(b[strtab+at:], s.name)
		e := b[symtab+24*(i+1):]
		le.PutUint32(e, uint32(at))
		e[4] = uint8(elf.STT_FUNC)
		le.PutUint16(e[6:], 1)
		le.PutUint64(e[8:], s.value)
		le.PutUint64(e[16:], s.size)
		at += len(s.name) + 1
	}
	copy(b[0x1010:], "\x90\x0f\x05\xc3")
	return b
}

func FuzzConvert(f *testing.F) {
	tiny := tinyProgram()
	f.Add(tiny)
	f.Add(tiny[:headerSize])
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Convert(data, boot.Blob, nil)
		if err != nil {
			return
		}
		_, err = elf.NewFile(bytes.NewReader(img))
		require.NoError(t, err)
	})
}

// The fuzz seed gets as far as the rewriting of x/sys.
func TestTinyProgram(t *testing.T) {
	_, err := Convert(tinyProgram(), boot.Blob, nil)
	assert.ErrorContains(t, err, "no symbol "+rawNoError)
	calm := tinyProgram()
	copy(calm[0x1010:], "\x90\x90\x90\xc3")
	_, err = Convert(calm, boot.Blob, nil)
	assert.NoError(t, err)
}
