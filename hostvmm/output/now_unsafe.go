package output

import (
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// now writes to a file as far as that is possible without waiting (RWF_NOWAIT,
// pwritev2(2)): to pipes, sockets and some devices. The kernel refuses the rest, files
// and terminals among them, and then it is off for good.
type now struct {
	raw  syscall.RawConn
	call func(fd uintptr)
	off  bool
	vec  unix.Iovec // of the write under way
	n    int        // what it wrote
}

// newNow returns nil for a writer that is no file.
func newNow(w io.Writer) *now {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	o := &now{raw: raw}
	o.call = o.pwritev // made once: a line of output leaves no garbage
	return o
}

// write returns how many of b's bytes were written, 0 after any error: the goroutine
// finds out which. One goroutine at a time calls it.
func (o *now) write(b []byte) int {
	if o.off {
		return 0
	}
	o.vec, o.n = unix.Iovec{Base: unsafe.SliceData(b), Len: uint64(len(b))}, 0
	if o.raw.Control(o.call) != nil {
		o.off = true
	}
	o.vec.Base = nil
	return o.n
}

// pwritev writes the vector at the file's own position, which is offset -1.
func (o *now) pwritev(fd uintptr) {
	here := -1
	n, _, errno := unix.Syscall6(unix.SYS_PWRITEV2, fd, uintptr(unsafe.Pointer(&o.vec)), 1, uintptr(here), 0, unix.RWF_NOWAIT)
	switch errno {
	case 0:
		o.n = int(n)
	case unix.EAGAIN, unix.EINTR:
	default:
		o.off = errno == unix.EOPNOTSUPP || errno == unix.ENOSYS || errno == unix.EINVAL
	}
}
