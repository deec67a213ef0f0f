package runtime

// What replaces the runtime's own way in three places: the limit of memory, and
// waiting: sysmon, whose
// sleeps must not wake an idle machine, and the network poller, which here is a
// thread that waits for a word with a deadline in nanoseconds.

import (
	"internal/runtime/atomic"
	"unsafe"
)

// dozecall is called by the assembly of package syscall and of
// internal/runtime/syscall/linux too; the linker wants to be told.
//
//go:linkname dozecall
func dozecall()

// dozeOwnCall makes one of the kernel's own calls.
func dozeOwnCall(nr, arg uintptr)

// dozeLimitMargin is the part of the free memory, one in so many, that is kept
// from the limit: for page tables, thread pages, files, and what the collector cannot
// foresee.
const dozeLimitMargin = 16

// dozeMemoryLimit is the default of GOMEMLIMIT: what the machine can have beyond what
// is in use when the runtime starts, less a margin. On Linux there is no limit, and a heap that grows beyond
// the memory is killed where one collection might have saved it.
func dozeMemoryLimit() int64 {
	dozeLimit.ours = dozeLimitFor(dozeMostPages())
	return dozeLimit.ours
}

// dozeSysmonDelay stands for sysmon's usleep: until the machine has been awake
// for another 10 ms, the longest that sysmon itself would sleep.
func dozeSysmonDelay(uint32) {
	dozeOwnCall(dozeCallSysmonDelay, 0)
}

// dozeSysmonWait stands for sysmon's notetsleep while all Ps are idle. The time
// asked for is not waited for: it would be the next timer's, which wakes the
// machine anyway, or a minute. It returns whether the note was set.
func dozeSysmonWait(n *note, _ int64) bool {
	key := key32(&n.key)
	if atomic.Load(key) == 0 {
		dozeOwnCall(dozeCallSysmonWait, uintptr(unsafe.Pointer(key)))
	}
	return atomic.Load(key) != 0
}
