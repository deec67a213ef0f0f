// Package onecpu confines what a test or a benchmark starts to one physical CPU,
// where it has to share.
//
// It must never confine the caller for longer than the call.
package onecpu

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// maxCPUs is how many CPUs a unix.CPUSet can tell apart.
const maxCPUs = 1024

// First calls f on a thread that has the first of the caller's CPUs alone.
// Processes that f starts on that thread keep to it (sched_setaffinity(2)); other
// goroutines don't. f does not run if First returns an error.
func First(f func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	for i := range maxCPUs {
		if before.IsSet(i) {
			one.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("sched_setaffinity: %w", err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	f()
	return nil
}
