package runtime

// The one place where netpoll's epoll differs from Linux's.

import (
	"internal/runtime/syscall/linux"
	"unsafe"
)

// dozeNetpollWait stands for netpoll's epoll_wait, which waits for milliseconds:
// here it waits for delay ns, for ever if that is negative, and so a timer is one
// wake-up.
func dozeNetpollWait(epfd int32, events []linux.EpollEvent, n int32, delay int64) (int32, uintptr) {
	r, _, errno := linux.Syscall6(dozeCallNetpollWait, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(n), uintptr(delay), 0, 0)
	return int32(r), errno
}
