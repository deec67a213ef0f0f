package embed

import (
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
)

// Parts of a "newc" entry.
const (
	magic   = "070701"
	trailer = "TRAILER!!!"
	header  = 110 // bytes

	modeFile    = 0o100000 // S_IFREG and its like (stat(2))
	modeDir     = 0o040000
	modeSymlink = 0o120000
	setUID      = 0o4000
	setGID      = 0o2000
	sticky      = 0o1000

	madeDir = modeDir | 0o755 // a folder that no tree has, above one
)

// write returns the archive: what is in a folder follows it.
func (c *collector) write() ([]byte, error) {
	var out []byte
	names := slices.Sorted(maps.Keys(c.entries))
	for i, name := range names {
		e := c.entries[name]
		data, err := e.content()
		if err != nil {
			return nil, err
		}
		out = appendEntry(out, i+1, name, e.mode(), e.mtime(), data)
	}
	return appendEntry(out, 0, trailer, 0, 0, nil), nil
}

func (e entry) content() ([]byte, error) {
	switch {
	case e.isDir():
		return nil, nil
	case e.target != "":
		return []byte(e.target), nil
	case e.info.Size() > math.MaxUint32:
		return nil, fmt.Errorf("embed %s: it has %d bytes, more than a machine can hold", e.source, e.info.Size())
	}
	data, err := os.ReadFile(e.source)
	if err != nil {
		return nil, fmt.Errorf("embed: %w", err)
	}
	return data, nil
}

// mode returns the entry's type and permissions as Linux has them.
func (e entry) mode() uint32 {
	if e.info == nil {
		return madeDir
	}
	m := e.info.Mode()
	bits := uint32(m.Perm())
	for _, b := range []struct {
		have fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, setUID}, {fs.ModeSetgid, setGID}, {fs.ModeSticky, sticky}, {fs.ModeDir, modeDir}, {fs.ModeSymlink, modeSymlink}} {
		if m&b.have != 0 {
			bits |= b.bit
		}
	}
	if m.IsRegular() {
		bits |= modeFile
	}
	return bits
}

// mtime returns the modification time in seconds, as far as the form can tell.
func (e entry) mtime() uint32 {
	if e.info == nil {
		return 0
	}
	return uint32(min(max(e.info.ModTime().Unix(), 0), math.MaxUint32))
}

// page is what a large file's data is aligned to: the guest can map it where it lies. A
// name may be so long with its padding (PATH_MAX).
const (
	page    = 4096
	nameMax = 4096
)

// appendEntry writes a header, the name and the data; header with name, and
// data, are padded to 4 bytes. A name is padded with further NULs if that brings the data of
// a file of a page or more to the beginning of one, as Linux's gen_init_cpio does.
// Owner and group are 0.
func appendEntry(out []byte, ino int, name string, mode, mtime uint32, data []byte) []byte {
	links := 1
	if mode&modeDir == modeDir {
		links = 2
	}
	size := len(name) + 1
	if fill := -(len(out) + header + size) & (page - 1); len(data) >= page && size+fill <= nameMax {
		size += fill
	}
	out = fmt.Appendf(out, "%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s",
		magic, ino, mode, 0, 0, links, mtime, len(data), 0, 0, 0, 0, size, 0, name)
	out = pad(append(out, make([]byte, size-len(name))...))
	return pad(append(out, data...))
}

func pad(out []byte) []byte { return append(out, make([]byte, -len(out)&3)...) }
