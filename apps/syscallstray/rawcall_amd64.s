#include "textflag.h"

// func rawcall(number uintptr) uintptr
TEXT ·rawcall(SB), NOSPLIT, $0-16
	MOVQ	number+0(FP), AX
	SYSCALL
	MOVQ	AX, ret+8(FP)
	RET
