# Boot: from the loader's state to ring 3. Runs once per vCPU, in ring 0.
#
# It must never build page tables (the image brings them), never depend on an
# address that the loader chose, and never touch more than its own vCPU page,
# the machine page and the vCPU page shared with ring 3.
# Contract: docs/nucleus.md 2.

	.include "abi.inc"

	.set	EFER_BITS, EntryEFER - EFERLMA	# LMA follows paging (SDM 3A, 2.2.1)
	.set	MSR_EFER, 0xc0000080
	.set	VCPU_DISTANCE, VCPUPage0 - NucleusVCPU0

	.section .boot, "ax"
	.globl	entry_pvh
	.code32
# PVH entry. In: EBX = hvm_start_info, flat 32-bit segments, paging off.
entry_pvh:
	jmp	start32
	.org	Entry64
	.code64
# 64-bit entry. In: RBX = hvm_start_info, state as docs/nucleus.md 2.
entry64:
	jmp	start64
	.org	EntryAP
# Entry of a further vCPU. In: RDI = its number, state as docs/nucleus.md 2.
entry_ap:
	jmp	start_ap

	.code32
start32:
	cld
	mov	$early_stack_end, %esp
	mov	%ebx, %esi
	xor	%eax, %eax
	cpuid
	cmp	$7, %eax
	jb	no_feature
	mov	$1, %eax
	cpuid
	test	$(1 << 26), %ecx		# XSAVE
	jz	no_feature
	mov	$7, %eax
	xor	%ecx, %ecx
	cpuid
	test	$1, %ebx			# FSGSBASE
	jz	no_feature
	mov	$0xff, %al			# mask both 8259s: nothing of theirs is used
	out	%al, $0x21
	out	%al, $0xa1
	xor	%edi, %edi
	lgdt	boot_gdtr
# From here further vCPUs come along, with EDI = 1.
paging:
	mov	$TablesBase, %eax
	mov	%eax, %cr3
	mov	$EntryCR4, %eax
	mov	%eax, %cr4
	mov	$MSR_EFER, %ecx
	mov	$EFER_BITS, %eax
	xor	%edx, %edx
	wrmsr
	mov	$EntryCR0, %eax
	mov	%eax, %cr0
	ljmp	$SelKernelCode, $long32

no_feature:
	mov	$text_feature, %esi
	mov	$PortCOM1, %edx
	call	print32
	mov	$text_error, %esi
	mov	$PortControl, %edx
	call	print32
	mov	$0x7f, %eax
	out	%eax, $PortExit
1:	cli
	hlt
	jmp	1b

# Prints the string at ESI on port DX. Clobbers EAX, ESI.
print32:
	lodsb
	test	%al, %al
	jz	1f
	out	%al, %dx
	jmp	print32
1:	ret

	.code64
long32:
	mov	$0xd, %eax
	xor	%ecx, %ecx
	cpuid
	and	$XCR0Mask, %eax
	xor	%edx, %edx
	xor	%ecx, %ecx
	xsetbv
	mov	$MachinePage, %ebp
	test	%edi, %edi
	jz	1f
	mov	MachineAPIndex(%rbp), %edi
	jmp	start_ap
1:	mov	$NucleusVCPU0 + NucleusStack, %esp	# the early stack is read-only now
	call	facts
	mov	%esi, %ebx

# Common part. In: RBX = hvm_start_info, 64-bit mode, any stack.
start64:
	cld
	mov	$MachinePage, %ebp
	mov	$NucleusVCPU0, %edi
	lea	NucleusStack(%rdi), %rsp
	movabs	$Magic, %rax
	cmp	%rax, MachineMagic(%rbp)
	jne	bad_machine
	cmpl	$Version, MachineVersion(%rbp)
	jne	bad_machine
	mov	%rbx, MachineStart(%rbp)
	mov	MachineImgEnd(%rbp), %rax
	sub	$LowEnd, %rax
	mov	%rax, NucleusImage(%rdi)	# ring 3 can change its own copy
	mov	MachineEntry(%rbp), %rbx
	jmp	enter

