# The nucleus: all that runs in ring 0 after boot. docs/nucleus.md 4 and 5.
#
# It must never use a vector register, SWAPGS, SYSRET or a hypercall, never
# trust a pointer of ring 3, and never run longer than its request.
# Every entry saves what it uses on the vCPU's ring-0 page; that page is found
# by rounding RSP down, the shared vCPU page lies VCPU_DISTANCE above it.

	.include "abi.inc"
	.set	VCPU_DISTANCE, VCPUPage0 - NucleusVCPU0
	.set	STUB, 16			# bytes a vector
	.set	IRQS, 64			# vectors that set a bit
	.altmacro			# %n passes the value of n to a macro

	.section .nucleus, "ax"
	.code64
text:
# A vector's stub leaves: vector, error code, then the CPU's five words.
	.macro	stub n
	.org	text + \n * STUB
	.if	\n == 13
	jmp	general_protection
	.else
	.if	\n != 8 && \n != 10 && \n != 11 && \n != 12 && \n != 14 && \n != 17 && \n != 21 && \n != 29 && \n != 30
	push	$0
	.endif
	push	$\n
	.if	\n < VectorBase
	jmp	exception
	.else
	jmp	interrupt
	.endif
	.endif
	.endm
	.set	n, 0
	.rept	VectorBase + IRQS
	stub	%n
	.set	n, n + 1
	.endr
	.org	text + (VectorBase + IRQS) * STUB
spurious:
	iretq

# Offsets of a trap's words once RAX and RCX are pushed.
	.set	T_VECTOR, 16
	.set	T_RIP, 32
	.set	T_CS, 40

	.macro	trap_enter			# leaves RCX = ring-0 page
	push	%rax
	push	%rcx
	mov	%rsp, %rcx
	and	$-PageSize, %rcx
	.endm

# Any exception but #GP.
exception:
	trap_enter
	testb	$3, T_CS(%rsp)
	jz	fault
	jmp	upcall

# An interrupt: note it, acknowledge it, and tell ring 3 if it wants to know.
interrupt:
	trap_enter
	mov	T_VECTOR(%rsp), %eax
	sub	$VectorBase, %eax
	bts	%rax, VCPU_DISTANCE + VCPUPending(%rcx)
	cmpl	$0, NucleusEOI(%rcx)
	je	1f
	push	%rcx
	push	%rdx
	mov	$MSRX2APICEOI, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	pop	%rdx
	pop	%rcx
	jmp	2f
1:	mov	$LAPICBase, %eax
	movl	$0, 0xb0(%rax)
2:	testb	$3, T_CS(%rsp)
	jz	4f
	cmpl	$0, VCPU_DISTANCE + VCPUVIF(%rcx)
	jne	upcall
3:	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq
# Ring 0 takes interrupts in req_halt alone, and one that comes before the HLT
# must not be slept through: STI's shadow should keep it off until then, but a
# hypervisor that stops the vCPU in between may forget the shadow (QEMU 7.2's SVM
# does).
4:	movq	$halted, T_RIP(%rsp)
	jmp	3b

# Continue in ring 3 at VCPUEntry. In: RCX = ring-0 page, stack as trap_enter.
upcall:
	add	$VCPU_DISTANCE, %rcx
	mov	%rdx, UpRDX(%rcx)
	popq	UpRCX(%rcx)
	popq	UpRAX(%rcx)
	popq	UpVector(%rcx)
	popq	UpError(%rcx)
	popq	UpRIP(%rcx)
	popq	UpCS(%rcx)
	popq	UpRFLAGS(%rcx)
	popq	UpRSP(%rcx)
	popq	UpSS(%rcx)
	mov	%cr2, %rax
	mov	%rax, UpCR2(%rcx)
	mov	VCPUVIF(%rcx), %eax
	mov	%rax, UpVIF(%rcx)
	movl	$0, VCPUVIF(%rcx)
	mov	VCPUStackHi(%rcx), %rax
	mov	UpRSP(%rcx), %rdx
	cmp	%rax, %rdx
	ja	1f
	cmp	VCPUStackLo(%rcx), %rdx
	jbe	1f
	lea	-256(%rdx), %rax
	and	$-16, %rax
1:	pushq	$SelUserData
	push	%rax
	pushq	$0x202
	pushq	$SelUserCode
	pushq	VCPUEntry(%rcx)
	mov	%rcx, %rax
	iretq

# #GP: the gate if RIP is the gate's, else an exception like the others.
general_protection:
	cmpq	$Gate, 8(%rsp)
	jne	1f
	add	$8, %rsp
	incq	(%rsp)				# beyond the one-byte HLT
	cmp	$ReqAPPage, %eax
	ja	refuse
	mov	%eax, %eax
	jmp	*requests(, %rax, 8)
1:	push	$13
	jmp	exception

refuse:	mov	$-1, %rax
	iretq

