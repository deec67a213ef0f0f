package runtime

// vCPUs that the host has taken the physical CPU from (docs/smp.md). Who waits for
// such a one, for the kernel's lock, say, would wait for as long as the host runs
// others: it gives its own physical CPU back instead. And where much is stolen, the
// host has none for a further vCPU: none is woken for a thread that can soon
// have this one.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
	"internal/runtime/doze/pvclock"
)

// dozeSMP is what is done about preempted vCPUs. The command line may leave some of
// it out, to compare (doze.smp=).
var dozeSMP uint32 = dozeSMPLock | dozeSMPWake

const (
	dozeSMPLock = 1 << iota
	dozeSMPWake
)

// dozeYieldCall is whether the VMM takes a physical CPU back when asked.
var dozeYieldCall bool

const (
	dozeSpinTime = 20_000  // ns to wait for another vCPU before giving way: most stays in the kernel are shorter
	dozeSpinLook = 32      // turns of a wait between looks at the clock
	dozeWayNap   = 100_000 // ns asleep where the VMM does not take the CPU back
)

// preempted reports whether the host says that v has no physical CPU. It may have
// one again when this returns. Without steal time nobody seems preempted.
func (v *dozeVCPU) preempted() bool {
	return dozeTime.features&abi.KVMSteal != 0 && pvclock.Preempted(v.page()+abi.VCPUSteal)
}

// dozeSpin is the wait for something that another vCPU is about to do.
type dozeSpin struct {
	turns uint32
	until int64
}

// turn is one turn of the wait for other. Its end is given way to others: at once
// if that one is preempted, after dozeSpinTime in any case.
func (s *dozeSpin) turn(self, other *dozeVCPU) {
	mmio.Pause()
	if dozeSMP&dozeSMPLock == 0 {
		return
	}
	if !other.preempted() {
		s.turns++
		if s.turns%dozeSpinLook != 1 {
			return
		}
		now := dozeNow()
		if s.until == 0 {
			s.until = now + dozeSpinTime
		}
		if now < s.until {
			return
		}
	}
	*s = dozeSpin{}
	dozeGiveWay(self)
}

// dozeGiveWay lets others have this vCPU's physical CPU for a moment. It needs no
// lock, and what comes in meanwhile stays pending.
func dozeGiveWay(v *dozeVCPU) {
	if dozeYieldCall {
		mmio.Out8(abi.PortYield, 0)
		return
	}
	dozeArm(v, dozeNow()+dozeWayNap)
	dozeGate(abi.ReqHalt, 0, 0, 0, 0, 0)
}

// dozeCrowd is whether the host has physical CPUs for more vCPUs than work.
var dozeCrowd pvclock.Crowd

// dozeCrowded reports whether it is better to wake no further vCPU.
func dozeCrowded() bool { return dozeSMP&dozeSMPWake != 0 && dozeCrowd.Is(dozeNow()) }
