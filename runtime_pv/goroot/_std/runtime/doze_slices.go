package runtime

// Long calls. A call that takes longer than dozeStay is served in slices: at the
// end of one the thread is set back to the instruction that made the call, and
// makes it again, with how far it came. In between the lock is free, interrupts
// are taken, and other threads have their turn; signals wait for the call's end,
// as they do on Linux.

import (
	goabi "internal/abi"
	"internal/runtime/atomic"
	"internal/runtime/doze/mmio"
)

const (
	// dozeStay is how long a slice lasts. The other vCPUs may have to stand still
	// meanwhile.
	dozeStay = 500_000 // ns
	// dozeEntries bounds how many entries of the tables are changed at once: the KVM that
	// takes longest for one takes some 10 µs.
	dozeEntries = 64
	// dozePolite is how long the next slice waits for those who wait for the lock.
	dozePolite = 1_000_000 // ns
)

// dozeSliceOf is how far the current thread's call came in the slices before, 0 if
// this is the first, and when this slice is over.
func dozeSliceOf(t *dozeThread) (at uintptr, until int64) { return t.from, dozeNow() + dozeStay }

// dozeNextSlice ends a slice. at, which is not 0, is what the next one begins with.
func dozeNextSlice(t *dozeThread, at uintptr) uintptr {
	t.at = at
	dozeStats.slices++
	dozeCallAgain(t)
	return dozeKeep
}

// dozeClearUp ends a call whose result is known and that left pages of files to be
// freed, its own or another's: the thread goes on with that until there are none, and has
// the result then.
func dozeClearUp(t *dozeThread) {
	if !dozeTree.fs.Doomed() {
		dozeTreePages.letting.flush()
		return
	}
	if dozeTreeReap(dozeNow() + dozeStay) {
		t.result, t.rax = t.rax, dozeCallClearUp
		dozeNextSlice(t, 1)
	}
}

// dozeCallAgain sets a thread back to the CALL of dozecall.
func dozeCallAgain(t *dozeThread) {
	t.rsp -= 8
	mmio.Store64(t.rsp, uint64(t.rip)) // where the CALL had put it
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
