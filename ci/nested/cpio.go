package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// archive writes a cpio archive in the "newc" form, the one the kernel unpacks as
// initramfs (Linux Documentation/driver-api/early-userspace/buffer-format.rst).
// Archives may follow one another in one file.
type archive struct {
	w    io.Writer
	ino  int
	dirs map[string]bool
	err  error
}

func newArchive(w io.Writer) *archive {
	return &archive{w: w, dirs: map[string]bool{".": true, "/": true}}
}

// Modes of the entries made here.
const (
	modeDir  = 0o040755
	modeExec = 0o100755
	modeFile = 0o100644
	modeChar = 0o020600
)

// entry writes one header with its data; everything is padded to 4 bytes.
func (a *archive) entry(name string, mode, major, minor int, data []byte) {
	if a.err != nil {
		return
	}
	a.ino++
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.ino, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0, name)
	for _, part := range [][]byte{[]byte(head), data} {
		if _, a.err = a.w.Write(part); a.err != nil {
			return
		}
		if _, a.err = a.w.Write(make([]byte, -len(part)&3)); a.err != nil {
			return
		}
	}
}

// parents makes the folders above name.
func (a *archive) parents(name string) {
	dir := path.Dir(name)
	if a.dirs[dir] {
		return
	}
	a.parents(dir)
	a.dirs[dir] = true
	a.entry(dir, modeDir, 0, 0, nil)
}

func (a *archive) file(name string, mode int, data []byte) {
	a.parents(name)
	a.entry(name, mode, 0, 0, data)
}

// tree copies a file or folder of the host.
func (a *archive) tree(src, dst string) error {
	return filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s: only plain files can go into the machine", p)
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		if err != nil {
			return err
		}
		mode := modeFile
		if info.Mode()&0o111 != 0 {
			mode = modeExec
		}
		a.file(path.Join(dst, filepath.ToSlash(rel)), mode, data)
		return a.err
	})
}

// close ends the archive and pads it, so that another can follow.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, 0, 0, nil)
	return a.err
}
