package runtime

// Long calls. A call that takes longer than dozeStay is served in slices: at the
// end of one the thread is set back to the instruction that made the call, and
// makes it again, with how far it came. In between the lock is free, interrupts
// are taken, and other threads have their turn; signals wait for the call's end,
// as they do on Linux.

import (
	goabi "internal/abi"
	"internal/runtime/atomic"
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
	"internal/runtime/doze/pvclock"
)

const (
	// dozeStay is how long a slice lasts. The other vCPUs may have to stand still
	// meanwhile.
	dozeStay = 500_000 // ns
	// dozeEntries bounds how many entries of the tables are changed at once: the KVM that
	// takes longest for one takes some 10 to 20 µs.
	dozeEntries = 32
	// dozeUnmaps bounds how many are taken away at once, which is quicker.
	dozeUnmaps = 128
	// dozePolite is how long the next slice waits for those who wait for the lock.
	dozePolite = 300_000 // ns
)

// dozeSliceOf is how far the current thread's call came in the slices before, 0 if
// this is the first, and when this slice is over.
func dozeSliceOf(t *dozeThread) (at uintptr, until int64) {
	s := &dozeSliceBegun
	s.stolen, _ = pvclock.Steal(dozeSelf().page() + abi.VCPUSteal)
	s.at = dozeNow()
	return t.from, s.at + dozeStay
}

// dozeSliceBegun is when the slice that is under way began, and what the host had stolen
// of the vCPU until then.
var dozeSliceBegun struct {
	at     int64
	stolen uint64
}

// dozeSliceTook notes how long a slice was, but for what the host stole.
func dozeSliceTook() {
	s := &dozeSliceBegun
	stolen, _ := pvclock.Steal(dozeSelf().page() + abi.VCPUSteal)
	took := uint64(dozeNow()-s.at) - (stolen - s.stolen)
	dozeStats.slices++
	if int64(took) > 0 {
		dozeStats.longest = max(dozeStats.longest, took)
	}
}

// dozeNextSlice ends a slice. at, which is not 0, is what the next one begins with.
func dozeNextSlice(t *dozeThread, at uintptr) uintptr {
	t.at = at
	dozeHoldOn(t, t.about)
	dozeSliceTook()
	dozeCallAgain(t)
	return dozeKeep
}

// dozeReaper is the thread that frees pages of files that are gone, nil if none does.
var dozeReaper *dozeThread

// dozeClearUp ends a call whose result is known and that left pages of files to be
// freed: the thread goes on with that until there are none, and has the result then. One
// thread does so at a time; others have no part in it, and what they leave is done, too.
func dozeClearUp(t *dozeThread) {
	if dozeReaper != nil && dozeReaper != t {
		return
	}
	if !dozeTree.fs.Doomed() {
		dozeTreePages.letting.flush()
	} else if _, until := dozeSliceOf(t); dozeTreeReap(until) {
		dozeReaper = t
		t.result, t.rax = t.rax, dozeCallClearUp
		dozeNextSlice(t, 1)
		return
	}
	if dozeReaper == t {
		dozeReaper = nil
	}
}

// dozeCallAgain sets a thread back to the CALL of dozecall.
func dozeCallAgain(t *dozeThread) {
	t.rsp -= 8
	if !dozePut(t.rsp, &t.rip) { // where the CALL had put it
		dozeCrashThread(t, "the stack of a call that goes on is gone", dozeFaultInfo{})
	}
	t.rip = goabi.FuncPCABI0(dozecall)
}

// Who waits for the kernel's lock, and how often it was given to one who waited.
var dozeLockWaiters, dozeLockTurns uint32

// dozeLockPolitely is dozeLock for the next slice of a call: who waits for the lock
// has it first.
func dozeLockPolitely() {
	v := dozeSelf()
	atomic.Store(&v.user, 0)
	if turns := atomic.Load(&dozeLockTurns); atomic.Load(&dozeLockWaiters) != 0 {
		for limit := dozeNow() + dozePolite; atomic.Load(&dozeLockTurns) == turns && dozeNow() < limit; {
			mmio.Pause()
		}
	}
	dozeLock()
}