req_halt:
	mov	%rsp, %rcx
	and	$-PageSize, %rcx
	cmpq	$0, VCPU_DISTANCE + VCPUPending(%rcx)
	jne	1f
	sti
	hlt
halted:	cli
1:	iretq

# The deadline is the one MSR written often, so it is compared first.
req_wrmsr:
	cmp	$MSRTSCDeadline, %edi
	je	1f
	call	listed
	jne	refuse
	mov	%edi, %eax
	shr	$8, %eax
	cmp	$MSRKVMClock >> 8, %eax
	je	pinned
1:	mov	%edi, %ecx
	mov	%esi, %eax
	mov	%rsi, %rdx
	shr	$32, %rdx
	wrmsr
	xor	%eax, %eax
	iretq

# KVM writes to the address in these MSRs: only the vCPU's own page will do.
pinned:
	mov	%rsp, %rdx
	and	$-PageSize, %rdx
	add	$VCPU_DISTANCE, %rdx
	xor	%eax, %eax
	cmp	$MSRKVMPoll, %edi		# no address, a switch
	cmove	%rsi, %rdx
	cmp	$MSRKVMClock, %edi
	mov	$VCPUClock | 1, %ecx
	cmove	%ecx, %eax
	cmp	$MSRKVMSteal, %edi
	mov	$VCPUSteal | 1, %ecx
	cmove	%ecx, %eax
	cmp	$MSRKVMWall, %edi
	mov	$VCPUWall, %ecx
	cmove	%ecx, %eax
	add	%rdx, %rax
	cmp	%rsi, %rax
	je	1b
	jmp	refuse

req_rdmsr:
	call	listed
	jne	refuse
	mov	%edi, %ecx
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	iretq

# ZF = 1 if EDI is a listed MSR. Clobbers RAX, RCX, RDX and flags.
listed:
	mov	%edi, %edx
	mov	%edi, %eax
	mov	$msrs, %edi
	mov	$(msrs_end - msrs) / 4, %ecx
	cld
	repne scasl
	mov	%edx, %edi
	ret

# Writes RDX page-table entries. The tables map themselves at TablesRW, so the
# entry of an address at level n is that address shifted right by 9, n times,
# within that window.
req_map:
	lea	-1(%rdx), %rax
	cmp	$4095, %rax
	ja	refuse
	lea	-1(%r8), %ecx
	cmp	$3, %ecx
	ja	refuse
	lea	(%rcx, %rcx, 8), %ecx
	add	$12, %ecx
	shl	%cl, %rax
	add	%rdi, %rax			# last address: below MapHigh
	shr	$39, %rax
	dec	%rax
	cmp	$MapSlots, %rax
	jae	refuse
	mov	%rdi, %rax			# first address: likewise
	shr	$39, %rax
	dec	%rax
	cmp	$MapSlots, %rax
	jae	refuse
	mov	%rdi, %r10
	test	%rsi, %rsi
	jz	2f
	test	$~(PageSize | HugePageSize), %r9
	jnz	refuse
	movabs	$PteAddrMask, %rax
	and	%rsi, %rax
	sub	$LowEnd, %rax			# no frame of the nucleus, or of the tables
	mov	%rax, %rcx
	shr	$46, %rcx			# below LowEnd, or so high that steps wrap
	jnz	refuse
	cmp	NucleusVCPU0 + NucleusImage, %rax
	jb	frames_low
1:	bts	$63, %rsi			# never executable
	or	$PteUser, %rsi
2:	mov	%r8d, %ecx
3:	shr	$9, %rdi
	movabs	$0x7ffffffff8, %rax
	and	%rax, %rdi
	movabs	$TablesRW, %rax
	or	%rax, %rdi
	dec	%ecx
	jnz	3b
	test	%rsi, %rsi
	jz	5f
4:	test	$7, %dl
	jz	many
	mov	%rsi, (%rdi)
	add	$8, %rdi
	add	%r9, %rsi
	dec	%rdx
	jnz	4b
	jmp	6f
5:	cmp	$8, %edx
	jae	none
	movq	$0, (%rdi)
	invlpg	(%r10)
	add	$8, %rdi
	add	%r9, %r10
	dec	%rdx
	jnz	5b
6:	cmp	$1, %r8d			# above level 1 the window itself changes
	je	7f
flush:	mov	%cr3, %rax
	mov	%rax, %cr3
7:	xor	%eax, %eax
	iretq

# Eight entries a turn: where each instruction is emulated, the loop would cost more
# than the stores.
many:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7
	mov	%rsi, \n * 8(%rdi)
	add	%r9, %rsi
	.endr
	add	$64, %rdi
	sub	$8, %rdx
	jnz	many
	jmp	6b

# Many pages to unmap: their translations go with all the others.
none:
	mov	%edx, %ecx
	xor	%eax, %eax
	cld
	rep stosq
	jmp	flush

