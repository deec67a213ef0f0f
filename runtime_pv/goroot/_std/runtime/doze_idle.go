package runtime

// The one place where the machine sleeps.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
)

// dozeStats is what /proc/doze shows.
var dozeStats struct {
	wakeups uint64 // times the idle vCPU went on
	early   uint64 // of these, those that nobody asked for: a timer that came too early
	timers  uint64 // timer interrupts
	gates   uint64 // requests to ring 0
	again   uint64 // interrupts to a vCPU that did not come in for dozeAskAgain
	slices  uint64 // calls that were made again to go on
	longest uint64 // ns that one of them took, less what the host stole
	unknown uint64 // calls answered with ENOSYS
}

// dozePark is whether the VMM offers the park call and we are to use it.
var dozePark bool

// dozeSleep returns at the deadline, at an interrupt or event, or for no reason.
// The lock is given back meanwhile.
func dozeSleep(v *dozeVCPU, deadline int64) {
	s := &dozeSched
	dozeRefineClock()
	if deadline != dozeForever && deadline <= dozeNow() {
		return
	}
	if !dozePark && v.armed != deadline {
		dozeArm(v, deadline)
	}
	v.due = deadline
	s.idle |= v.bit()
	s.looking--
	dozeUnlock()
	if dozePark {
		dozeSleepParked(v.page(), deadline)
	} else {
		dozeGate(abi.ReqHalt, 0, 0, 0, 0, 0)
	}
	dozeLock()
	dozeStats.wakeups++
	if s.idle&v.bit() != 0 { // nobody woke it: its deadline or an interrupt did
		if !dozeTold(v) && dozeNow() < deadline {
			dozeStats.early++
		}
		dozeAwake(v)
	}
}

// dozeTold says whether the VMM or a device has something for the vCPU.
func dozeTold(v *dozeVCPU) bool {
	const timer = 1 << (abi.VectorTimer - abi.VectorBase)
	page := v.page()
	return mmio.Load64(page+abi.ParkPending) != 0 || mmio.Load64(page+abi.VCPUPending)&^timer != 0
}

// dozeSleepParked hands the vCPU back with one exit that carries the deadline
// (docs/nucleus.md 6). A timer that is still armed may fire meanwhile; it
// would only say what the return says too.
func dozeSleepParked(page uintptr, deadline int64) {
	if mmio.Load64(page+abi.ParkPending) != 0 || mmio.Load64(page+abi.VCPUPending) != 0 {
		return // dozeTakeInterrupts takes them
	}
	due := uint64(deadline)
	if deadline == dozeForever {
		due = abi.NoDeadline
	}
	mmio.Store64(page+abi.ParkDue, due)
	mmio.Out8(abi.PortPark, 0)
}

// dozeTakeInterrupts takes note of the interrupts that the nucleus has seen, and
// of the VMM's events.
func dozeTakeInterrupts(v *dozeVCPU) {
	// The interrupts first: one of them says that there are events, and those that come
	// after the events were taken must find its bit clear.
	bits := mmio.Xchg64(v.page()+abi.VCPUPending, 0)
	dozeTakeEvents(v)
	if bits&(1<<(dozeVectorCOM3-abi.VectorBase)) != 0 {
		dozeUARTReceive()
	}
	if bits&dozeConsoles.interrupt != 0 {
		dozeConsoleEvent()
	}
	if bits&dozeBalloon.interrupt != 0 {
		dozeBalloonEvent()
	}
	if bits&(1<<(abi.VectorTimer-abi.VectorBase)) != 0 {
		dozeStats.timers++
		v.armed = dozeForever
	}
}
