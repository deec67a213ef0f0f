package runtime

// The clock and the timer. The clock is a pvclock page: kvmclock's where the
// host keeps one, else one of our own in the same layout, its rate measured
// against the PIT and refined as time goes by. The timer is one-shot and there
// is one deadline at a time.

import (
	"internal/runtime/atomic"
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
	"internal/runtime/doze/pvclock"
)

// How the timer is armed.
const (
	dozeTimerDeadline = iota // TSC-deadline MSR (SDM 3A, 11.5.4.1)
	dozeTimerX2APIC          // initial count by MSR
	dozeTimerXAPIC           // initial count by MMIO
)

var dozeTime struct {
	mode     uint32
	kvmclock bool
	xapic    bool   // the LAPIC is reached by MMIO
	features uint32 // abi.KVMClock and others
	lapicHz  uint64 // input clock of the LAPIC timer, where it counts

	// The clock of our own.
	tsc0  uint64 // TSC at the first PIT reading
	pit0  uint16
	tried int64 // when the rate was last refined
}

// dozeNow is CLOCK_MONOTONIC in ns: what dozeClock returns, for the kernel.
func dozeNow() int64 {
	if dozeClockApart != 0 {
		return dozeNowApart()
	}
	for {
		if ns, ok := pvclock.Read(dozeClockPage); ok {
			return int64(ns)
		}
	}
}

// dozeClockApart is not 0 where each vCPU must read its own clock page, because
// the host does not promise that they agree (pvclock.TSCStable). The clock
// then never goes back by never returning less than dozeClockLast.
var (
	dozeClockApart uint32
	dozeClockLast  uint64
)

func dozeNowApart() int64 {
	for {
		ns, ok := pvclock.Read(dozeVCPUPage() + abi.VCPUClock)
		if !ok {
			continue
		}
		last := atomic.Load64(&dozeClockLast)
		if ns <= last {
			return int64(last)
		}
		if atomic.Cas64(&dozeClockLast, last, ns) {
			return int64(ns)
		}
	}
}

func dozeWallNow() int64 {
	return dozeNow() + int64(mmio.Load64(dozeWall))
}

// dozeSetWall sets the wall clock's distance from the monotonic one, where the
// VMM doesn't keep it.
func dozeSetWall(offset int64) {
	mmio.Store64(dozeWall, uint64(offset))
}

// dozeTSC converts a deadline to this vCPU's TSC at that time, rounded up.
func dozeTSC(deadline int64) uint64 {
	page := uintptr(dozeClockPage)
	if dozeClockApart != 0 {
		page = dozeVCPUPage() + abi.VCPUClock
	}
	tsc := mmio.Load64(page + pvclock.InfoTimestamp)
	base := mmio.Load64(page + pvclock.InfoTime)
	mul := mmio.Load32(page + pvclock.InfoMul)
	shift := int8(mmio.Load8(page + pvclock.InfoShift))
	if uint64(deadline) <= base {
		return tsc
	}
	return tsc + pvclock.Ticks(uint64(deadline)-base, mul, shift) + pvclock.TicksMargin
}

// dozeArm arms this vCPU's timer for a deadline, dozeForever to leave it unarmed.
func dozeArm(v *dozeVCPU, deadline int64) {
	v.armed = deadline
	switch dozeTime.mode {
	case dozeTimerDeadline:
		var tsc uint64
		if deadline != dozeForever {
			tsc = dozeTSC(deadline)
		}
		dozeMSR(abi.MSRTSCDeadline, tsc)
	default:
		dozeArmCount(deadline)
	}
}

// dozeLateness makes a counted timer late by 8 in a million rather than early:
// the clock and the timer are two measured rates, and a wake-up that comes too
// soon costs another one.
const dozeLateness = 17

// dozeArmCount arms the timer by a count of 32 bits, at the finest division
// that reaches so far. A deadline beyond even the coarsest comes early; whoever
// waits then finds that it is not yet time.
func dozeArmCount(deadline int64) {
	if deadline == dozeForever {
		dozeLAPIC(dozeLAPICInit, 0)
		return
	}
	ns := max(deadline-dozeNow(), 0)
	ns += ns>>dozeLateness + 1
	hz := dozeTime.lapicHz
	ticks := uint64(ns)/1e9*hz + uint64(ns)%1e9*hz/1e9 + 1
	divide := uint64(0xb) // by 1
	switch {
	case ticks>>32 == 0:
	case ticks>>4>>32 == 0:
		divide, ticks = 3, ticks>>4
	default:
		divide, ticks = 0xa, min(ticks>>7, 1<<32-1)
	}
	dozeLAPIC(dozeLAPICDivide, divide)
	dozeLAPIC(dozeLAPICInit, max(ticks, 1))
}

// dozeArmNext arms the timer for what a running machine must be told of: the
// next deadline and sysmon's turn, unless another vCPU will be told, and the end
// of the slice if others are ready. A timer armed for something earlier is left
// alone: coming once for nothing is cheaper than arming it on every switch.
func dozeArmNext(v *dozeVCPU) {
	s := &dozeSched
	d := dozeNextDeadline()
	if s.sysmon != nil {
		d = min(d, s.due)
	}
	if d >= v.armed || dozeCovered(v, d) {
		d = dozeForever
	}
	// Else another vCPU is on its way to them, or sysmon will be done in no time: an
	// end of its slice would come in the middle of the next thread's.
	if s.ready > s.looking && v.current != s.turn {
		d = min(d, v.current.since+dozeSlice)
	}
	if t := v.current; t.cpuDue != dozeForever || dozeProcess.cpuDue != dozeForever {
		d = min(d, dozeCPUDeadline(t))
	}
	if d < v.armed {
		dozeArm(v, d)
	}
}