# A further vCPU. In: EDI = its number, 64-bit mode, any stack.
start_ap:
	cld
	mov	$MachinePage, %ebp
	mov	MachineAPEntry(%rbp), %rbx
	shl	$12, %edi
	add	$NucleusVCPU0, %edi
	lea	NucleusStack(%rdi), %rsp

# In: RBP = machine page, RBX = ring-3 entry, RDI = the vCPU's ring-0 page, RSP
# its end.
enter:	call	vcpu_page
	lgdt	GDTR(%rdi)
	lidt	idtr
	mov	$SelKernelData, %eax
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	pushq	$SelKernelCode
	pushq	$1f
	lretq
1:	mov	$SelTSS, %eax
	ltr	%ax
	call	apic
	lea	VCPU_DISTANCE(%rdi), %rsi
	mov	%rsi, VCPUSelf(%rsi)
	pushq	$SelUserData
	pushq	$0
	pushq	$0x202				# IF and the bit that is always 1
	pushq	$SelUserCode
	push	%rbx
	mov	%rbp, %rdi
	xor	%eax, %eax
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebp, %ebp
	iretq

# Fills the ring-0 page at RDI: GDT, TSS with its address in the GDT, bitmap.
# Keeps RBX, RBP, RDI. Clobbers RAX, RCX, RSI.
vcpu_page:
	push	%rdi
	mov	$vcpu_template, %esi
	mov	$(vcpu_template_end - vcpu_template) / 8, %ecx
	rep movsq
	pop	%rdi
	mov	%rdi, GDTR + 2(%rdi)
	lea	NucleusTSS(%rdi), %rax
	mov	%ax, SelTSS + 2(%rdi)		# base 15:0
	shr	$16, %eax
	mov	%al, SelTSS + 4(%rdi)		# base 23:16
	mov	%ah, SelTSS + 7(%rdi)		# base 31:24
	lea	NucleusStack(%rdi), %rax
	mov	%rax, NucleusTSS + 4(%rdi)	# RSP0
	ret

# Writes what CPUID says in ring 0 into the machine page at RBP, once XCR0 is set.
# Keeps RSI, RDI, RBP. Clobbers RAX, RBX, RCX, RDX.
facts:
	mov	$1, %eax
	cpuid
	mov	%ecx, MachineCPU(%rbp)
	shr	$24, %ebx			# initial APIC id (SDM 2A, CPUID)
	mov	%ebx, MachineAPICID(%rbp)
	mov	$0xd, %eax
	xor	%ecx, %ecx
	cpuid
	mov	%ebx, MachineVectors(%rbp)
	testl	$CPUHypervisor, MachineCPU(%rbp)
	jz	1f
	mov	$CPUIDKVM, %eax
	cpuid
	cmp	$CPUIDKVMStart, %ebx
	jne	1f
	mov	$CPUIDKVM + 1, %eax		# there, also where CPUIDKVM's EAX is 0 (before 2009)
	cpuid
	mov	%eax, MachineKVM(%rbp)
1:	ret

# Turns the local APIC on, as x2APIC where there is one, and notes in the page
# at RDI how to acknowledge. Keeps RBX, RBP, RDI. Clobbers RAX, RCX, RDX, RSI.
apic:
	xor	%esi, %esi
	testl	$CPUX2APIC, MachineCPU(%rbp)
	jz	1f
	mov	$1, %esi
1:	mov	%esi, NucleusEOI(%rdi)
	mov	$MSRAPICBase, %ecx
	rdmsr
	or	$0x800, %eax			# enable (SDM 3A, 11.4.4)
	shl	$10, %esi
	or	%esi, %eax			# x2APIC mode
	wrmsr
	test	%esi, %esi
	jz	2f
	mov	$MSRX2APICSVR, %ecx
	mov	$0x100 | VectorSpurious, %eax
	xor	%edx, %edx
	wrmsr
	ret
