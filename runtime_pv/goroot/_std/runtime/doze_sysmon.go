package runtime

// What replaces the runtime's own way of waiting in two places: sysmon, whose
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
