package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"github.com/doze-vm/doze/kernel/abi"
)

// program is a checked executable.
type program struct {
	data  []byte
	file  *elf.File
	shoff uint64
	loads []elf.ProgHeader
	funcs []elf.Symbol // functions of .text by address
	names map[string]elf.Symbol
	text  *elf.Section

	tree     *elf.ProgHeader // the embedded tree's segment, nil if there is none
	treeData []byte
}

func parse(data []byte) (*program, error) {
	if len(data) < headerSize || !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return nil, errNotELF
	}
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("damaged ELF file: %w", err)
	}
	if err := checkKind(file); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	p := &program{data: data, file: file, shoff: le.Uint64(data[0x28:])}
	if le.Uint64(data[0x20:]) != headerSize || le.Uint16(data[0x36:]) != phdrSize || le.Uint16(data[0x3a:]) != shdrSize {
		return nil, errors.New("ELF headers are not where the Go linker puts them: build without -linkmode=external")
	}
	if end := p.shoff + uint64(len(file.Sections))*shdrSize; end < p.shoff || end > uint64(len(data)) {
		return nil, errors.New("damaged ELF file: section headers lie beyond its end")
	}
	if err := p.readLoads(); err != nil {
		return nil, err
	}
	return p, p.readSymbols()
}

// checkKind refuses executables of other kinds.
func checkKind(f *elf.File) error {
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || f.Machine != elf.EM_X86_64 {
		return fmt.Errorf("ELF file for %v, not for x86-64: build with GOARCH=amd64", f.Machine)
	}
	if f.Type != elf.ET_EXEC {
		return fmt.Errorf("ELF file of type %v, not an executable at fixed addresses: build without -buildmode=%s", f.Type, "pie, shared or plugin")
	}
	for _, prog := range f.Progs {
		if prog.Type == elf.PT_INTERP || prog.Type == elf.PT_DYNAMIC {
			return errors.New("dynamically linked program: build with CGO_ENABLED=0")
		}
	}
	return nil
}

// readLoads checks the segments: pages of their own, ascending, in the place
// for programs, no segment both writable and executable.
func (p *program) readLoads() error {
	last := uint64(abi.ImageBase)
	for _, prog := range p.file.Progs {
		h := prog.ProgHeader
		if h.Type != elf.PT_LOAD {
			continue
		}
		end := h.Vaddr + h.Memsz
		switch {
		case h.Filesz > h.Memsz, h.Off+h.Filesz < h.Off, h.Off+h.Filesz > uint64(len(p.data)):
			return errors.New("damaged ELF file: a segment lies beyond its end")
		case h.Vaddr != h.Paddr, h.Vaddr%abi.PageSize != 0, h.Off%abi.PageSize != 0:
			return fmt.Errorf("segment at %#x is not page-aligned or has another physical address", h.Vaddr)
		case h.Vaddr < last, end < h.Vaddr, end > programTop:
			return fmt.Errorf("segment %#x-%#x overlaps another or lies outside %#x-%#x: build without -ldflags -T", h.Vaddr, end, uint64(abi.ImageBase), uint64(programTop))
		case h.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X:
			return fmt.Errorf("segment at %#x is writable and executable", h.Vaddr)
		}
		if h.Memsz == 0 {
			continue
		}
		last = align(end, abi.PageSize)
		p.loads = append(p.loads, h)
	}
	if len(p.loads) == 0 || p.loads[0].Off != 0 || p.loads[0].Filesz < reserve {
		return errors.New("no segment holds the ELF headers: not a program of the Go linker")
	}
	return nil
}

// readSymbols collects the functions and checks the mark of our runtime.
func (p *program) readSymbols() error {
	syms, err := p.file.Symbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return errors.New("no symbol table: build without -ldflags=-s (crash reports and checks need it)")
	} else if err != nil {
		return fmt.Errorf("damaged ELF file: %w", err)
	}
	p.names = make(map[string]elf.Symbol, len(syms))
	for _, s := range syms {
		p.names[s.Name] = s
	}
	if _, ok := p.names[markSymbol]; !ok {
		return errors.New("built with the plain Go toolchain, without Doze's runtime: use doze build, or GOROOT=$(doze goroot)")
	}
	p.text = p.file.Section(".text")
	if p.text == nil || p.text.Type != elf.SHT_PROGBITS || !p.inText(p.text.Addr, p.text.Size) {
		return errors.New("damaged ELF file: no text")
	}
	for _, s := range syms {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Size > 0 && s.Value >= p.text.Addr && s.Value+s.Size >= s.Value && s.Value+s.Size <= p.text.Addr+p.text.Size {
			p.funcs = append(p.funcs, s)
		}
	}
	sort.SliceStable(p.funcs, func(i, j int) bool { return p.funcs[i].Value < p.funcs[j].Value })
	return nil
}

// inText says whether the range lies in the file's bytes of the first segment,
// which is the text.
func (p *program) inText(addr, size uint64) bool {
	t := p.loads[0]
	return t.Flags&elf.PF_X != 0 && addr >= t.Vaddr && addr+size >= addr && addr+size <= t.Vaddr+t.Filesz
}

// code returns the bytes of the function s in the file.
func (p *program) code(s elf.Symbol) []byte {
	off := s.Value - p.loads[0].Vaddr
	return p.data[off : off+s.Size]
}

// symbol returns a symbol that our runtime must have.
func (p *program) symbol(name string) (elf.Symbol, error) {
	for _, n := range []string{name, name + abi0Suffix} {
		if s, ok := p.names[n]; ok {
			if !p.inText(s.Value, s.Size) {
				return s, fmt.Errorf("damaged ELF file: %s lies outside the text", n)
			}
			return s, nil
		}
	}
	return elf.Symbol{}, fmt.Errorf("no symbol %s: the derived GOROOT and this doze don't fit together", name)
}

// end returns the end of the program with its BSS and the embedded tree.
func (p *program) end() uint64 {
	last := p.loads[len(p.loads)-1]
	return align(last.Vaddr+last.Memsz, abi.PageSize)
}

// headerRoom returns the offset of the first byte of the header page that the
// linker gave to a section. The section headers themselves move away.
func (p *program) headerRoom() uint64 {
	room := reserve
	for _, s := range p.file.Sections {
		if s.Type != elf.SHT_NULL && s.Type != elf.SHT_NOBITS && s.Size > 0 && s.Offset < room {
			room = s.Offset
		}
	}
	return max(room, headerSize)
}
