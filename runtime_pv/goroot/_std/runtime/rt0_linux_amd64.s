// Entry points. _rt0_amd64_doze is where the nucleus enters ring 3;
// _rt0_amd64_linux is where Linux enters an image that was started as a process
// by mistake: it says so and leaves.

#include "go_asm.h"
#include "textflag.h"

// From Linux. The only two SYSCALL instructions of an image.
TEXT _rt0_amd64_linux(SB),NOSPLIT|NOFRAME,$0
	MOVL	$1, AX			// write
	MOVL	$2, DI
	LEAQ	dozeNotLinux<>(SB), SI
	MOVL	$62, DX		// its length
	SYSCALL
	MOVL	$231, AX		// exit_group
	MOVL	$125, DI
	SYSCALL
	JMP	_rt0_amd64_doze(SB)	// never: it tells the linker that this is a root

TEXT _rt0_amd64_linux_lib(SB),NOSPLIT|NOFRAME,$0
	JMP	_rt0_amd64_linux(SB)

DATA dozeNotLinux<>+0(SB)/8, $"doze: th"
DATA dozeNotLinux<>+8(SB)/8, $"is is a "
DATA dozeNotLinux<>+16(SB)/8, $"virtual "
DATA dozeNotLinux<>+24(SB)/8, $"machine "
DATA dozeNotLinux<>+32(SB)/8, $"image: s"
DATA dozeNotLinux<>+40(SB)/8, $"tart it "
DATA dozeNotLinux<>+48(SB)/8, $"with doz"
DATA dozeNotLinux<>+56(SB)/4, $"e ru"
DATA dozeNotLinux<>+60(SB)/2, $"n\n"
GLOBL dozeNotLinux<>(SB),RODATA,$62

// From the nucleus. In: RDI = machine page, RSI = vCPU page, RSP = 0, virtual interrupt flag 0. Sets up what Go code needs to run on the vCPU's own
// stack, lets dozeBoot make the first thread, and resumes that.
TEXT _rt0_amd64_doze(SB),NOSPLIT|NOFRAME,$0
	WRGSBASEQ SI
	LEAQ	·dozeStack0+const_dozeStackSize(SB), SP
	LEAQ	·dozeKernelTLS+8(SB), AX
	WRFSBASEQ AX
	LEAQ	·dozeG0(SB), R14
	MOVQ	R14, -8(AX)
	LEAQ	·dozeStack0(SB), CX
	MOVQ	CX, (g_stack+stack_lo)(R14)
	MOVQ	SP, (g_stack+stack_hi)(R14)
	ADDQ	$const_stackGuard, CX
	MOVQ	CX, g_stackguard0(R14)
	MOVQ	CX, g_stackguard1(R14)
	XORPS	X15, X15
	XORL	BP, BP
	MOVQ	DI, AX
	SUBQ	$32, SP			// where the callee may spill its argument
	CALL	·dozeBoot<ABIInternal>(SB)
	JMP	·dozeResume(SB)
