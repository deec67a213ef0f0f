package runtime

// The network poller of a Doze machine: one word, set by netpollBreak, waited
// for with a deadline. Nothing here can be polled yet, so netpollopen refuses
// as epoll does for regular files, and package os falls back to plain calls.

import (
	"internal/runtime/atomic"
	"unsafe"
)

var dozeBreak uint32

func netpollinit() {}

func netpollIsPollDescriptor(uintptr) bool { return false }

func netpollopen(uintptr, *pollDesc) uintptr { return dozeEPERM }

func netpollclose(uintptr) uintptr { return dozeEPERM }

func netpollarm(*pollDesc, int) {
	throw("runtime: netpollarm without a descriptor that can be polled")
}

// netpollBreak ends the wait in netpoll, or the next one if none is under way.
func netpollBreak() {
	if atomic.Xchg(&dozeBreak, 1) == 0 {
		futexwakeup(&dozeBreak, 1)
	}
}

// netpoll waits: for ever if delay < 0, not at all if 0, else for delay ns.
func netpoll(delay int64) (gList, int32) {
	if delay == 0 {
		return gList{}, 0
	}
	futexsleep((*uint32)(unsafe.Pointer(&dozeBreak)), 0, delay)
	atomic.Store(&dozeBreak, 0)
	return gList{}, 0
}
