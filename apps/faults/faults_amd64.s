#include "textflag.h"

// func halt()
TEXT ·halt(SB), NOSPLIT, $0
	HLT
	RET

// func wrmsr()
TEXT ·wrmsr(SB), NOSPLIT, $0
	MOVL	$0xc0000080, CX	// EFER
	XORL	AX, AX
	XORL	DX, DX
	WRMSR
	RET

// func cli()
TEXT ·cli(SB), NOSPLIT, $0
	CLI
	RET

// func loadCR3()
TEXT ·loadCR3(SB), NOSPLIT, $0
	XORL	AX, AX
	MOVQ	AX, CR3
	RET

// func loseStack()
TEXT ·loseStack(SB), NOSPLIT, $0
	MOVQ	$0x1000, SP
	CALL	·halt(SB)
	RET

// func undefined()
TEXT ·undefined(SB), NOSPLIT, $0
	UNDEF
	RET

// func outsb()
// Port 0x80 is not among those that ring 3 may use.
TEXT ·outsb(SB), NOSPLIT, $0
	MOVW	$0x80, DX
	XORL	AX, AX
	OUTB
	RET

// func jump(to uintptr)
TEXT ·jump(SB), NOSPLIT, $0-8
	MOVQ	to+0(FP), AX
	CALL	AX
	RET

// func overrunNucleus()
// The gate's map request (docs/nucleus.md 4) for an address whose tables do not
// exist: ring 0 faults.
TEXT ·overrunNucleus(SB), NOSPLIT, $0
	MOVL	$3, AX
	MOVQ	$0x600000000000, DI
	MOVL	$0x200000, SI
	MOVL	$1, DX
	MOVL	$1, R8
	MOVL	$4096, R9
	MOVQ	$0x103000, R11
	CALL	R11
	RET
