package runtime

// The ends of a machine: exit, and the reports of what went wrong
// (docs/nucleus.md 8).

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/control"
	"internal/runtime/doze/mmio"
)

var dozeReport [8192]byte

func dozeNewReport() dozeText {
	return dozeText{p: dozeAddr(&dozeReport[0]), size: uintptr(len(dozeReport))}
}

// word begins a control line.
func (b *dozeText) word(s string) {
	b.str(s)
	b.byte(' ')
}

func (b *dozeText) send() {
	mmio.OutString(abi.PortControl, b.p, b.n)
	b.n = 0
}

// dozeExit ends the machine with the program's status.
func dozeExit(status uintptr) {
	b := dozeNewReport()
	b.word(control.WordExit)
	b.dec(uint64(status))
	b.byte('\n')
	b.send()
	dozeHalt()
}

// dozeHalt ends the machine by every way there is, the first that works.
func dozeHalt() {
	const (
		pm1a, sleepS5       = 0x604, 0x2000 // QEMU's PCs
		keyboard, pulseLine = 0x64, 0xfe    // PCs; Firecracker
	)
	for {
		mmio.Out32(abi.PortExit, 0)
		mmio.Out16(pm1a, sleepS5)
		mmio.Out8(keyboard, pulseLine)
		dozeArm(dozeSelf(), dozeForever)
		dozeGate(abi.ReqHalt, 0, 0, 0, 0, 0)
	}
}

// dozeFatal ends a machine that can't run the image, with a line for the user.
func dozeFatal(why string) {
	b := dozeNewReport()
	b.word(control.WordError)
	b.str(why)
	b.byte('\n')
	b.send()
	dozeHalt()
}

// dozeOutOfMemory ends a machine whose program has touched more than there is.
// Linux would kill the program; the words are those of Go's own failure.
func dozeOutOfMemory(addr uintptr) {
	b := dozeNewReport()
	b.str("fatal error: out of memory: the machine has ")
	b.dec(uint64(dozeMostPages()) * dozePage >> 20)
	b.str(" MiB and all of it is in use; give it more with --memory\n")
	dozeSay(b.p, b.n)
	dozeExit(2)
}

// dozeTooMuch says why the heap could not grow; Go's own report follows.
func dozeTooMuch(n uintptr) {
	b := dozeNewReport()
	b.str("doze: the program wants ")
	b.dec(uint64(n >> 20))
	b.str(" MiB at once, the machine has ")
	b.dec(uint64(dozeMostPages()) * dozePage >> 20)
	b.str(" MiB, ")
	b.dec(uint64(dozeReachable()) * dozePage >> 20)
	b.str(" of them free; give it more with --memory\n")
	dozeSay(b.p, b.n)
}

// dozeCrash reports a broken promise inside the kernel.
func dozeCrash(why string, detail uintptr) {
	b := dozeNewReport()
	b.word(control.WordCrash)
	b.str(why)
	b.byte('\n')
	b.reg("detail", detail)
	b.frames(getcallerfp())
	b.send()
	dozeHalt()
}

// dozeCrashKernel reports a fault in the kernel.
func dozeCrashKernel(vector, err, cr2, rip uintptr) {
	b := dozeNewReport()
	b.word(control.WordCrash)
	b.str("fault in the kernel\n")
	b.reg("vector", vector)
	b.reg("error", err)
	b.reg("cr2", cr2)
	b.reg("rip", rip)
	b.pc(rip)
	b.frames(uintptr(mmio.Load64(dozeVCPUPage() + abi.UpRSP)))
	b.send()
	dozeHalt()
}

// dozeCrashThread reports a fault of the program that no handler may take.
func dozeCrashThread(t *dozeThread, why string, f dozeFaultInfo) {
	b := dozeNewReport()
	b.word(control.WordCrash)
	b.str(why)
	b.byte('\n')
	b.reg("vector", f.trap)
	b.reg("error", f.err)
	b.reg("cr2", f.addr)
	for i, name := range [...]string{"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi",
		"rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip", "rflags"} {
		b.reg(name, *t.linuxOrder()[i])
	}
	b.pc(t.rip)
	b.frames(t.rbp)
	b.send()
	dozeHalt()
}

func (b *dozeText) reg(name string, v uintptr) {
	b.word(control.WordReg)
	b.str(name)
	b.byte(' ')
	b.hex(v)
	b.byte('\n')
}

func (b *dozeText) pc(v uintptr) {
	b.word(control.WordPC)
	b.hex(v)
	b.byte('\n')
}

// frames lists the return addresses of a chain of frame pointers, as far as it
// climbs through memory that is mapped.
func (b *dozeText) frames(fp uintptr) {
	for i := 0; i < 64 && fp&7 == 0 && dozeMapped(fp) && dozeMapped(fp+8); i++ {
		pc, up := uintptr(mmio.Load64(fp+8)), uintptr(mmio.Load64(fp))
		if pc == 0 {
			return
		}
		b.pc(pc)
		if up <= fp {
			return
		}
		fp = up
	}
}

// dozeMapped reports whether ring 3 can read the page of addr.
func dozeMapped(addr uintptr) bool {
	if addr < dozePage || addr >= abi.MapHigh || !dozeTable(addr, 2) {
		return false
	}
	e := dozeEntry(addr, 2)
	if e&abi.PtePresent == 0 {
		return false
	}
	return e&abi.PteHuge != 0 || dozeEntry(addr, 1)&(abi.PtePresent|abi.PteUser) == abi.PtePresent|abi.PteUser
}
