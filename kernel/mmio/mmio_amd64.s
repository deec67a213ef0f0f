#include "textflag.h"

// Contract of every routine here: ABI0, no frame, no call, the direction flag is
// clear at entry (Go keeps it so) and stays clear, and only registers that ABI0
// lets a callee use are changed.

// func Load8(addr uintptr) uint8
TEXT ·Load8(SB), NOSPLIT, $0-9
	MOVQ	addr+0(FP), AX
	MOVB	(AX), AX
	MOVB	AX, ret+8(FP)
	RET

// func Load16(addr uintptr) uint16
TEXT ·Load16(SB), NOSPLIT, $0-10
	MOVQ	addr+0(FP), AX
	MOVW	(AX), AX
	MOVW	AX, ret+8(FP)
	RET

// func Load32(addr uintptr) uint32
// One 32-bit MOV: KVM and QEMU decode a device access by its width.
TEXT ·Load32(SB), NOSPLIT, $0-12
	MOVQ	addr+0(FP), AX
	MOVL	(AX), AX
	MOVL	AX, ret+8(FP)
	RET

// func Load64(addr uintptr) uint64
TEXT ·Load64(SB), NOSPLIT, $0-16
	MOVQ	addr+0(FP), AX
	MOVQ	(AX), AX
	MOVQ	AX, ret+8(FP)
	RET

// func Store8(addr uintptr, v uint8)
TEXT ·Store8(SB), NOSPLIT, $0-9
	MOVQ	addr+0(FP), AX
	MOVB	v+8(FP), CX
	MOVB	CX, (AX)
	RET

// func Store16(addr uintptr, v uint16)
TEXT ·Store16(SB), NOSPLIT, $0-10
	MOVQ	addr+0(FP), AX
	MOVW	v+8(FP), CX
	MOVW	CX, (AX)
	RET

// func Store32(addr uintptr, v uint32)
TEXT ·Store32(SB), NOSPLIT, $0-12
	MOVQ	addr+0(FP), AX
	MOVL	v+8(FP), CX
	MOVL	CX, (AX)
	RET

// func Store64(addr uintptr, v uint64)
TEXT ·Store64(SB), NOSPLIT, $0-16
	MOVQ	addr+0(FP), AX
	MOVQ	v+8(FP), CX
	MOVQ	CX, (AX)
	RET

// func Or64(addr uintptr, v uint64)
TEXT ·Or64(SB), NOSPLIT, $0-16
	MOVQ	addr+0(FP), AX
	MOVQ	v+8(FP), CX
	LOCK
	ORQ	CX, (AX)
	RET

// func Xchg64(addr uintptr, v uint64) (old uint64)
// XCHG with memory locks by itself.
TEXT ·Xchg64(SB), NOSPLIT, $0-24
	MOVQ	addr+0(FP), AX
	MOVQ	v+8(FP), CX
	XCHGQ	CX, (AX)
	MOVQ	CX, old+16(FP)
	RET

// func Fence()
TEXT ·Fence(SB), NOSPLIT, $0-0
	MFENCE
	RET

// func Pause()
TEXT ·Pause(SB), NOSPLIT, $0-0
	PAUSE
	RET

// func Copy(dst, src, n uintptr)
TEXT ·Copy(SB), NOSPLIT, $0-24
	MOVQ	dst+0(FP), DI
	MOVQ	src+8(FP), SI
	MOVQ	n+16(FP), CX
	REP
	MOVSB
	RET

// func Clear(addr, n uintptr)
TEXT ·Clear(SB), NOSPLIT, $0-16
	MOVQ	addr+0(FP), DI
	MOVQ	n+8(FP), CX
	XORL	AX, AX
	REP
	STOSB
	RET

// func Zero(addr, n uintptr) bool
// XORL sets ZF, which SCASQ leaves alone when n is 0.
TEXT ·Zero(SB), NOSPLIT, $0-17
	MOVQ	addr+0(FP), DI
	MOVQ	n+8(FP), CX
	SHRQ	$3, CX
	XORL	AX, AX
	REP
	SCASQ
	SETEQ	ret+16(FP)
	RET

// func Rdtsc() uint64
// LFENCE keeps RDTSC behind every earlier load (Intel SDM 2B, RDTSC).
TEXT ·Rdtsc(SB), NOSPLIT, $0-8
	LFENCE
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ret+0(FP)
	RET

// func CPUID(leaf, sub uint32) (a, b, c, d uint32)
TEXT ·CPUID(SB), NOSPLIT, $0-24
	MOVL	leaf+0(FP), AX
	MOVL	sub+4(FP), CX
	CPUID
	MOVL	AX, a+8(FP)
	MOVL	BX, b+12(FP)
	MOVL	CX, c+16(FP)
	MOVL	DX, d+20(FP)
	RET

// func In8(port uint16) uint8
TEXT ·In8(SB), NOSPLIT, $0-9
	MOVW	port+0(FP), DX
	INB
	MOVB	AX, ret+8(FP)
	RET

// func Out8(port uint16, v uint8)
TEXT ·Out8(SB), NOSPLIT, $0-3
	MOVW	port+0(FP), DX
	MOVB	v+2(FP), AX
	OUTB
	RET

// func In32(port uint16) uint32
TEXT ·In32(SB), NOSPLIT, $0-12
	MOVW	port+0(FP), DX
	INL
	MOVL	AX, ret+8(FP)
	RET

// func Out16(port uint16, v uint16)
TEXT ·Out16(SB), NOSPLIT, $0-4
	MOVW	port+0(FP), DX
	MOVW	v+2(FP), AX
	OUTW
	RET

// func Out32(port uint16, v uint32)
TEXT ·Out32(SB), NOSPLIT, $0-8
	MOVW	port+0(FP), DX
	MOVL	v+4(FP), AX
	OUTL
	RET

// func OutString(port uint16, p uintptr, n uintptr)
TEXT ·OutString(SB), NOSPLIT, $0-24
	MOVW	port+0(FP), DX
	MOVQ	p+8(FP), SI
	MOVQ	n+16(FP), CX
	REP
	OUTSB
	RET
