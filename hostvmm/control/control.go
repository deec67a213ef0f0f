// Package control reads what a machine writes to its control port
// (docs/nucleus.md 8) and makes crash reports of it, with the image's symbols.
//
// The lines come from the guest and may be anything: the parser keeps a bounded
// amount, never fails, and must never print a byte of them raw.
package control

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/control"
)

// Bounds of what is kept; a longer line is cut, further items are dropped.
const (
	maxLine = 1024
	maxRegs = 64
	maxPCs  = 256
)

// Parser collects control lines. It is an io.Writer for the bytes of the port;
// its methods may be used once the machine has ended.
type Parser struct {
	// Asked, if not nil, is called when the guest asks for up to n bytes of
	// standard input.
	Asked func(n int)

	line  []byte
	exit  int
	ended bool
	crash *vm.Crash
	err   *vm.GuestError
}

// Write takes the next bytes. It never fails.
func (p *Parser) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			p.add(b)
			break
		}
		p.add(b[:i])
		p.end()
		b = b[i+1:]
	}
	return n, nil
}

func (p *Parser) add(b []byte) {
	if room := maxLine - len(p.line); len(b) > room {
		b = b[:room]
	}
	p.line = append(p.line, b...)
}

// end handles a whole line. What is not understood is dropped: a newer guest may
// have more to say.
func (p *Parser) end() {
	word, rest, _ := strings.Cut(string(p.line), " ")
	p.line = p.line[:0]
	switch word {
	case control.WordExit:
		if n, err := strconv.ParseUint(rest, 10, 8); err == nil && !p.ended {
			p.exit, p.ended = int(n), true
		}
	case control.WordInput:
		if n, err := strconv.ParseUint(rest, 10, 31); err == nil && n > 0 && p.Asked != nil {
			p.Asked(int(n))
		}
	case control.WordError:
		if p.err == nil {
			p.err = &vm.GuestError{Text: printable(rest)}
		}
	case control.WordCrash:
		if p.crash == nil {
			p.crash = &vm.Crash{Text: printable(rest)}
		}
	case control.WordReg:
		p.reg(rest)
	case control.WordPC:
		if v, ok := hex(rest); ok && p.crash != nil && len(p.crash.PCs) < maxPCs {
			p.crash.PCs = append(p.crash.PCs, v)
		}
	}
}

func (p *Parser) reg(rest string) {
	name, value, _ := strings.Cut(rest, " ")
	if v, ok := hex(value); ok && p.crash != nil && len(p.crash.Regs) < maxRegs {
		p.crash.Regs = append(p.crash.Regs, vm.Reg{Name: printable(name), Value: v})
	}
}

func hex(s string) (uint64, bool) {
	v, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 64)
	return v, err == nil
}

// printable replaces bytes that a terminal could take as a command.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// Result returns how the machine ended, the guest's error if it reported one. A
// machine that ended without an exit line has crashed: then Crash is not nil and
// the status is 2, a Go program's for a fatal error.
func (p *Parser) Result() (vm.Result, error) {
	switch {
	case p.err != nil:
		return vm.Result{}, p.err
	case p.crash != nil:
		return vm.Result{ExitCode: crashStatus, Crash: p.crash}, nil
	case p.ended:
		return vm.Result{ExitCode: p.exit}, nil
	}
	return vm.Result{ExitCode: crashStatus, Crash: &vm.Crash{Text: "the machine ended without a word"}}, nil
}

// Spoke says whether the guest sent anything that was understood.
func (p *Parser) Spoke() bool { return p.ended || p.crash != nil || p.err != nil }

const crashStatus = 2
