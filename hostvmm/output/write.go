package output

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// writeAll writes all of b, or returns how much was written and why not all. A file
// is written by the system call itself: os.File ends the process when standard output
// is a broken pipe, where a machine's program is to be told.
func writeAll(w io.Writer, b []byte) (n int, err error) {
	f, ok := w.(*os.File)
	if !ok {
		n, err = w.Write(b)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		return max(0, min(n, len(b))), err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Write(func(fd uintptr) bool {
		n, err = writeFile(int(fd), b)
		return true
	})
	if failed != nil {
		return n, failed
	}
	return n, err
}

// writeFile writes all of b to a descriptor, which may be in non-blocking mode: other
// processes share it.
func writeFile(fd int, b []byte) (n int, err error) {
	for n < len(b) {
		k, err := unix.Write(fd, b[n:])
		switch {
		case err == unix.EAGAIN:
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
			if err != nil && err != unix.EINTR {
				return n, err
			}
		case err == unix.EINTR:
		case err != nil:
			return n, err
		case k == 0:
			return n, io.ErrShortWrite
		default:
			n += k
		}
	}
	return n, nil
}