// dozeCovered reports whether another vCPU will be awake by the deadline.
func dozeCovered(self *dozeVCPU, deadline int64) bool {
	others := dozeOnline &^ self.bit()
	for i := uintptr(0); others>>i != 0; i++ {
		v := dozeVCPUAt(i)
		if others>>i&1 == 0 {
			continue
		}
		if dozeSched.idle&v.bit() != 0 {
			if v.due <= deadline {
				return true
			}
		} else if v.armed <= deadline {
			return true
		}
	}
	return false
}

// LAPIC registers of the timer, as xAPIC offsets (SDM 3A, 11.5.4).
const (
	dozeLAPICTimer  = 0x320
	dozeLAPICInit   = 0x380
	dozeLAPICCount  = 0x390
	dozeLAPICDivide = 0x3e0
)

func dozeLAPIC(reg uintptr, v uint64) {
	if dozeTime.xapic {
		dozeGate(abi.ReqLAPIC, reg, uintptr(v), 0, 0, 0)
	} else {
		dozeMSR(0x800+reg/16, v)
	}
	dozeStats.gates++
}

func dozeLAPICRead(reg uintptr) uint64 {
	if dozeTime.xapic {
		return uint64(dozeGate(abi.ReqLAPICRd, reg, 0, 0, 0, 0))
	}
	return uint64(dozeGate(abi.ReqRdmsr, 0x800+reg/16, 0, 0, 0, 0))
}

func dozeMSR(msr uintptr, v uint64) {
	if dozeGate(abi.ReqWrmsr, msr, uintptr(v), 0, 0, 0) != 0 {
		dozeCrash("the nucleus refused an MSR", msr)
	}
	dozeStats.gates++
}

// dozeTimeInit finds clock and timer, and starts those of the first vCPU.
func dozeTimeInit(c *dozeCPU) {
	t := &dozeTime
	v := dozeSelf()
	t.xapic = !c.x2apic
	t.mode = dozeTimerXAPIC
	if c.x2apic {
		t.mode = dozeTimerX2APIC
	}
	t.features = c.kvm
	if c.kvm&abi.KVMClock != 0 {
		t.kvmclock = true
		dozeMSR(abi.MSRKVMWall, abi.VCPUPage0+abi.VCPUWall)
	} else {
		dozeClockOfOurOwn()
	}
	dozeParavirt(v)
	if t.kvmclock && (c.kvm&abi.KVMTSCStable == 0 || pvclock.Flags(dozeClockPage)&pvclock.TSCStable == 0) {
		dozeClockApart = 1
	}
	switch {
	case !t.kvmclock:
		dozeWallFromRTC()
	case mmio.Load32(dozeWallSeq) == 0:
		dozeWallFromKVM()
	}
	if c.deadline && c.x2apic {
		t.mode = dozeTimerDeadline
	} else if t.lapicHz == 0 {
		dozeMeasureLAPIC()
	}
	dozeTimerSetUp()
}

// dozeTimeStart starts clock and timer of a further vCPU.
func dozeTimeStart(v *dozeVCPU) {
	dozeParavirt(v)
	dozeTimerSetUp()
}

// dozeParavirt registers the vCPU's pages with KVM, and asks it not to poll for
// us when we halt.
func dozeParavirt(v *dozeVCPU) {
	f := dozeTime.features
	if f&abi.KVMClock != 0 {
		dozeMSR(abi.MSRKVMClock, uint64(v.page()+abi.VCPUClock|1))
		if mmio.Load32(v.page()+abi.VCPUClock+pvclock.InfoMul) == 0 {
			dozeFatal("KVM promises kvmclock and does not keep it")
		}
	}
	if f&abi.KVMSteal != 0 {
		dozeMSR(abi.MSRKVMSteal, uint64(v.page()+abi.VCPUSteal|1))
	}
	if f&abi.KVMPoll != 0 {
		dozeMSR(abi.MSRKVMPoll, 0)
	}
}

func dozeTimerSetUp() {
	const modeDeadline = 2 << 17 // LVT bits 18:17
	lvt := uint64(abi.VectorTimer)
	if dozeTime.mode == dozeTimerDeadline {
		lvt |= modeDeadline
	}
	dozeLAPIC(dozeLAPICTimer, lvt)
}

// dozeWallFromKVM takes the wall clock at kvmclock's zero from its page
// (KVM msr.rst: MSR_KVM_WALL_CLOCK_NEW).
func dozeWallFromKVM() {
	const page = abi.VCPUPage0 + abi.VCPUWall
	for {
		v := mmio.Load32(page)
		sec, nsec := mmio.Load32(page+4), mmio.Load32(page+8)
		if v&1 == 0 && mmio.Load32(page) == v {
			dozeSetWall(int64(sec)*1e9 + int64(nsec))
			return
		}
	}
}
