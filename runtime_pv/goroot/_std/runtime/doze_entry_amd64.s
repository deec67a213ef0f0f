// The ways into the kernel and out of it: calls, upcalls of the nucleus,
// resuming a thread, and the gate. docs/nucleus.md 5 is the contract.
//
// The virtual interrupt flag is 0 whenever this code or the Go code it calls
// runs; the current thread's registers are in its save area (dozeThread.ctx),
// and GS base is the vCPU page.

#include "go_asm.h"
#include "textflag.h"

// func dozecall
// Stands where the SYSCALL instruction stood, with its contract: number in AX,
// arguments in DI, SI, DX, R10, R8, R9, result in AX; CX and R11 are clobbered,
// all else is kept. May be called on any stack with eight bytes left.
TEXT ·dozecall(SB),NOSPLIT|NOFRAME,$0
	MOVL	$0, const_dozeGSVIF(GS)
	MOVQ	const_dozeGSCurrent(GS), R11
	MOVQ	AX, dozeContext_rax(R11)
	MOVQ	BX, dozeContext_rbx(R11)
	MOVQ	DX, dozeContext_rdx(R11)
	MOVQ	SI, dozeContext_rsi(R11)
	MOVQ	DI, dozeContext_rdi(R11)
	MOVQ	BP, dozeContext_rbp(R11)
	MOVQ	R8, dozeContext_r8(R11)
	MOVQ	R9, dozeContext_r9(R11)
	MOVQ	R10, dozeContext_r10(R11)
	MOVQ	R12, dozeContext_r12(R11)
	MOVQ	R13, dozeContext_r13(R11)
	MOVQ	R14, dozeContext_r14(R11)
	MOVQ	R15, dozeContext_r15(R11)
	MOVQ	0(SP), CX
	MOVQ	CX, dozeContext_rip(R11)
	LEAQ	8(SP), CX
	MOVQ	CX, dozeContext_rsp(R11)
	MOVQ	$0x202, dozeContext_rflags(R11)
	STMXCSR	dozeThread_mxcsr(R11)
	MOVL	$0, dozeThread_fpu(R11)
	MOVQ	const_dozeGSStackHi(GS), SP
	MOVQ	const_dozeGSTLS(GS), CX
	WRFSBASEQ CX
	MOVQ	const_dozeGSG(GS), R14
	XORPS	X15, X15
	XORL	BP, BP
	LEAQ	·dozeServeCall(SB), CX	// by register: the stack has changed, and the
	JMP	CX			// linker's account of the caller's ends here

TEXT ·dozeServeCall(SB),NOSPLIT|NOFRAME,$0
	CALL	·dozeSyscall<ABIInternal>(SB)
	JMP	·dozeResume(SB)

// Continues the current thread. Runs on the vCPU's stack until the thread's
// registers are loaded from its save area, which doubles as the IRETQ frame.
// The kernel's lock is given back first: nobody but this vCPU touches the save
// area of its current thread.
TEXT ·dozeResume(SB),NOSPLIT|NOFRAME,$0
	MOVL	$1, const_dozeGSUser(GS)
	MOVL	$0, ·dozeLockWord(SB)
	MOVQ	const_dozeGSCurrent(GS), DI
	MOVQ	dozeThread_fs(DI), AX
	WRFSBASEQ AX
	CMPL	dozeThread_fpu(DI), $0
	JNE	full
	LDMXCSR	dozeThread_mxcsr(DI)
	XORPS	X15, X15
	JMP	regs
full:
	CMPL	·dozeFXSave(SB), $0
	JNE	fx
	MOVL	·dozeVectors(SB), AX
	XORL	DX, DX
	XRSTOR64 const_dozeXsaveOffset(DI)
	JMP	regs
fx:
	FXRSTOR64 const_dozeXsaveOffset(DI)
