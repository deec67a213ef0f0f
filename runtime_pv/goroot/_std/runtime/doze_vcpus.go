package runtime

// vCPUs: the lock around the kernel, waking one that sleeps, dropping
// translations on all of them, and starting the further ones.

import (
	goabi "internal/abi"
	"internal/runtime/atomic"
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
	"internal/runtime/doze/topology"
	"unsafe"
)

// dozeLockWord is 1 more than the number of the vCPU that is in the kernel, 0 if none
// is. dozeResume gives it back.
var dozeLockWord uint32

// dozeOnline has a bit for each vCPU that runs threads.
var dozeOnline uint64

func dozeSelf() *dozeVCPU {
	return (*dozeVCPU)(dozePtr(dozeVCPUPage() + abi.VCPUKernel))
}

func dozeVCPUAt(i uintptr) *dozeVCPU {
	return (*dozeVCPU)(dozePtr(abi.VCPUPage0 + i*dozePage + abi.VCPUKernel))
}

func (v *dozeVCPU) page() uintptr { return uintptr(unsafe.Pointer(v)) - abi.VCPUKernel }

func (v *dozeVCPU) index() uintptr { return (v.page() - abi.VCPUPage0) / dozePage }

func (v *dozeVCPU) bit() uint64 { return 1 << v.index() }

// dozeLock enters the kernel. From then on this vCPU uses no translation that
// was dropped meanwhile.
func dozeLock() {
	v := dozeSelf()
	atomic.Store(&v.user, 0)
	mine := uint32(v.index()) + 1
	if !atomic.Cas(&dozeLockWord, 0, mine) {
		dozeLockWait(v, mine)
	}
	if v.seen != dozeMem.unmapped {
		v.seen = dozeMem.unmapped
		dozeGate(abi.ReqFlush, 0, 0, 0, 0, 0)
	}
}

// dozeLockWait waits for the lock.
func dozeLockWait(v *dozeVCPU, mine uint32) {
	atomic.Xadd(&dozeLockWaiters, 1)
	for s := (dozeSpin{}); !atomic.Cas(&dozeLockWord, 0, mine); {
		for holder := atomic.Load(&dozeLockWord); holder != 0; holder = atomic.Load(&dozeLockWord) {
			s.turn(v, dozeVCPUAt(uintptr(holder-1)))
		}
	}
	atomic.Xadd(&dozeLockWaiters, -1)
	atomic.Xadd(&dozeLockTurns, 1)
}

// dozeUnlock leaves the kernel without leaving its code: the vCPU sleeps.
func dozeUnlock() {
	atomic.Store(&dozeLockWord, 0)
}

// dozeShootdown returns when no vCPU uses a translation that was taken out of
// the tables before. A vCPU in the kernel, or asleep there, drops its own when it gets the
// lock; one outside is brought in.
func dozeShootdown() {
	dozeDropLater()
	dozeStill()
}

// dozeDropLater has every vCPU drop its translations when it gets the lock. That
// is enough for addresses that nobody uses outside the kernel.
func dozeDropLater() {
	dozeMem.unmapped++
	dozeSelf().seen = dozeMem.unmapped
}

// dozeStill returns when no other vCPU runs the program. None will before the
// lock is given back, so what the program holds stays as it is until then. Those
// that are outside the kernel are interrupted and waited for.
func dozeStill() {
	self := dozeSelf()
	others := dozeOnline &^ self.bit()
	for i := uintptr(0); others>>i != 0; i++ {
		if v := dozeVCPUAt(i); others>>i&1 != 0 && atomic.Load(&v.user) != 0 {
			dozeInterruptVCPU(v)
		}
	}
	again := dozeNow() + dozeAskAgain
	for i := uintptr(0); others>>i != 0; i++ {
		v, s := dozeVCPUAt(i), dozeSpin{}
		for others>>i&1 != 0 && atomic.Load(&v.user) != 0 {
			s.turn(self, v)
			if now := dozeNow(); now > again {
				dozeStats.again++
				dozeInterruptVCPU(v)
				again = now + dozeAskAgain
			}
		}
	}
}

// dozeAskAgain is when a vCPU that did not come in is interrupted once more. A machine
// must not stand still for ever because a hypervisor has lost one interrupt.
const dozeAskAgain = 10_000_000 // ns

// dozeWakeVCPU wakes a vCPU that sleeps.
func dozeWakeVCPU(v *dozeVCPU) {
	dozeAwake(v)
	if dozePark {
		mmio.Out32(abi.PortKick, uint32(v.index()))
	} else {
		dozeInterruptVCPU(v)
	}
}

// dozeAwake takes a vCPU off the list of those asleep: it is on its way to the
// queue.
func dozeAwake(v *dozeVCPU) {
	s := &dozeSched
	if s.idle == dozeOnline && s.retakes == 0 { // the machine wakes
		s.due = max(s.due, dozeNow()+dozeSysmonWake)
	}
	s.idle &^= v.bit()
	s.looking++
}

// ICR: assert, fixed delivery to one physical APIC id (SDM 3A, 11.6.1).
const (
	dozeICRAssert  = 1 << 14
	dozeICRInit    = 0x4500
	dozeICRStartup = 0x4600
	dozeICRLow     = 0x300
	dozeICRHigh    = 0x310
)

func dozeInterruptVCPU(v *dozeVCPU) {
	dozeSendIPI(v.apic, dozeICRAssert|abi.VectorKick)
}

func dozeSendIPI(apic uint32, icr uint64) {
	if dozeTime.xapic {
		dozeGate(abi.ReqLAPIC, dozeICRHigh, uintptr(apic)<<24, 0, 0, 0)
		dozeGate(abi.ReqLAPIC, dozeICRLow, uintptr(icr), 0, 0, 0)
		return
	}
	dozeMSR(abi.MSRX2APICICR, uint64(apic)<<32|icr)
}

