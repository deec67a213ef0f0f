// Package guesttest helps tests that boot guests: it says why KVM can't be used,
// and makes tiny images from a few instructions, so that the VMM is tested
// without the kernel.
//
// Only tests import it. Its guests stay in ring 0 and use no nucleus; they keep
// to instructions that a KVM without hardware virtualization can emulate.
package guesttest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/kernel/abi"
)

// NeedKVM skips a test where /dev/kvm can't be opened, and says why.
func NeedKVM(t testing.TB) {
	t.Helper()
	fd, err := unix.Open("/dev/kvm", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("/dev/kvm: %v (the nested tier runs this test: make test-nested)", err)
	}
	unix.Close(fd)
}

// Segment is a part of an image.
type Segment struct {
	Addr     uint64
	Data     []byte
	MemSize  uint64 // 0 = as long as Data
	Writable bool
}

// WriteImage makes an image of code in a temporary file and returns its name.
func WriteImage(t testing.TB, code []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "test.doze")
	if err := os.WriteFile(name, Image(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Image is an image whose vCPU starts with code, in ring 0, with the first GiB
// and the devices identity-mapped. More segments may be added.
func Image(code []byte, more ...Segment) []byte {
	blob := make([]byte, abi.BlobEnd-abi.BlobBase)
	copy(blob[abi.Entry64:], code)
	machine := make([]byte, abi.PageSize)
	binary.LittleEndian.PutUint64(machine[abi.MachineMagic:], abi.Magic)
	binary.LittleEndian.PutUint32(machine[abi.MachineVersion:], abi.Version)
	return ELF(append([]Segment{
		{Addr: abi.BlobBase, Data: blob},
		{Addr: abi.MachinePage, Data: append(machine, tables()...), Writable: true},
	}, more...)...)
}

// tables maps the first and the fourth GiB to themselves by 2 MiB pages.
func tables() []byte {
	const entry = abi.PtePresent | abi.PteWrite | abi.PteAccessed | abi.PteDirty
	const pdpt, lowPD, highPD = abi.TablesBase + 0x1000, abi.TablesBase + 0x2000, abi.TablesBase + 0x3000
	out := make([]byte, 4*abi.PageSize)
	put := func(table, index, value uint64) {
		binary.LittleEndian.PutUint64(out[table-abi.TablesBase+8*index:], value)
	}
	put(abi.TablesBase, 0, pdpt|entry)
	put(pdpt, 0, lowPD|entry)
	put(pdpt, 3, highPD|entry)
	for i := range uint64(512) {
		put(lowPD, i, i*abi.HugePageSize|entry|abi.PteHuge)
		put(highPD, i, 3<<30+i*abi.HugePageSize|entry|abi.PteHuge|abi.PtePCD)
	}
	return out
}

// ELF is an image of these segments with the notes that hostvmm wants.
func ELF(segments ...Segment) []byte {
	const ehdr, phdr = 64, 56
	le := binary.LittleEndian
	notes := append(Note("Xen", 18, le.AppendUint32(nil, abi.BlobBase+abi.EntryPVH)),
		Note(abi.NoteOwner, abi.NoteType,
			le.AppendUint64(le.AppendUint64(nil, abi.Version), abi.MachinePage))...)
	n := len(segments) + 1
	offset := uint64(ehdr + n*phdr)
	var heads, body bytes.Buffer
	add := func(kind elf.ProgType, flags elf.ProgFlag, addr, memSize uint64, data []byte) {
		if memSize == 0 {
			memSize = uint64(len(data))
		}
		p := elf.Prog64{Type: uint32(kind), Flags: uint32(flags), Off: offset + uint64(body.Len()),
			Vaddr: addr, Paddr: addr, Filesz: uint64(len(data)), Memsz: memSize, Align: 4}
		_ = binary.Write(&heads, le, p)
		body.Write(data)
	}
	add(elf.PT_NOTE, elf.PF_R, 0, 0, notes)
	for _, s := range segments {
		flags := elf.PF_R | elf.PF_X
		if s.Writable {
			flags = elf.PF_R | elf.PF_W
		}
		add(elf.PT_LOAD, flags, s.Addr, s.MemSize, s.Data)
	}
	var out bytes.Buffer
	_ = binary.Write(&out, le, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64),
		Version: 1, Entry: abi.ImageBase, Phoff: ehdr, Ehsize: ehdr, Phentsize: phdr, Phnum: uint16(n),
	})
	out.Write(heads.Bytes())
	out.Write(body.Bytes())
	return out.Bytes()
}

// Note is an ELF note.
func Note(owner string, kind uint32, desc []byte) []byte {
	le := binary.LittleEndian
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	out := le.AppendUint32(nil, uint32(len(owner)+1))
	out = le.AppendUint32(out, uint32(len(desc)))
	out = le.AppendUint32(out, kind)
	out = append(out, pad(append([]byte(owner), 0))...)
	return append(out, pad(desc)...)
}