regs:
	MOVQ	DI, SP
	POPQ	R15
	POPQ	R14
	POPQ	R13
	POPQ	R12
	POPQ	R11
	POPQ	R10
	POPQ	R9
	POPQ	R8
	POPQ	BP
	POPQ	SI
	POPQ	DX
	POPQ	CX
	POPQ	BX
	POPQ	AX
	POPQ	DI
	JMP	·dozeCommit(SB)

// Enables upcalls and leaves. At each instruction here every register is the
// thread's but RSP, which points at the five words in its save area, and the
// save area is complete: dozeUpcall relies on it.
TEXT ·dozeCommit(SB),NOSPLIT|NOFRAME,$0
	MOVL	$1, const_dozeGSVIF(GS)
	CMPQ	const_dozeGSPending(GS), $0
	JNE	pending
	IRETQ
pending:
	MOVL	$0, const_dozeGSVIF(GS)
	LEAQ	·dozeAgain(SB), AX
	JMP	AX

// An interrupt came before the thread went on. Its save area is still complete.
TEXT ·dozeAgain(SB),NOSPLIT|NOFRAME,$0
	MOVQ	const_dozeGSStackHi(GS), SP
	MOVQ	const_dozeGSTLS(GS), CX
	WRFSBASEQ CX
	MOVQ	const_dozeGSG(GS), R14
	XORPS	X15, X15
	XORL	BP, BP
	CLD
	CALL	·dozeInterrupt<ABIInternal>(SB)
	JMP	·dozeResume(SB)

// From the nucleus: RAX = vCPU page, RSP = vCPU stack, RAX, RCX, RDX and the
// trap's words in the page.
TEXT ·dozeUpcall(SB),NOSPLIT|NOFRAME,$0
	CMPQ	const_dozeUpVIF(AX), $0
	JEQ	nested
	MOVQ	const_dozeGSCurrent(AX), CX
	// An upcall between dozeCommit's first and last instruction: nothing to save.
	MOVQ	const_dozeUpRIP(AX), DX
	SUBQ	const_dozeGSCommit(AX), DX
	CMPQ	DX, $const_dozeCommitSize
	JCS	saved
	MOVQ	BX, dozeContext_rbx(CX)
	MOVQ	SI, dozeContext_rsi(CX)
	MOVQ	DI, dozeContext_rdi(CX)
	MOVQ	BP, dozeContext_rbp(CX)
	MOVQ	R8, dozeContext_r8(CX)
	MOVQ	R9, dozeContext_r9(CX)
	MOVQ	R10, dozeContext_r10(CX)
	MOVQ	R11, dozeContext_r11(CX)
	MOVQ	R12, dozeContext_r12(CX)
	MOVQ	R13, dozeContext_r13(CX)
	MOVQ	R14, dozeContext_r14(CX)
	MOVQ	R15, dozeContext_r15(CX)
	MOVQ	const_dozeUpRAX(AX), DX
	MOVQ	DX, dozeContext_rax(CX)
	MOVQ	const_dozeUpRCX(AX), DX
	MOVQ	DX, dozeContext_rcx(CX)
	MOVQ	const_dozeUpRDX(AX), DX
	MOVQ	DX, dozeContext_rdx(CX)
	MOVQ	const_dozeUpRIP(AX), DX
	MOVQ	DX, dozeContext_rip(CX)
	MOVQ	const_dozeUpRFLAGS(AX), DX
	MOVQ	DX, dozeContext_rflags(CX)
	MOVQ	const_dozeUpRSP(AX), DX
	MOVQ	DX, dozeContext_rsp(CX)
	MOVL	$1, dozeThread_fpu(CX)
	CMPL	·dozeFXSave(SB), $0
	JNE	fx
	MOVQ	AX, BX
	MOVL	·dozeVectors(SB), AX
	XORL	DX, DX
	XSAVE64	const_dozeXsaveOffset(CX)
	MOVQ	BX, AX
	JMP	saved
fx:
	FXSAVE64 const_dozeXsaveOffset(CX)
