package symbols

import (
	"debug/dwarf"
	"debug/elf"
)

// inlines finds inlined calls by DWARF (DWARF 5, 3.3.8): the runtime's own table
// names only the function that they were inlined into.
type inlines struct {
	data *dwarf.Data
}

func readInlines(f *elf.File) *inlines {
	data, err := f.DWARF()
	if err != nil {
		return nil
	}
	return &inlines{data}
}

// call is an inlined function and the place it was called from.
type call struct {
	function string
	file     string
	line     int
}

// at returns the inlined calls around pc, outermost first.
func (in *inlines) at(pc uint64) []call {
	if in == nil {
		return nil
	}
	r := in.data.Reader()
	unit, err := r.SeekPC(pc)
	if err != nil {
		return nil
	}
	files := in.files(unit)
	var calls []call
	for depth := 1; depth > 0; {
		e, err := r.Next()
		if err != nil || e == nil {
			return calls
		}
		switch {
		case e.Tag == 0:
			depth--
			continue
		case e.Tag == dwarf.TagSubprogram, e.Tag == dwarf.TagInlinedSubroutine:
			if !in.contains(e, pc) {
				r.SkipChildren()
				continue
			}
			if e.Tag == dwarf.TagInlinedSubroutine {
				calls = append(calls, in.call(e, files))
			}
		case e.Tag != dwarf.TagLexDwarfBlock:
			r.SkipChildren()
			continue
		}
		if e.Children {
			depth++
		}
	}
	return calls
}

func (in *inlines) contains(e *dwarf.Entry, pc uint64) bool {
	ranges, err := in.data.Ranges(e)
	if err != nil {
		return false
	}
	for _, r := range ranges {
		if pc >= r[0] && pc < r[1] {
			return true
		}
	}
	return false
}

func (in *inlines) files(unit *dwarf.Entry) []*dwarf.LineFile {
	lines, err := in.data.LineReader(unit)
	if err != nil || lines == nil {
		return nil
	}
	return lines.Files()
}

// call reads an inlined subroutine: its name is in the entry it refers to.
func (in *inlines) call(e *dwarf.Entry, files []*dwarf.LineFile) call {
	var c call
	if origin, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset); ok {
		r := in.data.Reader()
		r.Seek(origin)
		if f, err := r.Next(); err == nil && f != nil {
			c.function, _ = f.Val(dwarf.AttrName).(string)
		}
	}
	if i, ok := e.Val(dwarf.AttrCallFile).(int64); ok && i >= 0 && int(i) < len(files) && files[i] != nil {
		c.file = files[i].Name
	}
	if line, ok := e.Val(dwarf.AttrCallLine).(int64); ok {
		c.line = int(line)
	}
	return c
}
