// Package outfile writes what a user names as output: an image, a report, a profile.
//
// A file is replaced in one step, so that an older one stays whole if the new one
// can't be written. What is no file is written to as it is: a device, a FIFO, a
// descriptor of ours such as /dev/stdout. A symbolic link stays one. The package must
// never put a file in the place of something else.
package outfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Write has write write the output called name. A new file gets the mode.
func Write(name string, mode fs.FileMode, write func(io.Writer) error) error {
	if err := writeTo(name, mode, write); err != nil {
		return fmt.Errorf("write %s: %w", name, short(err))
	}
	return nil
}

// short leaves out the name that the message has already, or that is a temporary one.
func short(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	if l := (*os.LinkError)(nil); errors.As(err, &l) {
		return l.Err
	}
	return err
}

func writeTo(name string, mode fs.FileMode, write func(io.Writer) error) error {
	if name == "" {
		return errors.New("give a file name")
	}
	target, fd, err := follow(name)
	if err != nil {
		return err
	}
	if fd >= 0 {
		return writeDescriptor(fd, target, write)
	}
	info, err := os.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.IsDir():
		return syscall.EISDIR
	case !info.Mode().IsRegular():
		return writeInPlace(target, write)
	}
	return replace(target, mode, write)
}

// maxLinks is how many symbolic links a path may lead through (Linux, path_resolution(7)).
const maxLinks = 40

// follow returns what a name leads to through symbolic links, whether that is there or
// not; fd is not negative if it is that descriptor of this process.
func follow(name string) (target string, fd int, err error) {
	for range maxLinks {
		to, err := os.Readlink(name)
		if err != nil {
			return name, -1, nil // no link, or nothing there
		}
		if fd, ok := ownDescriptor(name); ok {
			return name, fd, nil
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(name), to)
		}
		name = to
	}
	return "", -1, syscall.ELOOP
}

// ownDescriptor says which descriptor of this process a link in /proc/self/fd is. Such
// a link can't be read as a path, and a file that is opened anew has another offset.
func ownDescriptor(link string) (fd int, ok bool) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(link))
	if err != nil || dir != fmt.Sprintf("/proc/%d/fd", os.Getpid()) {
		return -1, false
	}
	fd, err = strconv.Atoi(filepath.Base(link))
	return fd, err == nil && fd >= 0
}

func writeDescriptor(fd int, name string, write func(io.Writer) error) error {
	own, err := syscall.Dup(fd)
	if err != nil {
		return err
	}
	syscall.CloseOnExec(own)
	file := os.NewFile(uintptr(own), name)
	return errors.Join(write(file), file.Close())
}

// writeInPlace waits for a reader where the name is a FIFO's, as every program does.
func writeInPlace(name string, write func(io.Writer) error) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

func replace(name string, mode fs.FileMode, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // fails if it was renamed
	if err := errors.Join(write(file), file.Chmod(mode), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