saved:
	MOVQ	const_dozeGSTLS(AX), CX
	WRFSBASEQ CX
	MOVQ	const_dozeGSG(AX), R14
	XORPS	X15, X15
	XORL	BP, BP
	MOVQ	const_dozeUpError(AX), BX
	MOVQ	const_dozeUpCR2(AX), CX
	MOVQ	const_dozeUpVector(AX), AX
	SUBQ	$32, SP			// where the callee may spill its arguments
	CALL	·dozeTrap<ABIInternal>(SB)
	JMP	·dozeResume(SB)

nested:
	// A fault in the kernel itself: legal for pages that are filled on first
	// touch, and only one deep. Everything goes back as it was.
	PUSHQ	const_dozeUpSS(AX)
	PUSHQ	const_dozeUpRSP(AX)
	PUSHQ	const_dozeUpRFLAGS(AX)
	PUSHQ	const_dozeUpCS(AX)
	PUSHQ	const_dozeUpRIP(AX)
	PUSHQ	const_dozeUpRAX(AX)
	PUSHQ	const_dozeUpRCX(AX)
	PUSHQ	const_dozeUpRDX(AX)
	PUSHQ	BX
	PUSHQ	SI
	PUSHQ	DI
	PUSHQ	BP
	PUSHQ	R8
	PUSHQ	R9
	PUSHQ	R10
	PUSHQ	R11
	PUSHQ	R12
	PUSHQ	R13
	PUSHQ	R14
	PUSHQ	R15
	RDFSBASEQ BX
	PUSHQ	BX
	MOVQ	AX, BX
	MOVL	·dozeVectors(SB), AX
	XORL	DX, DX
	MOVQ	const_dozeGSNested(GS), CX
	CMPL	·dozeFXSave(SB), $0
	JNE	nestedfx
	XSAVE64	(CX)
	JMP	nestedsaved
nestedfx:
	FXSAVE64 (CX)
nestedsaved:
	MOVQ	BX, AX
	MOVQ	const_dozeGSTLS(AX), CX
	WRFSBASEQ CX
	MOVQ	const_dozeGSG(AX), R14
	XORPS	X15, X15
	MOVQ	const_dozeUpRIP(AX), DI
	MOVQ	const_dozeUpError(AX), BX
	MOVQ	const_dozeUpCR2(AX), CX
	MOVQ	const_dozeUpVector(AX), AX
	SUBQ	$32, SP			// where the callee may spill its arguments
	CALL	·dozeNested<ABIInternal>(SB)
	ADDQ	$32, SP
	MOVQ	AX, 128(SP)		// where to go on: RIP of the frame above
	MOVL	·dozeVectors(SB), AX
	XORL	DX, DX
	MOVQ	const_dozeGSNested(GS), CX
	CMPL	·dozeFXSave(SB), $0
	JNE	nestedfxback
	XRSTOR64 (CX)
	JMP	nestedback
nestedfxback:
	FXRSTOR64 (CX)
nestedback:
	POPQ	BX
	WRFSBASEQ BX
	POPQ	R15
	POPQ	R14
	POPQ	R13
	POPQ	R12
	POPQ	R11
	POPQ	R10
	POPQ	R9
	POPQ	R8
	POPQ	BP
	POPQ	DI
	POPQ	SI
	POPQ	BX
	POPQ	DX
	POPQ	CX
	POPQ	AX
	IRETQ

// func dozeTryCopy(dst, src, n uintptr) (left uintptr)
TEXT ·dozeTryCopy(SB),NOSPLIT|NOFRAME,$0-32
	MOVQ	dst+0(FP), DI
	MOVQ	src+8(FP), SI
	MOVQ	n+16(FP), CX
	JMP	·dozeRepMovsb(SB)

// A symbol of its own, so that dozeFixup knows its first instruction.
TEXT ·dozeRepMovsb(SB),NOSPLIT|NOFRAME,$0-32
	REP
	MOVSB
	MOVQ	CX, left+24(FP)
	RET

