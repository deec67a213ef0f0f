package strace

import (
	"unsafe"

	"github.com/doze-vm/doze/kernel/linux"
)

// arg prints the i-th argument of a call, which is of kind a. shown says that the call has
// written what it writes.
func (p *Printer) arg(e *Event, a linux.Arg, i int, shown bool) {
	v := e.Args[i]
	if a == linux.SignalNumber && v >= firstRealtime && v <= lastSignal {
		p.realtime(v)
		return
	}
	if f := linux.FlagsOf(a); f != nil {
		p.flags(f, uint64(uint32(v)))
		return
	}
	if a.Writes() && a != linux.InOut && !shown {
		p.pointer(v)
		return
	}
	switch a {
	case linux.Int:
		p.signed(int64(v))
	case linux.Fd:
		p.signed(int64(int32(v)))
	case linux.Size:
		p.dec(uint64(v))
	case linux.Mode:
		p.octal(uint64(uint32(v)))
	case linux.Hex, linux.Offset:
		p.hex(uint64(v))
	case linux.DirFd:
		p.dirFd(int32(v))
	case linux.Path:
		p.quote(v, pathMax, true)
	case linux.Str, linux.OutString:
		p.quote(v, stringMax, true)
	case linux.InBytes:
		p.quote(v, e.Args[i+1], false)
	case linux.OutBytes:
		p.quote(v, e.Result, false)
	case linux.InTime, linux.OutTime:
		p.timespec(v)
	case linux.OutStat:
		p.stat(v)
	case linux.OutPair:
		p.pair(v)
	default:
		p.pointer(v)
	}
}

// Signals without names of their own (asm/signal.h).
const firstRealtime, lastSignal = 32, 64

func (p *Printer) realtime(sig uintptr) {
	if sig == firstRealtime {
		p.str("SIGRTMIN")
		return
	}
	p.str("SIGRT_")
	p.dec(uint64(sig - firstRealtime))
}

func (p *Printer) dirFd(fd int32) {
	if fd == linux.AtFdcwd {
		p.str("AT_FDCWD")
		return
	}
	p.signed(int64(fd))
}

// flags prints names of bits.
func (p *Printer) flags(f *linux.Flags, v uint64) {
	rest, any := v, false
	for i := range f.Values {
		if w := &f.Values[i]; w.Bits == v&f.Mask {
			p.str(w.Name)
			rest, any = v&^f.Mask, true
			break
		}
	}
	for i := range f.Bits {
		if b := &f.Bits[i]; rest&b.Bits == b.Bits {
			if any {
				p.str("|")
			}
			p.str(b.Name)
			rest, any = rest&^b.Bits, true
		}
	}
	if rest == 0 && any {
		return
	}
	if any {
		p.str("|")
	}
	if rest == 0 {
		p.str("0")
		return
	}
	p.hex(rest)
}

// numbers reads n words of the program's.
func (p *Printer) numbers(at uintptr, n int) bool {
	return p.Read((*byte)(unsafe.Pointer(&p.nums)), at, uintptr(n)*8) == 0
}

func (p *Printer) timespec(at uintptr) {
	if at == 0 || !p.numbers(at, 2) {
		p.pointer(at)
		return
	}
	p.str("{tv_sec=")
	p.signed(int64(p.nums[0]))
	p.str(", tv_nsec=")
	p.signed(int64(p.nums[1]))
	p.str("}")
}

// stat prints what strace shows of a struct stat (asm/stat.h): st_mode is at 24, st_size
// at 48.
func (p *Printer) stat(at uintptr) {
	const mode, size, all = 24 / 8, 48 / 8, 144 / 8
	if !p.numbers(at, all) {
		p.pointer(at)
		return
	}
	p.str("{st_mode=")
	p.fileMode(uint32(p.nums[mode]))
	p.str(", st_size=")
	p.signed(int64(p.nums[size]))
	p.str(", ...}")
}

