// Package symbols finds the functions and lines of an image's addresses. It reads only the
// image's file, and must never fail harder than with an error on a file that is damaged.
package symbols

import (
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"sort"
	"sync"

	"golang.org/x/arch/x86/x86asm"
)

// Table looks up addresses of an image: functions and lines from the table
// that the Go runtime itself uses, which every image has, inlined calls from
// DWARF where there is any, names for the disassembler from the symbol table.
type Table struct {
	file  *elf.File
	table *gosym.Table
	names []elf.Symbol    // by address
	calls func() *inlines // read when first asked for: DWARF is large
}

// Frame is a place in the program.
type Frame struct {
	Function string
	File     string
	Line     int
	Entry    uint64 // address of the function
}

// Open reads the symbols of the image at path.
func Open(path string) (*Table, error) {
	return Read(func() (*elf.File, error) { return elf.Open(path) })
}

// Read reads the symbols of the image that open opens. Close closes it as (*elf.File).Close does.
func Read(open func() (*elf.File, error)) (s *Table, err error) {
	// debug/gosym panics on tables it does not understand.
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("damaged line table: %v", r)
		}
	}()
	file, err := open()
	if err != nil {
		return nil, err
	}
	s = &Table{file: file}
	if err := s.read(); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

func (s *Table) read() error {
	text, pcln := s.file.Section(".text"), s.file.Section(".gopclntab")
	if text == nil || pcln == nil {
		return errors.New("not a Go program")
	}
	data, err := pcln.Data()
	if err != nil {
		return err
	}
	if s.table, err = gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr)); err != nil {
		return err
	}
	if all, err := s.file.Symbols(); err == nil {
		for _, sym := range all {
			if sym.Value != 0 && sym.Name != "" {
				s.names = append(s.names, sym)
			}
		}
	}
	s.calls = sync.OnceValue(func() *inlines { return readInlines(s.file) })
	sort.Slice(s.names, func(i, j int) bool { return s.names[i].Value < s.names[j].Value })
	return nil
}

// Close closes the image.
func (s *Table) Close() error { return s.file.Close() }

// Frames returns what was executing at pc, innermost first; nothing if the
// address is not in the program.
func (s *Table) Frames(pc uint64) (frames []Frame) {
	defer func() {
		if recover() != nil {
			frames = nil
		}
	}()
	file, line, fn := s.table.PCToLine(pc)
	if fn == nil {
		return nil
	}
	frames = []Frame{{Function: fn.Name, File: file, Line: line, Entry: fn.Entry}}
	for _, c := range s.calls().at(pc) {
		inner := Frame{Function: c.function, File: frames[0].File, Line: frames[0].Line, Entry: fn.Entry}
		frames[0].File, frames[0].Line = c.file, c.line
		frames = append([]Frame{inner}, frames...)
	}
	return frames
}

// Place is the function that holds pc and the line, without a look for inlined
// calls: fast, for many addresses.
func (s *Table) Place(pc uint64) (f Frame, ok bool) {
	defer func() {
		if recover() != nil {
			f, ok = Frame{}, false
		}
	}()
	file, line, fn := s.table.PCToLine(pc)
	if fn == nil {
		return Frame{}, false
	}
	return Frame{Function: fn.Name, File: file, Line: line, Entry: fn.Entry}, true
}

// maxBuildID is far more than the 20 bytes that linkers write, and their head.
const maxBuildID = 256

// BuildID is the note with the image's build ID as it lies in memory, and its
// address; nil if the image has none.
func (s *Table) BuildID() (note []byte, addr uint64) {
	section := s.file.Section(".note.gnu.build-id")
	if section == nil || section.Size > maxBuildID {
		return nil, 0
	}
	note, err := section.Data()
	if err != nil {
		return nil, 0
	}
	return note, section.Addr
}

// Instruction disassembles the instruction at pc.
func (s *Table) Instruction(pc uint64) (string, bool) {
	const longest = 15 // Intel SDM 2A, 2.3.11
	code := make([]byte, longest)
	for _, p := range s.file.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_X == 0 || pc < p.Vaddr || pc-p.Vaddr >= p.Filesz {
			continue
		}
		n, _ := p.ReadAt(code, int64(pc-p.Vaddr))
		inst, err := x86asm.Decode(code[:n], 64)
		if err != nil {
			return fmt.Sprintf("% x (not decoded)", code[:n]), true
		}
		return x86asm.GoSyntax(inst, pc, s.name), true
	}
	return "", false
}

// name finds the symbol at or below an address, for the disassembler.
func (s *Table) name(addr uint64) (string, uint64) {
	i := sort.Search(len(s.names), func(i int) bool { return s.names[i].Value > addr }) - 1
	if i < 0 || addr >= s.names[i].Value+max(s.names[i].Size, 1) {
		return "", 0
	}
	return s.names[i].Name, s.names[i].Value
}