// func dozeTryClear(dst, n uintptr) (left uintptr)
TEXT ·dozeTryClear(SB),NOSPLIT|NOFRAME,$0-24
	MOVQ	dst+0(FP), DI
	MOVQ	n+8(FP), CX
	XORL	AX, AX
	JMP	·dozeRepStosb(SB)

TEXT ·dozeRepStosb(SB),NOSPLIT|NOFRAME,$0-24
	REP
	STOSB
	MOVQ	CX, left+16(FP)
	RET

// func dozeTryLoad32(p uintptr) (v uint32, ok bool)
TEXT ·dozeTryLoad32(SB),NOSPLIT|NOFRAME,$0-13
	MOVQ	p+0(FP), DI
	JMP	·dozeLoad32(SB)

TEXT ·dozeLoad32(SB),NOSPLIT|NOFRAME,$0-13
	MOVL	(DI), AX
	MOVL	AX, v+8(FP)
	MOVB	$1, ok+12(FP)
	RET

// Where a load goes on that faulted.
TEXT ·dozeLoadFailed(SB),NOSPLIT|NOFRAME,$0-13
	MOVL	$0, v+8(FP)
	MOVB	$0, ok+12(FP)
	RET

// func dozeGate(req uint32, a, b, c, d, e uintptr) uintptr
// One request to ring 0 (docs/nucleus.md 4).
TEXT ·dozeGate(SB),NOSPLIT,$0-56
	MOVL	req+0(FP), AX
	MOVQ	a+8(FP), DI
	MOVQ	b+16(FP), SI
	MOVQ	c+24(FP), DX
	MOVQ	d+32(FP), R8
	MOVQ	e+40(FP), R9
	MOVQ	$const_dozeGatePage, R11
	CALL	R11
	MOVQ	AX, ret+48(FP)
	RET

// func dozeVCPUPage() uintptr
TEXT ·dozeVCPUPage(SB),NOSPLIT,$0-8
	MOVQ	const_dozeGSSelf(GS), AX
	MOVQ	AX, ret+0(FP)
	RET

// func dozeStartPC() uintptr
TEXT ·dozeStartPC(SB),NOSPLIT,$0-8
	LEAQ	_rt0_amd64(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// Where a further vCPU enters ring 3: RSI = its page, which the kernel has filled, RSP = 0, virtual interrupt flag 0.
TEXT ·dozeVCPUEntry(SB),NOSPLIT|NOFRAME,$0
	WRGSBASEQ SI
	MOVQ	const_dozeGSStackHi(GS), SP
	MOVQ	const_dozeGSTLS(GS), CX
	WRFSBASEQ CX
	MOVQ	const_dozeGSG(GS), R14
	XORPS	X15, X15
	XORL	BP, BP
	CALL	·dozeVCPUStart<ABIInternal>(SB)
	JMP	·dozeResume(SB)

// func dozeRandom() (v uint64, ok bool)
// One word of the CPU's generator (SDM 1, 7.3.17: up to ten tries).
TEXT ·dozeRandom(SB),NOSPLIT,$0-9
	MOVL	$10, CX
again:
	RDRANDQ	AX
	JCS	done
	DECL	CX
	JNZ	again
	MOVB	$0, ok+8(FP)
	RET
done:
	MOVQ	AX, v+0(FP)
	MOVB	$1, ok+8(FP)
	RET

// func dozeXCR0() uint32
// The low half of the extended control register that says what XSAVE saves.
TEXT ·dozeXCR0(SB),NOSPLIT,$0-4
	XORL	CX, CX
	XGETBV
	MOVL	AX, ret+0(FP)
	RET

// func dozeTrapHere()
// Ends a machine that can do nothing else: an instruction that must fault with
// interrupts off.
TEXT ·dozeTrapHere(SB),NOSPLIT,$0-0
	INT	$3
	JMP	0(PC)

// func dozeOwnCall(nr, arg uintptr)
TEXT ·dozeOwnCall(SB),NOSPLIT,$0-16
	MOVQ	nr+0(FP), AX
	MOVQ	arg+8(FP), DI
	CALL	·dozecall(SB)
	RET
