// Package image turns the static Linux executable that the Go linker made into
// a Doze image: the same program with the boot blob, the machine page, page
// tables and the notes that PVH loaders and Doze's own VMM look for
// (docs/nucleus.md 1; Xen's PVH boot ABI). Symbols and DWARF stay valid.
//
// The package must never move or resize what the linker laid out, never make
// text writable or data executable, and never let a SYSCALL instruction through
// that nobody serves. Its input may be hostile: it must refuse, not panic.
package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/doze-vm/doze/kernel/abi"
)

// Format changes whenever Convert makes another image of the same program, so
// that images in a cache are made anew.
const Format = "1"

// Symbols of the derived runtime.
const (
	markSymbol  = "runtime.dozeMark"   // present in every program built for Doze
	entrySymbol = "_rt0_amd64_doze"    // ring-3 entry
	linuxEntry  = "_rt0_amd64_linux"   // ELF entry: says what the file is when started on Linux
	abi0Suffix  = ".abi0"              // the linker's name for the assembly side of a function that has both
	programTop  = 0x80000000           // q35 has its memory hole above; no program is that large
	headerSize  = 64                   // Elf64_Ehdr
	phdrSize    = 56                   // Elf64_Phdr
	shdrSize    = 64                   // Elf64_Shdr
	reserve     = uint64(abi.PageSize) // the Go linker keeps one page for the headers
	blobSize    = abi.BlobEnd - abi.BlobBase
)

// Convert returns the image of program, an executable built with the derived
// GOROOT, with the boot blob and the embedded tree given; a tree of no bytes is
// none.
func Convert(program, blob, tree []byte) ([]byte, error) {
	if len(blob) != blobSize {
		return nil, fmt.Errorf("boot blob has %d bytes where %d belong: run make boot", len(blob), blobSize)
	}
	p, err := parse(program)
	if err != nil {
		return nil, err
	}
	if err := p.checkSyscalls(); err != nil {
		return nil, err
	}
	if err := p.addTree(tree); err != nil {
		return nil, err
	}
	tables, err := buildTables(p.loads)
	if err != nil {
		return nil, err
	}
	entry, err := p.symbol(entrySymbol)
	if err != nil {
		return nil, err
	}
	return p.write(blob, append(p.machinePage(entry.Value, len(tables)), tables...))
}

// machinePage returns the page that tells the nucleus and the kernel about the
// image (kernel/abi, "Offsets in the machine page").
func (p *program) machinePage(entry uint64, tables int) []byte {
	page := make([]byte, abi.PageSize)
	le := binary.LittleEndian
	le.PutUint64(page[abi.MachineMagic:], abi.Magic)
	le.PutUint32(page[abi.MachineVersion:], abi.Version)
	le.PutUint64(page[abi.MachineEntry:], entry)
	le.PutUint64(page[abi.MachineImgEnd:], p.end())
	le.PutUint64(page[abi.MachineTabEnd:], abi.TablesBase+uint64(tables))
	if p.tree != nil {
		le.PutUint64(page[abi.MachineTree:], p.tree.Vaddr)
		le.PutUint64(page[abi.MachineTreeEnd:], p.tree.Vaddr+p.tree.Filesz)
	}
	return page
}

// write lays out the file: the linker's bytes, blob, machine page and tables,
// section headers, the embedded tree. The program headers grow into the room
// where the section headers were, the notes follow them.
func (p *program) write(blob, machine []byte) ([]byte, error) {
	le := binary.LittleEndian
	out := bytes.Clone(p.data)
	out = padTo(out, abi.PageSize)
	blobOff := uint64(len(out))
	out = append(append(out, blob...), machine...)
	out = padTo(out, 8)
	shoff := uint64(len(out))
	out = append(out, p.data[p.shoff:p.shoff+uint64(len(p.file.Sections))*shdrSize]...)

	if p.tree != nil {
		out = padTo(out, abi.PageSize)
		p.tree.Off = uint64(len(out))
		out = append(out, p.treeData...)
	}

	notes := p.notes()
	phnum := len(p.file.Progs) + 2
	if !p.hasNote() {
		phnum++
	}
	if p.tree != nil {
		phnum++
	}
	notesOff := align(headerSize+uint64(phnum)*phdrSize, 4)
	if room := p.headerRoom(); notesOff+uint64(len(notes)) > room {
		return nil, fmt.Errorf("headers and notes need %d bytes, the Go linker left %d", notesOff+uint64(len(notes)), room)
	}
	clear(out[headerSize:p.headerRoom()])
	copy(out[notesOff:], notes)

	base := p.loads[0].Vaddr - p.loads[0].Off
	note := elf.ProgHeader{Type: elf.PT_NOTE, Flags: elf.PF_R, Off: notesOff, Vaddr: base + notesOff,
		Paddr: base + notesOff, Filesz: uint64(len(notes)), Memsz: uint64(len(notes)), Align: 4}
	headers := p.programHeaders(note, blobOff, uint64(len(machine)), uint64(phnum)*phdrSize)
	for i, h := range headers {
		putProgHeader(out[headerSize+i*phdrSize:], h)
	}
	le.PutUint64(out[0x20:], headerSize)           // e_phoff
	le.PutUint64(out[0x28:], shoff)                // e_shoff
	le.PutUint16(out[0x38:], uint16(len(headers))) // e_phnum
	return out, nil
}

// programHeaders returns the headers of the image: PHDR, the one NOTE, the new
// segments, which lie lowest, the rest as it was, and the tree's, which lies
// highest.
func (p *program) programHeaders(note elf.ProgHeader, blobOff, machineSize, phdrs uint64) []elf.ProgHeader {
	load := func(addr, off, size uint64, flags elf.ProgFlag) elf.ProgHeader {
		return elf.ProgHeader{Type: elf.PT_LOAD, Flags: flags, Off: off, Vaddr: addr, Paddr: addr,
			Filesz: size, Memsz: size, Align: abi.PageSize}
	}
	var head, tail []elf.ProgHeader
	for _, prog := range p.file.Progs {
		h := prog.ProgHeader
		switch h.Type {
		case elf.PT_PHDR:
			h.Filesz, h.Memsz = phdrs, phdrs
			head = append(head, h)
		case elf.PT_NOTE:
		default:
			tail = append(tail, h)
		}
	}
	head = append(head, note,
		load(abi.BlobBase, blobOff, blobSize, elf.PF_R|elf.PF_X),
		load(abi.MachinePage, blobOff+blobSize, machineSize, elf.PF_R|elf.PF_W))
	if p.tree != nil {
		tail = append(tail, *p.tree)
	}
	return append(head, tail...)
}

func putProgHeader(b []byte, h elf.ProgHeader) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], uint32(h.Type))
	le.PutUint32(b[4:], uint32(h.Flags))
	for i, v := range []uint64{h.Off, h.Vaddr, h.Paddr, h.Filesz, h.Memsz, h.Align} {
		le.PutUint64(b[8+8*i:], v)
	}
}

func align(v, to uint64) uint64 { return (v + to - 1) &^ (to - 1) }

func padTo(b []byte, to uint64) []byte {
	return append(b, make([]byte, align(uint64(len(b)), to)-uint64(len(b)))...)
}

var errNotELF = errors.New("not an ELF file")
