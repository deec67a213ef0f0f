package runtime

// Where the time of each vCPU went: to threads, to idleness, or to others on the
// host (steal time). The three add up to the time since the vCPU came in. All of
// it is under the kernel's lock.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/pvclock"
)

// dozeAccountStart begins a vCPU's account: it runs from now on.
func dozeAccountStart(v *dozeVCPU, now int64) {
	v.mark = now
	v.booked = v.steal()
}

// steal is what the host has booked as stolen from the vCPU, from a start that
// means nothing.
func (v *dozeVCPU) steal() int64 {
	if dozeTime.features&abi.KVMSteal == 0 {
		return 0
	}
	for {
		if ns, ok := pvclock.Steal(v.page() + abi.VCPUSteal); ok {
			return int64(ns)
		}
	}
}

// spent is what became of a vCPU's time since it was last accounted.
func (v *dozeVCPU) spent(now int64) (had, steal int64) {
	return pvclock.Spent(now-v.mark, v.steal()-v.booked)
}

// dozeCharge accounts the vCPU's time to the thread that had it, or to idleness.
func dozeCharge(now int64) {
	v := dozeSelf()
	had, steal := v.spent(now)
	v.mark = now
	v.booked += steal
	v.stolen += steal
	if t := v.current; t != nil {
		dozeCrowd.Count(now, had, steal)
		t.ran += had
		v.ran += had
	} else {
		v.idle += had
	}
}

// dozeThreadTime is the time that a thread has had a physical CPU.
func dozeThreadTime(t *dozeThread) int64 {
	if t.state != dozeStateRunning {
		return t.ran
	}
	had, _ := t.on.spent(dozeNow())
	return t.ran + had
}

// dozeTimes is where the time of one vCPU went, or that of all.
type dozeTimes struct{ ran, idle, stolen int64 }

func (v *dozeVCPU) times(now int64) dozeTimes {
	had, steal := v.spent(now)
	t := dozeTimes{v.ran, v.idle, v.stolen + steal}
	if v.current != nil {
		t.ran += had
	} else {
		t.idle += had
	}
	return t
}

// dozeAllTimes adds up over the vCPUs, those that are offline now too: what they
// did counts.
func dozeAllTimes() (sum dozeTimes) {
	now := dozeNow()
	for i := uintptr(0); i < abi.MaxVCPUs; i++ {
		v := dozeVCPUAt(i)
		if v.mark == 0 {
			continue // it never came in
		}
		t := dozeTimes{v.ran, v.idle, v.stolen}
		if dozeOnline&v.bit() != 0 {
			t = v.times(now)
		}
		sum.ran += t.ran
		sum.idle += t.idle
		sum.stolen += t.stolen
	}
	return sum
}

// dozeProcessTime is the time that threads have had a physical CPU. It never steps
// back, though a vCPU that has lost its physical CPU right now seems to go on until
// the host books what was stolen.
func dozeProcessTime() int64 {
	p := &dozeProcess
	p.ran = max(p.ran, dozeAllTimes().ran)
	return p.ran
}