2:	mov	$LAPICBase, %eax
	movl	$0x100 | VectorSpurious, 0xf0(%rax)
	ret

bad_machine:
	mov	$text_machine, %esi
	mov	$PortControl, %edx
2:	lodsb
	test	%al, %al
	jz	3f
	out	%al, %dx
	jmp	2b
3:	mov	$0x7f, %eax
	out	%eax, $PortExit
1:	cli
	hlt
	jmp	1b

# Real mode, at APTrampoline: CS = APTrampoline >> 4, interrupts off, everything
# else unknown. Copied there by ReqAPPage.
	.code16
ap_page:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	lgdtl	APTrampoline + (ap_gdtr - ap_page)
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$8, $start_ap32
	.balign	4
ap_gdtr:
	.word	4 * 8 - 1
	.long	ap_gdt
ap_page_end:
	.code32
start_ap32:
	mov	$SelKernelData, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$1, %edi
	jmp	paging
	.code64
	.balign	8
ap_gdt:	.quad	0
	.quad	0x00cf9b000000ffff		# 0x08 code, 32 bits
	.quad	0x00af9b000000ffff		# 0x10 kernel code
	.quad	0x00cf93000000ffff		# 0x18 kernel data

	.globl	ap_page, ap_page_end
	.balign	8
idtr:	.word	256 * 16 - 1
	.quad	IDTBase
	.balign	4
boot_gdtr:
	.word	SelTSS - 1
	.long	vcpu_template

text_feature:
	.ascii	"doze: this CPU lacks FSGSBASE or XSAVE; under QEMU use -cpu max\n"
	.byte	0
text_error:
	.ascii	"error the CPU lacks FSGSBASE or XSAVE; under QEMU use -cpu max\n"
	.byte	0
text_machine:
	.ascii	"error the image has no machine page of this version; build it again\n"
	.byte	0

# What each vCPU's ring-0 page starts from.
	.balign	16
vcpu_template:
	.quad	0, 0
	.quad	0x00af9b000000ffff		# 0x10 kernel code
	.quad	0x00cf93000000ffff		# 0x18 kernel data
	.quad	0x00cffb000000ffff		# 0x20 user code, 32 bits (for the order Linux has)
	.quad	0x00cff3000000ffff		# 0x28 user data
	.quad	0x00affb000000ffff		# 0x30 user code
	.quad	0
	.quad	0x0000890000000000 + TSS_LIMIT	# 0x40 TSS, base filled in
	.quad	0
	.set	GDTR, . - vcpu_template + 6
	.word	0, 0, 0
	.word	GDTR - 7			# limit
	.quad	0				# base filled in
	.org	vcpu_template + NucleusTSS
	.space	0x66
	.word	NucleusBits - NucleusTSS	# I/O map base
	.set	TSS_LIMIT, NucleusBits - NucleusTSS + IOBitmapPorts / 8

# One bit a port, 0 = ring 3 may use it. Ports come in ascending order.
	.set	port_at, 0
	.macro	deny_to upto
	.rept	(\upto) / 8 - port_at / 8
	.byte	0xff
	.endr
	.set	port_at, (\upto) / 8 * 8
	.endm
	.macro	allow8 first			# eight ports from a multiple of 8
	deny_to	\first
	.byte	0
	.set	port_at, \first + 8
	.endm
	allow8	0x40				# PIT: calibration where there is no kvmclock
	allow8	0x60				# 0x64: how Firecracker and PCs are left
	allow8	0x70				# RTC
	allow8	0xe8				# PortControl
	allow8	0xf0				# PortExit
	allow8	PortCOM2
	allow8	PortCOM3
	allow8	PortCOM1
	allow8	0x600				# PM1a of QEMU's PCs
	allow8	PortPark
	allow8	PortStart
	deny_to	IOBitmapPorts
	.byte	0xff				# the byte the CPU may read beyond
	.org	vcpu_template + 0x2f0		# fails if the template outgrows it
vcpu_template_end:

	.balign	8
	.space	64
early_stack_end:
