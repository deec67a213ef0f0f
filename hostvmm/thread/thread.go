// Package thread reads what Linux accounts to one of our threads: the CPU time it
// had and how long it was ready to run without a CPU (run delay). A vCPU's steal
// time is the run delay of the threads that ran it.
//
// It must never ask about threads of other processes, and never hold more
// descriptors than there were threads that asked.
package thread

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// schedstats are open /proc/self/task/TID/schedstat files by thread id: reading an
// open one takes a fifth of the time of opening it. A thread's number may come
// again; the old file fails then, and is opened again.
var schedstats sync.Map // int -> *os.File

// Delay is how long the thread was ready to run without a CPU, in ns: the second
// number of schedstat (Linux Documentation/scheduler/sched-stats.rst). The wait of
// a thread that waits now is not in it.
func Delay(tid int) (uint64, error) {
	if f, ok := schedstats.Load(tid); ok {
		if ns, err := readDelay(f.(*os.File)); err == nil {
			return ns, nil
		}
		if schedstats.CompareAndDelete(tid, f) {
			f.(*os.File).Close()
		}
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/schedstat", tid))
	if err != nil {
		return 0, err
	}
	forgetDead()
	if old, lost := schedstats.LoadOrStore(tid, f); lost {
		f.Close()
		f = old.(*os.File)
	}
	return readDelay(f)
}

// forgetDead closes the files of threads that have ended, when one is opened: there are
// never more than of threads that run, and of those that ended since.
func forgetDead() {
	schedstats.Range(func(tid, f any) bool {
		if _, err := readDelay(f.(*os.File)); err != nil && schedstats.CompareAndDelete(tid, f) {
			f.(*os.File).Close()
		}
		return true
	})
}

func readDelay(f *os.File) (uint64, error) {
	var text [80]byte
	n, err := f.ReadAt(text[:], 0) // another may close it
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return parseDelay(text[:n])
}

func parseDelay(text []byte) (uint64, error) {
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("schedstat %q: the second number is missing", text)
	}
	return strconv.ParseUint(string(fields[1]), 10, 64)
}

// CPU is the CPU time that the thread had so far, in ns.
func CPU(tid int) (uint64, error) {
	const perThread, scheduler = 4, 2 // CPUCLOCK_PERTHREAD_MASK, CPUCLOCK_SCHED (linux/posix-timers.h)
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^tid)<<3|perThread|scheduler, &ts); err != nil {
		return 0, fmt.Errorf("CPU clock of thread %d: %w", tid, err)
	}
	return uint64(ts.Nano()), nil
}
