package runtime

// vCPUs that come and go while the machine runs (docs/cpus.md). The first n of them
// run threads, n being what the VMM asked for last; the first one always does. One
// that is to go gives its threads to the others at its next way through the
// kernel, and sleeps there without a deadline. All of it is under the kernel's lock.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/linux"
	"internal/runtime/doze/mmio"
)

var dozeHotplug struct {
	max     uint32 // vCPUs that there can be
	target  uint32 // that are to run threads
	pending bool   // not all of them are there, or gone, yet
	ready   bool   // the machine has booted

	change dozeChange
}

// dozeHotplugInit is called when the machine has booted.
func dozeHotplugInit(most uint32) {
	m := &dozeHotplug
	m.target = dozeBootInfo.cpus
	m.max = min(max(most, m.target), abi.MaxVCPUs)
	m.ready = true
	m.change.alarm.heap, m.change.alarm.deadline = -1, dozeForever
	m.change.alarm.kind = dozeAlarmChange
	dozePublishOnline()
}

// dozePublishOnline tells the VMM which vCPUs run threads, and that the last change
// is complete if it is.
func dozePublishOnline() {
	m := &dozeHotplug
	mmio.Store64(abi.MachinePage+abi.MachineOnline, dozeOnline)
	if m.pending && uint32(dozeCPUs()) == m.target {
		dozeHotplugAnswer(abi.VerdictDone)
	}
}

// dozeHotplugAnswer tells the VMM what became of its last request.
func dozeHotplugAnswer(verdict uint32) {
	const page = abi.MachinePage
	dozeHotplug.pending = false
	mmio.Store32(page+abi.MachineVerdict, verdict)
	mmio.Store32(page+abi.MachineAnswers, mmio.Load32(page+abi.MachineAnswers)+1)
}

// dozeSetOnline has the first n vCPUs run threads, and no others.
func dozeSetOnline(n uint32) {
	m := &dozeHotplug
	if n < 1 || n > m.max {
		dozeHotplugAnswer(abi.VerdictImpossible)
		return
	}
	old := m.target
	m.target, m.pending = n, true
	for i := uint32(1); i < m.max; i++ {
		if v := dozeVCPUAt(uintptr(i)); i >= n {
			dozeTakeOffline(v)
		} else if !dozeBringOnline(v, uintptr(i)) {
			m.target = old
			dozeHotplugAnswer(abi.VerdictNoMemory)
			return
		}
	}
	dozePublishOnline()
	// The runtime's monitor thread follows with GOMAXPROCS. Once is enough: it
	// looks at the number each second that the machine is awake.
	if dozeSched.sysmon != nil {
		dozeWakeSysmon()
	}
}

// dozeBringOnline makes a vCPU come, for the first time or again. It returns false if that
// can't be.
func dozeBringOnline(v *dozeVCPU, i uintptr) bool {
	switch {
	case v.g == 0: // never there
		if !dozeStartCall || dozePrepareVCPU(i) == nil {
			return false
		}
		v.apic = uint32(i)
		dozeStartVCPU(v)
	case v.offline != 0:
		v.offline = 0
		if dozeOnline&v.bit() == 0 {
			dozeWakeOffline(v)
		}
	}
	return true
}

// dozeTakeOffline makes a vCPU go. One that is only on its way here goes when it comes.
func dozeTakeOffline(v *dozeVCPU) {
	if v.g == 0 || v.offline != 0 {
		return
	}
	v.offline = 1
	switch {
	case dozeOnline&v.bit() == 0:
	case dozeSched.idle&v.bit() != 0:
		dozeWakeVCPU(v)
	default:
		dozeInterruptVCPU(v)
	}
}

// dozeWakeOffline ends a vCPU's sleep, whatever it sleeps for.
func dozeWakeOffline(v *dozeVCPU) {
	if dozePark {
		mmio.Out32(abi.PortKick, uint32(v.index()))
	} else {
		dozeInterruptVCPU(v)
	}
}

// dozeComeOnline makes this vCPU one of those that run threads.
func dozeComeOnline(v *dozeVCPU) {
	dozeOnline |= v.bit()
	dozeBootInfo.cpus++
	dozeAccountStart(v, dozeNow())
	dozePublishOnline()
}

