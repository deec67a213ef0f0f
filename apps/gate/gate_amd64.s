#include "textflag.h"

// func gate(req uint32, a, b, c, d, e uintptr) uintptr
TEXT ·gate(SB), NOSPLIT, $0-56
	MOVL	req+0(FP), AX
	MOVQ	a+8(FP), DI
	MOVQ	b+16(FP), SI
	MOVQ	c+24(FP), DX
	MOVQ	d+32(FP), R8
	MOVQ	e+40(FP), R9
	MOVQ	$0x103000, R11	// GatePage (docs/nucleus.md 1)
	CALL	R11
	MOVQ	AX, ret+48(FP)
	RET
