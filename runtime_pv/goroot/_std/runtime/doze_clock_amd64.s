// Reading the clock. The runtime finds dozeClock where it would find the
// vDSO's clock_gettime, and calls it as C does.

#include "go_asm.h"
#include "textflag.h"

// int dozeClock(clockid DI, struct timespec *SI)
// CLOCK_MONOTONIC (1) and, for every other id, CLOCK_REALTIME (0). Reads the
// pvclock page of vCPU 0, in which kvmclock, or our own calibration where there
// is none, puts the rate (drivers/pvclock): ns = system_time + (((tsc -
// timestamp) << shift) * mul >> 32), the product in 96 bits.
// Clobbers AX, CX, DX, R8-R11 and flags; uses no stack; never traps.
TEXT ·dozeClock(SB),NOSPLIT|NOFRAME,$0
	CMPL	·dozeClockApart(SB), $0
	JNE	apart
again:
	MOVL	const_dozeClockPage+0, R8		// version
	TESTL	$1, R8
	JNE	again
	LFENCE
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	const_dozeClockPage+16, R9		// system_time
	MOVL	const_dozeClockPage+24, R10		// mul
	MOVBLSX	const_dozeClockPage+28, CX		// shift
	MOVQ	const_dozeClockPage+8, R11		// tsc_timestamp
	CMPL	R8, const_dozeClockPage+0
	JNE	again
	SUBQ	R11, AX
	JCC	ahead
	XORL	AX, AX					// another CPU's TSC a little behind
ahead:
	TESTL	CX, CX
	JLT	right
	SHLQ	CX, AX
	JMP	scale
right:
	NEGL	CX
	SHRQ	CX, AX
scale:
	MULQ	R10
	SHRQ	$32, DX, AX
	ADDQ	R9, AX
	CMPL	·dozeClockApart(SB), $0
	JNE	last
done:
	CMPL	DI, $1
	JEQ	split
wall:
	MOVL	const_dozeWallSeq, R8
	TESTL	$1, R8
	JNE	wall
	MOVQ	const_dozeWall, R9			// wall clock minus kvmclock
	CMPL	R8, const_dozeWallSeq
	JNE	wall
	ADDQ	R9, AX
split:
	MOVQ	AX, R8
	SHRQ	$9, AX					// seconds = AX / 1e9, by its reciprocal
	MOVQ	$0x44b82fa09b5a53, R9			// 2^(64+11) / (1e9 >> 9), rounded up
	MULQ	R9
	SHRQ	$11, DX
	MOVQ	DX, AX
	IMUL3Q	$1000000000, AX, R9
	SUBQ	R9, R8
	MOVQ	R8, DX
	MOVQ	AX, 0(SI)
	MOVQ	DX, 8(SI)
	XORL	AX, AX
	RET

	// Each vCPU's page for itself. The thread may be moved between any two
	// instructions, so the number of the vCPU must be the same before and after.
apart:
	MOVL	const_dozeGSIndex(GS), R10
	MOVL	const_dozeGSClock(GS), R8
	TESTL	$1, R8
	JNE	apart
	LFENCE
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	const_dozeGSClock+16(GS), R9
	MOVL	const_dozeGSClock+24(GS), DX
	MOVBLSX	const_dozeGSClock+28(GS), CX
	MOVQ	const_dozeGSClock+8(GS), R11
	CMPL	R8, const_dozeGSClock(GS)
	JNE	apart
	CMPL	R10, const_dozeGSIndex(GS)
	JNE	apart
	MOVL	DX, R10
	SUBQ	R11, AX
	JCC	ahead
	XORL	AX, AX
	JMP	ahead

	// Never less than anyone has seen.
last:
	MOVQ	AX, R8
again2:
	MOVQ	·dozeClockLast(SB), AX
	CMPQ	R8, AX
	JLS	done
	LOCK
	CMPXCHGQ R8, ·dozeClockLast(SB)
	JNE	again2
	MOVQ	R8, AX
	JMP	done
