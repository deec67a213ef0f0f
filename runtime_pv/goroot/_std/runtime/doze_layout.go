// The Doze kernel: what stands beneath the Go runtime inside an image.
//
// The files doze_*.go and doze_*.s of this package serve the Linux system calls
// that the runtime and the standard library make (each SYSCALL instruction has
// become a call of dozecall), hand out memory, run threads over the vCPU, keep
// the clock, and sleep in one place. They run in ring 3 on the vCPU's own stack
// with the virtual interrupt flag off (docs/nucleus.md 5).
//
// They must never allocate from the Go heap, never store a heap pointer, never
// take a lock of the runtime, and never touch memory that is not mapped, but
// for pages of the program that are filled on first touch.

package runtime

import (
	"internal/runtime/doze/abi"
	"internal/runtime/sys"
	"unsafe"
)

// The vCPU page as seen through GS (kernel/abi). The names are constants of
// this package so that go_asm.h has them.
const (
	dozeGSSelf    = abi.VCPUSelf
	dozeGSPending = abi.VCPUPending
	dozeGSVIF     = abi.VCPUVIF
	dozeGSStackLo = abi.VCPUStackLo
	dozeGSStackHi = abi.VCPUStackHi
	dozeGSEntry   = abi.VCPUEntry

	dozeGSCurrent = abi.VCPUThread        // *dozeThread that runs
	dozeGSTLS     = abi.VCPUKernel + 0x08 // FS base while the kernel runs
	dozeGSG       = abi.VCPUKernel + 0x10 // g of the vCPU's stack
	dozeGSNested  = abi.VCPUKernel + 0x18 // XSAVE area for a fault in the kernel
	dozeGSCommit  = abi.VCPUKernel + 0x20 // address of dozeCommit
	dozeGSUser    = abi.VCPUKernel + 0x28 // u32, 1: outside the kernel

	dozeUpVector = abi.UpVector
	dozeUpError  = abi.UpError
	dozeUpRIP    = abi.UpRIP
	dozeUpCS     = abi.UpCS
	dozeUpRFLAGS = abi.UpRFLAGS
	dozeUpRSP    = abi.UpRSP
	dozeUpSS     = abi.UpSS
	dozeUpCR2    = abi.UpCR2
	dozeUpRAX    = abi.UpRAX
	dozeUpRCX    = abi.UpRCX
	dozeUpRDX    = abi.UpRDX
	dozeUpVIF    = abi.UpVIF

	dozeGatePage  = abi.GatePage
	dozeClockPage = abi.VCPUPage0 + abi.VCPUClock
	dozeGSClock   = abi.VCPUClock
	dozeGSIndex   = abi.VCPUIndex
	dozeWallSeq   = abi.MachinePage + abi.MachineWallSeq
	dozeWall      = abi.MachinePage + abi.MachineWall
)

const (
	dozeStackSize   = 32 << 10 // a vCPU's stack: calls and upcalls run on it
	dozeXsaveOffset = 1024     // of a thread's page; the rest of the page is its XSAVE area
	dozeThreadSize  = 4096
	// dozeCommitSize covers dozeCommit's instructions up to the one that clears
	// the flag again: an upcall there finds nothing to save.
	dozeCommitSize = 38
)

// The kernel's own addresses: the last slot of the PML4 that ReqMap serves.
const (
	dozeKernelBase  = abi.MapHigh - 1<<39
	dozeMetaBase    = dozeKernelBase           // Frames' metadata
	dozeRegionBase  = dozeKernelBase + 0x1<<34 // Regions' entries
	dozeThreadBase  = dozeKernelBase + 0x2<<34 // one page a thread
	dozeScratchBase = dozeKernelBase + 0x3<<34
	dozeWindowBase  = dozeScratchBase + 2*dozeBlock // a block of RAM as the kernel sees it for a moment
	dozeStackBase   = dozeKernelBase + 0x5<<34      // stacks of further vCPUs, dozeStackStep apart
	dozeStackStep   = 2 * dozeStackSize             // half of it unmapped: a guard
	dozeFdBase      = dozeKernelBase + 0x6<<34      // descriptors
	dozeFileBase    = dozeKernelBase + 0x7<<34      // open files
	dozePagesBase   = dozeKernelBase + 0x8<<34      // pages of the kernel's structures, by frame
	dozeMainStackHi = dozeKernelBase - 1<<30        // the first thread's stack ends here
	dozeMmapLow     = 0x0080_0000_0000              // where mmap looks for room
	dozeMmapHigh    = dozeMainStackHi - 1<<30
	dozeMaxRegions  = 65530                     // vm.max_map_count of Linux
	dozeTimerBase   = dozeKernelBase + 0x10<<34 // the program's timers
	dozeHeldBase    = dozeKernelBase + 0x11<<34 // the balloon's books
	dozeMaxThreads  = 10000                     // Go's own limit (debug.SetMaxThreads)
)

// dozeContext is a thread's registers in the order dozeResume pops them; the
// last five are an IRETQ frame.
type dozeContext struct {
	r15, r14, r13, r12, r11, r10, r9, r8 uintptr
	rbp, rsi, rdx, rcx, rbx, rax, rdi    uintptr
	rip, cs, rflags, rsp, ss             uintptr
}

