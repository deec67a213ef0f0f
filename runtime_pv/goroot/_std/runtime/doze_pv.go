package runtime

// What package pv asks about the machine (kernel/abi: PV...).

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/linux"
	"unsafe"
)

// dozeAnswer is an answer on its way to the program.
type dozeAnswer struct {
	n     uintptr
	words [1 + 4*abi.MaxVCPUs]uint64
}

// dozePVAnswer is under the kernel's lock.
var dozePVAnswer dozeAnswer

func (w *dozeAnswer) put(values ...int64) {
	for _, v := range values {
		w.words[w.n] = uint64(v)
		w.n++
	}
}

// dozePV serves prctl(abi.PVPrctl, op, p, n).
func dozePV(op, p, n uintptr) uintptr {
	w := &dozePVAnswer
	w.n = 0
	switch op {
	case abi.PVTimes:
		dozePVTimes(w)
	case abi.PVClock:
		w.put(dozeBit(dozeTime.kvmclock), int64(dozeClockApart), int64(dozeTime.mode), dozeNow(), dozeWallNow())
	case abi.PVMemory:
		for _, pages := range [...]uintptr{dozeTotalPages(), dozeMem.frames.FreePages(), dozeBootInfo.frames, dozeMostPages(),
			dozeTargetPages(), dozeBalloonPages()} {
			w.put(int64(pages * dozePage))
		}
	case abi.PVCPUs, abi.PVWatch, abi.PVChange, abi.PVAnswer:
		if wait, errno := dozePVCPUs(w, op, p); wait {
			return dozeWaitOn(nil, dozeAddr(&dozeHotplug.target))
		} else if errno != 0 {
			return errno
		}
	case abi.PVExits:
		s := &dozeStats
		w.put(int64(s.wakeups), int64(s.timers), int64(s.gates), int64(s.unknown))
	default:
		return dozeErr(linux.EINVAL)
	}
	if !dozeCopyOut(p, uintptr(unsafe.Pointer(&w.words)), min(n, w.n)*8) {
		return dozeErr(linux.EFAULT)
	}
	return w.n
}

func dozePVTimes(w *dozeAnswer) {
	w.put(dozeBit(dozeTime.features&abi.KVMSteal != 0))
	now := dozeNow()
	for i := uintptr(0); dozeOnline>>i != 0; i++ {
		if dozeOnline>>i&1 != 0 {
			t := dozeVCPUAt(i).times(now)
			w.put(int64(i), t.ran, t.idle, t.stolen)
		}
	}
}

func dozeBit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