// fileMode prints type and permissions (linux/stat.h).
func (p *Printer) fileMode(m uint32) {
	const typeMask = 0o170000
	switch m & typeMask {
	case 0o010000:
		p.str("S_IFIFO|")
	case 0o020000:
		p.str("S_IFCHR|")
	case 0o040000:
		p.str("S_IFDIR|")
	case 0o060000:
		p.str("S_IFBLK|")
	case 0o100000:
		p.str("S_IFREG|")
	case 0o120000:
		p.str("S_IFLNK|")
	case 0o140000:
		p.str("S_IFSOCK|")
	}
	p.octal(uint64(m &^ typeMask))
}

func (p *Printer) pair(at uintptr) {
	if !p.numbers(at, 1) {
		p.pointer(at)
		return
	}
	p.str("[")
	p.dec(p.nums[0] & 0xffffffff)
	p.str(", ")
	p.dec(p.nums[0] >> 32)
	p.str("]")
}

// quote prints n bytes of the program's, or a string that ends with a zero before those.
// Of bytes it prints the first stringMax.
func (p *Printer) quote(at, n uintptr, ends bool) {
	most := uintptr(stringMax)
	if ends {
		most = n
	}
	have := min(n, most)
	if at == 0 || !p.copyText(at, &have, ends) {
		p.pointer(at)
		return
	}
	whole := have == n && !ends
	p.str(`"`)
	for i := uintptr(0); i < have; i++ {
		c := p.text[i]
		if ends && c == 0 {
			whole = true
			break
		}
		next := byte(0)
		if i+1 < have {
			next = p.text[i+1]
		}
		p.escape(c, next)
	}
	p.str(`"`)
	if !whole {
		p.str("...")
	}
}

// copyText reads up to *n bytes; for a string what lies before a bad address will do if
// it has the zero.
func (p *Printer) copyText(at uintptr, n *uintptr, ends bool) bool {
	if *n == 0 {
		return true
	}
	left := p.Read(&p.text[0], at, *n)
	if left == 0 {
		return true
	}
	if *n -= left; !ends {
		return false
	}
	for _, c := range p.text[:*n] {
		if c == 0 {
			return true
		}
	}
	return false
}

// escape prints a byte as C has it in a string; next is the one behind it.
func (p *Printer) escape(c, next byte) {
	switch {
	case c == '"' || c == '\\':
		p.str(`\`)
		p.byte(c)
	case c == '\n':
		p.str(`\n`)
	case c == '\t':
		p.str(`\t`)
	case c == '\r':
		p.str(`\r`)
	case c == '\v':
		p.str(`\v`)
	case c == '\f':
		p.str(`\f`)
	case c >= ' ' && c < 0x7f:
		p.byte(c)
	default:
		p.str(`\`)
		if next >= '0' && next <= '9' {
			p.byte('0' + c>>6)
			p.byte('0' + c>>3&7)
		} else if c >= 0o100 {
			p.byte('0' + c>>6)
			p.byte('0' + c>>3&7)
		} else if c >= 0o10 {
			p.byte('0' + c>>3)
		}
		p.byte('0' + c&7)
	}
}

func (p *Printer) pointer(v uintptr) {
	if v == 0 {
		p.str("NULL")
		return
	}
	p.hex(uint64(v))
}

func (p *Printer) byte(c byte) {
	if p.n < p.most {
		p.line[p.n] = c
		p.n++
	}
}

func (p *Printer) str(s string) {
	for i := 0; i < len(s); i++ {
		p.byte(s[i])
	}
}

func (p *Printer) signed(v int64) {
	if v < 0 {
		p.byte('-')
		v = -v
	}
	p.dec(uint64(v))
}

func (p *Printer) dec(v uint64) { p.base(v, 10) }

func (p *Printer) hex(v uint64) {
	if v != 0 {
		p.str("0x")
	}
	p.base(v, 16)
}

func (p *Printer) octal(v uint64) {
	if v != 0 {
		p.byte('0')
	}
	p.base(v, 8)
}

func (p *Printer) base(v, base uint64) {
	var d [22]byte
	i := len(d)
	for {
		i--
		d[i] = "0123456789abcdef"[v%base]
		if v /= base; v == 0 {
			break
		}
	}
	for ; i < len(d); i++ {
		p.byte(d[i])
	}
}