// The assembly finds these in a vCPU page, behind abi.VCPUKernel: an index that is not 0
// does not compile.
var (
	_ = [1]struct{}{}[unsafe.Offsetof(dozeVCPU{}.current)-(dozeGSCurrent-abi.VCPUKernel)]
	_ = [1]struct{}{}[unsafe.Offsetof(dozeVCPU{}.tls)-(dozeGSTLS-abi.VCPUKernel)]
	_ = [1]struct{}{}[unsafe.Offsetof(dozeVCPU{}.g)-(dozeGSG-abi.VCPUKernel)]
	_ = [1]struct{}{}[unsafe.Offsetof(dozeVCPU{}.nested)-(dozeGSNested-abi.VCPUKernel)]
	_ = [1]struct{}{}[unsafe.Offsetof(dozeVCPU{}.commit)-(dozeGSCommit-abi.VCPUKernel)]
	_ = [1]struct{}{}[unsafe.Offsetof(dozeVCPU{}.user)-(dozeGSUser-abi.VCPUKernel)]
)

// The VMM finds these in a thread, which begins with its context.
const (
	_ = uint(unsafe.Offsetof(dozeContext{}.rbp)-abi.ThreadRBP) + uint(abi.ThreadRBP-unsafe.Offsetof(dozeContext{}.rbp))
	_ = uint(unsafe.Offsetof(dozeContext{}.rip)-abi.ThreadRIP) + uint(abi.ThreadRIP-unsafe.Offsetof(dozeContext{}.rip))
	_ = -unsafe.Offsetof(dozeThread{}.dozeContext)
)

// dozeThread is one thread. It lies at the start of a page of its own, its
// XSAVE area at dozeXsaveOffset.
type dozeThread struct {
	_ sys.NotInHeap
	dozeContext
	fs    uintptr // FS base
	fpu   uint32  // 1: the XSAVE area holds the vector state
	mxcsr uint32
	tid   int32
	state uint32

	next    *dozeThread // in the run queue or in a futex bucket
	futex   uintptr     // address waited for: of the program's, or an object of the kernel's
	waits   uint32      // how the call that waits goes on (doze_wait.go)
	resumed uint32      // how the call being served waited before, if it did
	until   int64       // the deadline it waited for
	done    uintptr     // bytes that the call which waits has written
	sent    uint32      // 1 more than the ticket of those that a console has, 0 if none
	sentTo  uint32      // which console
	about   *dozeFile   // the open file that the call being served is about, nil: none, or several
	held    *dozeFile   // it, when the call is made again: it waits, or takes long
	rem     uintptr     // where to write what is left of a sleep, 0: nowhere
	bits    uint32      // of a futex, to be woken for
	alarm   dozeAlarm

	at   uintptr // how far a call came that is to be made again, 0 if none is (doze_slices.go)
	from uintptr // how far the call being served came before

	result uintptr // of the call, once only clearing up is left of it
	long   dozeLong

	mask     uint64 // blocked signals, bit sig-1
	pending  uint64
	code     [65]int8 // si_code of the pending ones
	altStack uintptr
	altSize  uintptr

	on    *dozeVCPU // where it runs
	last  *dozeVCPU // where it ran last
	since int64     // when it got the vCPU
	ran   int64     // ns it had a physical CPU, as accounted

	keepCaps   uintptr // prctl's flags
	noNewPrivs uintptr
	comm       [dozeCommSize]byte // its name

	traced      uint8  // what is printed of its call (doze_trace.go)
	tracedShown uint8  // how many arguments
	tracedCall  uint32 // which call it is

	timers *dozeTimer // of its CPU time
	cpuDue int64      // its CPU time when the first of them is due, dozeForever if none
}

// dozeVCPU is the kernel's part of a vCPU page; the first fields are those that
// the assembly reaches through GS.
type dozeVCPU struct {
	_       sys.NotInHeap
	current *dozeThread
	tls     uintptr
	g       uintptr
	nested  uintptr
	commit  uintptr
	user    uint32 // 1: outside the kernel, perhaps with old translations
	seen    uint32 // dozeMem.unmapped when translations were last dropped
	nesting uint32 // faults of the kernel being served
	apic    uint32 // id of its local APIC
	offline uint32 // 1: it is to run no threads
	alive   uint32 // how far it is (dozeVCPUStarted...)
	armed   int64  // deadline its timer is armed for, dozeForever if none
	due     int64  // deadline it sleeps until, while it sleeps

	head, tail *dozeThread // its run queue

	// Its account, ns (doze_account.go).
	mark   int64 // up to when time is accounted
	booked int64 // of the host's steal, what is accounted
	ran    int64 // threads had it
	idle   int64 // nobody wanted it
	stolen int64 // somebody wanted it, and the host gave it to others
}

const (
	dozeStateFree = iota
	dozeStateReady
	dozeStateRunning
	dozeStateFutexWait
	dozeStateSleeping
	dozeStateSysmonWait
	dozeStateIOWait
)

const dozeForever = int64(^uint64(0) >> 1)

// dozeMark is what `doze build` looks for in a program.
var dozeMark uint32 = abi.Version

var (
	dozeStack0    [dozeStackSize]byte
	dozeKernelTLS [abi.MaxVCPUs][2]uintptr
	dozeG0        [abi.MaxVCPUs]g
)

// Entered by their address alone.
func dozeUpcall()
func dozeVCPUEntry()
func dozeCommit()
func dozeClock()

func dozeGate(req uint32, a, b, c, d, e uintptr) uintptr
func dozeVCPUPage() uintptr
func dozeStartPC() uintptr
func dozeRandom() (v uint64, ok bool)
func dozeXCR0() uint32
func dozeTrapHere()