// dozeVCPUInit fills the kernel's part of vCPU i's page. The stack lies in
// [lo, lo+dozeStackSize).
func dozeVCPUInit(i, lo, nested uintptr) *dozeVCPU {
	v := dozeVCPUAt(i)
	page := v.page()
	g := &dozeG0[i]
	g.stack.lo, g.stack.hi = lo, lo+dozeStackSize
	g.stackguard0 = lo + stackGuard
	g.stackguard1 = g.stackguard0
	dozeKernelTLS[i][0] = uintptr(unsafe.Pointer(g))
	mmio.Store64(page+abi.VCPUSelf, uint64(page))
	mmio.Store32(page+abi.VCPUIndex, uint32(i))
	mmio.Store64(page+dozeGSStackLo, uint64(lo))
	mmio.Store64(page+dozeGSStackHi, uint64(lo+dozeStackSize))
	mmio.Store64(page+dozeGSEntry, uint64(goabi.FuncPCABI0(dozeUpcall)))
	v.tls = dozeAddr(&dozeKernelTLS[i][1])
	v.g = uintptr(unsafe.Pointer(g))
	v.commit = goabi.FuncPCABI0(dozeCommit)
	v.nested = nested
	v.armed, v.due = dozeForever, dozeForever
	return v
}

// dozeStartVCPUs starts the vCPUs from 1 on: all at once where the VMM starts them
// when asked, else one after the other, since a SIPI cannot say which. One that
// does not answer within dozeStartPatience is left out; after a SIPI, so are those
// behind it.
func dozeStartVCPUs(l *topology.List) {
	v := dozeSelf()
	v.apic = l.APIC[0]
	mmio.Store64(abi.MachinePage+abi.MachineAPEntry, uint64(goabi.FuncPCABI0(dozeVCPUEntry)))
	if l.N == 1 {
		return
	}
	if !dozeStartCall {
		dozeGate(abi.ReqAPPage, 0, 0, 0, 0, 0)
	}
	n := uintptr(1)
	for ; n < uintptr(min(l.N, abi.MaxVCPUs)); n++ {
		o := dozePrepareVCPU(n)
		if o == nil {
			break
		}
		o.apic = l.APIC[n]
		dozeStartVCPU(o)
		if !dozeStartCall && !dozeAwait(o) {
			return
		}
	}
	for i := uintptr(1); dozeStartCall && i < n; i++ {
		dozeAwait(dozeVCPUAt(i))
	}
}

// dozePrepareVCPU gives vCPU i a stack, with a page of its top half unmapped
// below as a guard, and an area for nested faults; nil without memory.
func dozePrepareVCPU(i uintptr) *dozeVCPU {
	lo := uintptr(dozeStackBase) + i*dozeStackStep
	for p := lo; p < lo+dozeStackSize+dozePage; p += dozePage {
		if !dozeKernelPage(p) {
			return nil
		}
	}
	return dozeVCPUInit(i, lo, lo+dozeStackSize)
}

// dozeStartPatience is generous: a host with fewer CPUs than the machine is slow to run them
// all, and only a broken machine waits.
const (
	dozeStartPatience = 10_000_000_000 // ns
	dozeStartNap      = 500_000        // ns between looks
)

// Values of dozeVCPU.alive.
const (
	dozeVCPUStarted = iota
	dozeVCPUAlive   // it has reached the kernel
	dozeVCPULeftOut // it had its time, and must not come in any more
)

func dozeStartVCPU(v *dozeVCPU) {
	if dozeStartCall {
		mmio.Out32(abi.PortStart, uint32(v.index()))
		return
	}
	mmio.Store32(abi.MachinePage+abi.MachineAPIndex, uint32(v.index()))
	dozeSendIPI(v.apic, dozeICRInit)
	dozeSendIPI(v.apic, dozeICRStartup|abi.APTrampoline>>12)
}

// dozeAwait waits until a vCPU that was started is there, and takes it in. It
// sleeps in between: the vCPU may be waiting for this one's CPU.
func dozeAwait(v *dozeVCPU) bool {
	self := dozeSelf()
	for limit := dozeNow() + dozeStartPatience; atomic.Load(&v.alive) == dozeVCPUStarted; {
		now := dozeNow()
		if now > limit && atomic.Cas(&v.alive, dozeVCPUStarted, dozeVCPULeftOut) {
			return false
		}
		if dozePark {
			dozeSleepParked(self.page(), now+dozeStartNap)
		} else {
			dozeArm(self, now+dozeStartNap)
			dozeGate(abi.ReqHalt, 0, 0, 0, 0, 0)
		}
		dozeTakeInterrupts(self)
	}
	dozeOnline |= v.bit()
	dozeBootInfo.cpus++
	return true
}

// dozeStartCall is whether the VMM starts vCPUs when asked, instead of by SIPI.
var dozeStartCall bool

// dozeVCPUStart is where a further vCPU begins: its clock and timer, then its
// first thread, once the first vCPU has let go of the lock.
func dozeVCPUStart() {
	v := dozeSelf()
	dozeTimeStart(v)
	// After the exits above XCR0 is what it will stay. With another one than the
	// first vCPU's it could not run the same threads.
	for dozeXCR0()&abi.XCR0Mask != dozeVectors || !atomic.Cas(&v.alive, dozeVCPUStarted, dozeVCPUAlive) {
		dozeGate(abi.ReqHalt, 0, 0, 0, 0, 0)
	}
	dozeLock()
	dozeArrive(v)
	dozeSchedule()
	dozeSettle()
}