# Frames from below the image's end: pages of the image may be mapped to be read, and
# nothing of it may become a table. In: RAX = first frame - LowEnd.
frames_low:
	cmp	$1, %r8d
	jne	8f
	test	$PteWrite, %sil
	jz	1b
8:	lea	-1(%rdx), %rcx
	imul	%r9, %rcx
	add	%rax, %rcx			# last frame - LowEnd
	cmp	$ImageBase - LowEnd, %rcx
	jb	1b
	jmp	refuse

req_lapic:
	mov	$LAPICBase, %eax
	and	$0xff0, %edi
	mov	%esi, (%rax, %rdi)
	xor	%eax, %eax
	iretq

req_lapic_read:
	mov	$LAPICBase, %eax
	and	$0xff0, %edi
	mov	(%rax, %rdi), %eax
	iretq

req_hide_low:
	movabs	$TablesRW, %rdi			# the entry of address 0
	mov	$256, %ecx
	xor	%eax, %eax
	cld
	rep stosq
	mov	%cr3, %rdi
	mov	%rdi, %cr3
	iretq

req_flush:
	mov	%cr3, %rax
	mov	%rax, %cr3
	xor	%eax, %eax
	iretq

# The page stays mapped, for ring 0 only.
req_ap_page:
	movabs	$TablesRW + (APTrampoline >> 9), %rax
	movq	$APTrampoline | PtePresent | PteWrite | PteAccessed | PteDirty, (%rax)
	mov	$APTrampoline, %edi
	invlpg	(%rdi)
	mov	$ap_page, %esi
	mov	$ap_page_end, %ecx
	sub	%esi, %ecx
	cld
	rep movsb
	xor	%eax, %eax
	iretq

# A fault in ring 0 is a bug of ours: say all that is known, end the machine.
# The report goes to the control port and, for whoever has only that, to COM1.
fault:
	mov	%rsp, %rbp
	mov	$PortControl, %edx
1:	mov	$text_fault, %esi
	call	print
	mov	$T_VECTOR, %ebx
	mov	$names, %esi
2:	call	print
	mov	(%rbp, %rbx), %rdi
	call	hex
	add	$8, %ebx
	cmp	$T_VECTOR + 7 * 8, %ebx
	jb	2b
	call	print
	mov	%cr2, %rdi
	call	hex
	cmp	$PortCOM1, %edx
	mov	$PortCOM1, %edx
	jne	1b
	mov	$0x7f, %eax
	out	%eax, $PortExit
3:	cli
	hlt
	jmp	3b

# Prints the string at RSI, leaves RSI behind its end. DX = port. Clobbers RAX.
print:	cld
1:	lodsb
	test	%al, %al
	jz	2f
	out	%al, %dx
	jmp	1b
2:	ret

# Prints RDI in hexadecimal and a newline on port DX. Clobbers RAX, RCX.
hex:	mov	$16, %ecx
1:	rol	$4, %rdi
	mov	%edi, %eax
	and	$15, %eax
	mov	digits(%rax), %al
	out	%al, %dx
	dec	%ecx
	jnz	1b
	mov	$'\n', %al
	out	%al, %dx
	ret

	.balign	8
requests:
	.quad	req_halt, req_wrmsr, req_rdmsr, req_map, req_lapic, req_hide_low, req_lapic_read
	.quad	req_flush, req_ap_page
msrs:	.long	MSRTSCDeadline, MSRX2APICICR, MSRX2APICLVTT
	.long	MSRX2APICInit, MSRX2APICCur, MSRX2APICDiv
	.long	MSRKVMWall, MSRKVMClock, MSRKVMSteal, MSRKVMPoll
msrs_end:
digits:	.ascii	"0123456789abcdef"
text_fault:
	.asciz	"crash fault in the nucleus\n"
names:	.asciz	"reg vector "
	.asciz	"reg error "
	.asciz	"reg rip "
	.asciz	"reg cs "
	.asciz	"reg rflags "
	.asciz	"reg rsp "
	.asciz	"reg ss "
	.asciz	"reg cr2 "

# The IDT. Every gate is an interrupt gate on the RSP0 stack (SDM 3A, 6.14.1);
# only #BP and #OF may be raised by ring 3's own INT3 and INTO.
	.section .idt, "a"
	.macro	gate n
	.if	\n < VectorBase + IRQS
	.set	target, NucleusText + \n * STUB
	.else
	.set	target, NucleusText + (VectorBase + IRQS) * STUB
	.endif
	.word	target - target / 65536 * 65536, SelKernelCode	# altmacro has no &
	.if	\n == 3 || \n == 4
	.word	0xee00
	.else
	.word	0x8e00
	.endif
	.word	target >> 16
	.quad	0
	.endm
	.set	n, 0
	.rept	256
	gate	%n
	.set	n, n + 1
	.endr

# The gate: the one privileged instruction that ring 3 may execute.
	.section .gate, "ax"
	hlt
	ret
