// Package strace prints calls as strace(1) does: name, arguments, result, one line a
// call. A call that waits while others make theirs is printed in two lines: its beginning
// with Unfinished, and "<... NAME resumed>" with the rest.
//
// The code runs beneath the Go scheduler, on the kernel's stack. It must never allocate,
// block, keep a pointer to what it is given, or touch the program's memory but by Read.
// What it prints is bounded by LineMax, whatever the program's memory holds.
package strace

import "github.com/doze-vm/doze/kernel/linux"

// Bounds of a line, bytes. Strings of the program are cut as strace cuts them.
const (
	LineMax   = 1024
	resultMax = 192 // of LineMax: left for the result
	stringMax = 32  // of a string that is no path
	pathMax   = 256
)

// Event is a call as its registers have it.
type Event struct {
	Thread int32
	Number uintptr
	Args   [6]uintptr
	Result uintptr
	Why    string // why the call was refused, "" if it was not
}

// Printer makes lines. Read copies n bytes from the program's address p to dst and
// returns how many are left because an address is bad.
type Printer struct {
	Read func(dst *byte, p, n uintptr) (left uintptr)

	line [LineMax]byte
	n    int
	most int // where arguments must end

	text [pathMax]byte // of the program
	nums [18]uint64    // of the program: a struct stat, a struct timespec, a pair
}

// Whole returns the line of a call that is over.
func (p *Printer) Whole(e *Event) []byte {
	p.open(e)
	p.args(e, 0, len(e.Args), true)
	return p.end(e)
}

// Begun returns the line of a call that waits, without its end, up to the first argument
// that the call writes, and the number of that argument.
func (p *Printer) Begun(e *Event) (line []byte, shown int) {
	for shown = 0; shown < len(e.Args) && !writes(e.Number, shown); shown++ {
	}
	p.open(e)
	p.args(e, 0, shown, false)
	return p.line[:p.n], shown
}

// Unfinished is the end of a line that Begun returned, when another line is to follow.
const Unfinished = " <unfinished ...>\n"

// Ended returns what is behind the line that Begun returned: the arguments from shown on,
// and the result.
func (p *Printer) Ended(e *Event, shown int) []byte {
	p.start()
	p.args(e, shown, len(e.Args), true)
	return p.end(e)
}

// Resumed is Ended on a line of its own: behind Unfinished, and other lines.
func (p *Printer) Resumed(e *Event, shown int) []byte {
	p.resume(e)
	p.args(e, shown, len(e.Args), true)
	return p.end(e)
}

// Restarted returns the line of a call that makes way for a signal's handler and
// begins anew behind it, of which Begun and Unfinished were printed.
func (p *Printer) Restarted(e *Event, shown int) []byte {
	p.resume(e)
	p.args(e, shown, len(e.Args), false)
	p.most = LineMax
	p.str(") = ? ERESTARTSYS (To be restarted if SA_RESTART is set)\n")
	return p.line[:p.n]
}

// Endless returns the line of a call that does not return.
func (p *Printer) Endless(e *Event) []byte {
	p.open(e)
	p.args(e, 0, len(e.Args), false)
	p.most = LineMax
	p.str(") = ?\n")
	return p.line[:p.n]
}

func writes(nr uintptr, i int) bool {
	c := linux.CallOf(nr)
	return c != nil && c.Args[i].Writes()
}

func (p *Printer) start() { p.n, p.most = 0, LineMax-resultMax }

func (p *Printer) head(e *Event) {
	p.start()
	p.str("[pid ")
	p.dec(uint64(e.Thread))
	p.str("] ")
}

func (p *Printer) open(e *Event) {
	p.head(e)
	p.name(e)
	p.str("(")
}

func (p *Printer) resume(e *Event) {
	p.head(e)
	p.str("<... ")
	p.name(e)
	p.str(" resumed>")
}

func (p *Printer) name(e *Event) {
	if c := linux.CallOf(e.Number); c != nil {
		p.str(c.Name)
		return
	}
	p.str("syscall_")
	p.hex(uint64(e.Number))
}

// args prints the arguments from one number to another. done says that the call is over:
// what it writes is shown then.
func (p *Printer) args(e *Event, from, to int, done bool) {
	c := linux.CallOf(e.Number)
	if c == nil || !c.Known {
		for i := from; i < to; i++ {
			p.comma(i)
			p.hex(uint64(e.Args[i]))
		}
		return
	}
	_, failed := linux.Failure(e.Result)
	for i := from; i < min(to, arity(c, e)); i++ {
		p.comma(i)
		p.arg(e, kindOf(c, e, i), i, done && !failed)
	}
}

// arity returns how many arguments a call has: some take more than others of their name.
func arity(c *linux.Call, e *Event) (n int) {
	switch {
	case e.Number == linux.SysOpen && e.Args[1]&linux.OCreat == 0:
		return 2 // no mode
	case e.Number == linux.SysOpenat && e.Args[2]&linux.OCreat == 0:
		return 3
	case e.Number == linux.SysFcntl && (e.Args[1] == linux.FGetfd || e.Args[1] == linux.FGetfl):
		return 2
	case e.Number == linux.SysFutex && e.Args[1]&linux.FutexCommand == linux.FutexWake:
		return 3
	case e.Number == linux.SysFutex && e.Args[1]&linux.FutexCommand == linux.FutexWait:
		return 4
	}
	for n = 0; n < len(c.Args) && c.Args[n] != linux.None; n++ {
	}
	return n
}

// kindOf returns the kind of a call's i-th argument, which for some depends on others.
func kindOf(c *linux.Call, e *Event, i int) linux.Arg {
	if e.Number == linux.SysFcntl && i == 2 && e.Args[1] == linux.FSetfl {
		return linux.OpenFlags
	}
	return c.Args[i]
}

func (p *Printer) comma(i int) {
	if i > 0 {
		p.str(", ")
	}
}

// end prints the result.
func (p *Printer) end(e *Event) []byte {
	p.most = LineMax
	p.str(") = ")
	errno, failed := linux.Failure(e.Result)
	switch {
	case failed && linux.ErrnoName(errno) != "":
		p.str("-1 ")
		p.str(linux.ErrnoName(errno))
		p.str(" (")
		p.str(linux.ErrnoText(errno))
		p.str(")")
	case returnsBits(e):
		p.hex(uint64(e.Result))
	default:
		p.signed(int64(e.Result))
	}
	if e.Why != "" {
		p.str(" /* ")
		p.str(e.Why[:min(len(e.Why), resultMax/2)])
		p.str(" */")
	}
	p.str("\n")
	return p.line[:p.n]
}

// returnsBits reports whether a call's result is an address, or flags.
func returnsBits(e *Event) bool {
	switch e.Number {
	case linux.SysMmap, linux.SysMremap, linux.SysBrk:
		return true
	case linux.SysFcntl:
		return e.Args[1] == linux.FGetfd || e.Args[1] == linux.FGetfl
	}
	return false
}
