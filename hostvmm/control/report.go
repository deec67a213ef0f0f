package control

import (
	"bytes"
	"fmt"
	"io"

	"github.com/doze-vm/doze/hostvmm/symbols"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// WriteReport writes a crash report for people: what happened, the Go frames,
// the instruction that failed, the registers. The image's symbols are read from
// the file at image; without them the addresses alone are printed.
func WriteReport(w io.Writer, c *vm.Crash, image string) error {
	syms, err := symbols.Open(image)
	return writeReport(w, c, syms, err)
}

// writeReport closes the symbols, of which there are none if there is an error.
func writeReport(w io.Writer, c *vm.Crash, syms *symbols.Table, err error) error {
	if err == nil {
		defer syms.Close()
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "machine crashed: %s\n", c.Text)
	if err != nil {
		fmt.Fprintf(&b, "(no symbols: %v)\n", err)
	}
	for i, pc := range c.PCs {
		writeFrame(&b, syms, pc, i > 0)
	}
	if len(c.PCs) > 0 && syms != nil {
		if text, ok := syms.Instruction(c.PCs[0]); ok {
			fmt.Fprintf(&b, "\ninstruction at %#x: %s\n", c.PCs[0], printable(text))
		}
	}
	writeRegs(&b, c.Regs)
	_, err = w.Write(b.Bytes())
	return err
}

// writeFrame prints a frame as Go's tracebacks look. All but the innermost are
// return addresses: the call is before them.
func writeFrame(b *bytes.Buffer, syms *symbols.Table, pc uint64, isReturn bool) {
	at := pc
	if isReturn && at > 0 {
		at--
	}
	var frames []symbols.Frame
	if syms != nil {
		frames = syms.Frames(at)
	}
	switch {
	case len(frames) > 0:
	case pc >= abi.BlobBase && pc < abi.BlobEnd:
		fmt.Fprintf(b, "%#x in the nucleus\n", pc)
	default:
		fmt.Fprintf(b, "%#x\n", pc)
	}
	for _, f := range frames {
		fmt.Fprintf(b, "%s(...)\n\t%s:%d +%#x\n", printable(f.Function), printable(f.File), f.Line, pc-f.Entry)
	}
}

// regsPerLine keeps the dump within 80 columns.
const regsPerLine = 3

func writeRegs(b *bytes.Buffer, regs []vm.Reg) {
	if len(regs) > 0 {
		b.WriteByte('\n')
	}
	for i, r := range regs {
		sep := "  "
		if i%regsPerLine == regsPerLine-1 || i == len(regs)-1 {
			sep = "\n"
		}
		fmt.Fprintf(b, "%-6s %016x%s", r.Name, r.Value, sep)
	}
}
