package guesttest

import "encoding/binary"

// Code is a sequence of instructions in the making (Intel SDM 2). All of them
// are position-independent but for the labels of Here.
type Code struct{ b []byte }

// Bytes are the instructions so far.
func (c *Code) Bytes() []byte { return c.b }

// Here is the place of the next instruction, for Jump.
func (c *Code) Here() int { return len(c.b) }

func (c *Code) emit(b ...byte) *Code { c.b = append(c.b, b...); return c }

func (c *Code) imm32(v uint32) *Code {
	c.b = binary.LittleEndian.AppendUint32(c.b, v)
	return c
}

// Pad fills with NOPs, so that what follows is at that place.
func (c *Code) Pad(to int) *Code {
	for len(c.b) < to {
		c.emit(0x90)
	}
	return c
}

// Append puts other instructions behind these. Those must not jump.
func (c *Code) Append(o *Code) *Code { return c.emit(o.b...) }

// Out8 writes a byte to a port.
func (c *Code) Out8(port uint16, v byte) *Code {
	return c.emit(0xba).imm32(uint32(port)).emit(0xb0, v, 0xee) // MOV EDX; MOV AL; OUT DX, AL
}

// Out32 writes four bytes to a port.
func (c *Code) Out32(port uint16, v uint32) *Code {
	return c.emit(0xba).imm32(uint32(port)).emit(0xb8).imm32(v).emit(0xef)
}

// In8 reads a byte from a port into AL.
func (c *Code) In8(port uint16) *Code {
	return c.emit(0xba).imm32(uint32(port)).emit(0xec)
}

// In32 reads four bytes from a port into EAX.
func (c *Code) In32(port uint16) *Code {
	return c.emit(0xba).imm32(uint32(port)).emit(0xed)
}

// OutAL writes AL to a port.
func (c *Code) OutAL(port uint16) *Code {
	return c.emit(0xba).imm32(uint32(port)).emit(0xee)
}

// Text writes a string to a port, byte by byte.
func (c *Code) Text(port uint16, s string) *Code {
	for i := range len(s) {
		c.Out8(port, s[i])
	}
	return c
}

// Line writes a string to a port with REP OUTSB; the string lies in the code.
func (c *Code) Line(port uint16, s string) *Code {
	c.emit(0xe8).imm32(uint32(len(s))) // CALL over the string: pushes its address
	c.emit([]byte(s)...)               //
	c.emit(0x5e)                       // POP RSI
	c.emit(0xb9).imm32(uint32(len(s))) // MOV ECX
	return c.emit(0xba).imm32(uint32(port)).emit(0xf3, 0x6e)
}

// Stack sets RSP.
func (c *Code) Stack(addr uint32) *Code { return c.emit(0xbc).imm32(addr) }

// Store writes 64 bits to an address below 2 GiB.
func (c *Code) Store(addr uint32, v uint64) *Code {
	c.emit(0x48, 0xb8)
	c.b = binary.LittleEndian.AppendUint64(c.b, v) // MOV RAX
	return c.emit(0x48, 0x89, 0x04, 0x25).imm32(addr)
}

// Store32 writes 32 bits to an address below 4 GiB.
func (c *Code) Store32(addr, v uint32) *Code {
	return c.emit(0xb9).imm32(addr).emit(0xc7, 0x01).imm32(v) // MOV ECX; MOV [RCX], imm32
}

// Load32 reads 32 bits of an address below 4 GiB into EAX.
func (c *Code) Load32(addr uint32) *Code {
	return c.emit(0xb9).imm32(addr).emit(0x8b, 0x01) // MOV ECX; MOV EAX, [RCX]
}

// Exchange0 exchanges 64 bits in memory with 0; RAX is what was there.
func (c *Code) Exchange0(addr uint32) *Code {
	return c.emit(0x31, 0xc0, 0x48, 0x87, 0x04, 0x25).imm32(addr) // XOR EAX, EAX; XCHG [addr], RAX
}

// AddToDue adds RAX, after adding ns, to nothing: it stores RAX + ns.
func (c *Code) AddStore(ns uint32, addr uint32) *Code {
	return c.emit(0x48, 0x05).imm32(ns).emit(0x48, 0x89, 0x04, 0x25).imm32(addr) // ADD RAX; MOV [addr], RAX
}

// LoadRAX reads 64 bits of an address below 2 GiB into RAX.
func (c *Code) LoadRAX(addr uint32) *Code {
	return c.emit(0x48, 0x8b, 0x04, 0x25).imm32(addr)
}

// Jump goes to a place that Here returned.
func (c *Code) Jump(to int) *Code {
	return c.emit(0xe9).imm32(uint32(to - (len(c.b) + 4)))
}

// JumpZero goes there if RAX is 0.
func (c *Code) JumpZero(to int) *Code {
	return c.emit(0x48, 0x85, 0xc0, 0x0f, 0x84).imm32(uint32(to - (len(c.b) + 4))) // TEST RAX, RAX; JZ
}

// Repeat runs body n times; body must keep RBX and RBP.
func (c *Code) Repeat(n uint32, body func()) *Code {
	c.emit(0xbd).imm32(n) // MOV EBP
	start := c.Here()
	body()
	c.emit(0xff, 0xcd)                                              // DEC EBP
	return c.emit(0x0f, 0x85).imm32(uint32(start - (len(c.b) + 4))) // JNZ
}

// UD2 raises #UD; without an IDT that ends in a triple fault.
func (c *Code) UD2() *Code { return c.emit(0x0f, 0x0b) }

// Halt stops with interrupts off, for ever.
func (c *Code) Halt() *Code { return c.emit(0xfa, 0xf4) }