// dozeGoOffline gives all that this vCPU has to the others, and returns when it is to
// come back. What it had armed its timer for the first vCPU takes over.
func dozeGoOffline(v *dozeVCPU) {
	s := &dozeSched
	dozeCharge(dozeNow())
	dozeOnline &^= v.bit()
	dozeBootInfo.cpus--
	if t := v.current; t != nil {
		v.current = nil
		dozeReadyLast(t)
	}
	for v.head != nil {
		t := v.head
		v.head = t.next
		s.ready--
		dozeReadyLast(t)
	}
	v.tail = nil
	if v.armed != dozeForever {
		dozeArm(v, dozeForever)
	}
	dozePublishOnline()
	if first := dozeVCPUAt(0); s.idle&first.bit() != 0 {
		dozeWakeVCPU(first)
	} else {
		dozeInterruptVCPU(first)
	}
	for v.offline != 0 {
		dozeUnlock()
		if dozePark {
			dozeSleepParked(v.page(), dozeForever)
		} else {
			dozeGate(abi.ReqHalt, 0, 0, 0, 0, 0)
		}
		dozeLock()
		dozeTakeInterrupts(v)
	}
	dozeComeOnline(v)
}

// dozeArrive is the end of a vCPU's way into the kernel for the first time.
func dozeArrive(v *dozeVCPU) {
	if dozeOnline&v.bit() == 0 { // the machine had booted already
		dozeComeOnline(v)
	} else {
		dozeAccountStart(v, dozeNow())
	}
}

// dozeChange is a request for another number of vCPUs that the program is asked
// about.
type dozeChange struct {
	alarm    dozeAlarm // first, so that dozeExpire finds the rest
	watched  bool      // the program wants to be asked
	from, to uint32    // the change, while to is not 0
	told     bool      // the program has read it
}

// dozeChangePatience is how long the program may think.
const dozeChangePatience = 1_000_000_000 // ns

// dozeHotplugAsked serves the VMM's request for n vCPUs: a program that wants to know
// is asked first.
func dozeHotplugAsked(n uint64) {
	m := &dozeHotplug
	c := &m.change
	if !m.ready {
		return
	}
	to := uint32(min(n, abi.MaxVCPUs+1))
	if c.to != 0 { // the program thinks about another one: this one replaces it
		dozeHotplugAnswer(abi.VerdictReplaced)
		dozeChangeEnds()
	}
	if !c.watched || to < 1 || to > m.max {
		dozeSetOnline(to)
		return
	}
	c.from, c.to, c.told = m.target, to, false
	dozeAlarmAdd(&c.alarm, dozeNow()+dozeChangePatience)
	dozeNotify(dozeAddr(&m.target), dozeEveryone)
}

// dozeChangeUnanswered is called when the program has thought for too long: it has no
// objection.
func dozeChangeUnanswered() { dozeSetOnline(dozeChangeEnds()) }

// dozeChangeEnds forgets the change that the program was asked about.
func dozeChangeEnds() (to uint32) {
	c := &dozeHotplug.change
	dozeAlarmRemove(&c.alarm)
	to, c.to = c.to, 0
	return to
}

// dozePVCPUs serves abi.PVCPUs, PVWatch, PVChange and PVAnswer.
func dozePVCPUs(w *dozeAnswer, op, p uintptr) (wait bool, errno uintptr) {
	m := &dozeHotplug
	c := &m.change
	switch op {
	case abi.PVCPUs:
		w.put(int64(dozeCPUs()), int64(m.max), int64(m.target))
	case abi.PVWatch:
		c.watched = true
	case abi.PVChange:
		if c.to == 0 || c.told {
			return true, 0
		}
		c.told = true
		w.put(int64(c.from), int64(c.to))
	case abi.PVAnswer:
		var word [1]uint64
		if !dozeCopyIn(dozeAddr(&word), p, 8) {
			return false, dozeErr(linux.EFAULT)
		}
		if c.to == 0 || !c.told {
			return false, dozeErr(linux.EINVAL) // nothing was asked, or it is too late
		}
		if to := dozeChangeEnds(); word[0] != 0 {
			dozeSetOnline(to)
		} else {
			dozeHotplugAnswer(abi.VerdictVetoed)
		}
	}
	return false, 0
}
