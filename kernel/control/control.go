// Package control has the words of the control lines between guest and VMM
// (docs/nucleus.md 8), and reads the lines that a VMM sends to its guest: signals for
// the program, standard input and its end, the number of vCPUs.
//
// It runs beneath the Go scheduler: it must never allocate, panic or block, and
// keeps a bounded part of a line. What it does not understand it drops: a newer
// VMM may have more to say.
package control

// Words of the lines that a guest sends. The nucleus sends crash and reg, the boot blob
// error.
const (
	WordExit  = "exit"  // the program's status
	WordError = "error" // why the image can't run
	WordInput = "input" // how many bytes of standard input there is room for
	WordCrash = "crash" // how the machine crashed; lines of reg and pc follow
	WordReg   = "reg"   // a register's name and value
	WordPC    = "pc"    // an address of a stack
)

// Words of the lines that a VMM sends.
const (
	WordSignal = "signal" // for the program
	WordCPUs   = "cpus"   // how many vCPUs are to run threads
	WordEOF    = "eof"    // of how many bytes standard input was
	WordData   = "input"  // how many bytes of standard input follow
)

// Kind is what an order is about.
type Kind uint8

const (
	None   Kind = iota
	Signal      // Value is a signal for the program, 1 to MaxSignal
	EOF         // standard input ends after Value bytes in all
	Data        // the byte just given is input; Value more of it follow
	CPUs        // so many vCPUs are to run threads
)

// MaxSignal is the highest signal of Linux.
const MaxSignal = 64

// MaxLine is the longest line that is understood.
const MaxLine = 64

// Order is what a byte completed.
type Order struct {
	Kind  Kind
	Value uint64
}

// Parser takes the bytes in order. The zero value is ready.
type Parser struct {
	data uint64 // bytes of input still to come
	n    int    // length of the line so far, MaxLine + 1 if it is too long
	line [MaxLine]byte
}

// Byte takes the next byte and returns the order that it completes.
func (p *Parser) Byte(c byte) Order {
	if p.data > 0 {
		p.data--
		return Order{Data, p.data}
	}
	if c != '\n' {
		if p.n < MaxLine {
			p.line[p.n] = c
		}
		p.n = min(p.n+1, MaxLine+1)
		return Order{}
	}
	o := p.end()
	p.n = 0
	return o
}

// end understands a whole line.
func (p *Parser) end() Order {
	if p.n > MaxLine {
		return Order{}
	}
	if v, ok := p.number(WordSignal); ok && v > 0 && v <= MaxSignal {
		return Order{Signal, v}
	}
	if v, ok := p.number(WordCPUs); ok {
		return Order{CPUs, v}
	}
	if v, ok := p.number(WordEOF); ok {
		return Order{EOF, v}
	}
	if v, ok := p.number(WordData); ok {
		p.data = v
	}
	return Order{}
}

// number returns the decimal number that the line consists of after word and a space.
func (p *Parser) number(word string) (v uint64, ok bool) {
	if p.n <= len(word)+1 || p.line[len(word)] != ' ' {
		return 0, false
	}
	for i := range len(word) {
		if p.line[i] != word[i] {
			return 0, false
		}
	}
	const limit = 1 << 60 // beyond any input, and ten of it are a uint64
	for i := len(word) + 1; i < p.n; i++ {
		c := p.line[i]
		if c < '0' || c > '9' || v >= limit {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}
