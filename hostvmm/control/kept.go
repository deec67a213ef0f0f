package control

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/symbols"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// Kept is the image that a machine runs, open as long as that: the file may get
// another content or another name meanwhile, or none.
type Kept struct {
	file     *os.File
	path     string
	modified time.Time
	size     int64
}

// Keep opens an image. Who prunes images sees by the lock on it that it is used.
func Keep(path string) (*Kept, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO is no image
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	_ = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB) // some file systems have no locks
	return &Kept{file: file, path: path, modified: info.ModTime(), size: info.Size()}, nil
}

// Close lets go of the image.
func (k *Kept) Close() error { return k.file.Close() }

// Symbols reads the image's symbols, if it is what it was.
func (k *Kept) Symbols() (*symbols.Table, error) {
	info, err := k.file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.ModTime().Equal(k.modified) || info.Size() != k.size {
		return nil, fmt.Errorf("%s was written to since the machine was started", k.path)
	}
	return symbols.Read(func() (*elf.File, error) { return elf.NewFile(k.file) })
}

// WriteReport writes a crash report of a machine that runs the image.
func (k *Kept) WriteReport(w io.Writer, c *vm.Crash) error {
	syms, err := k.Symbols()
	return writeReport(w, c, syms, err)
}
