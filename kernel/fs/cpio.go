package fs

import "github.com/doze-vm/doze/kernel/linux"

// Archives in the "newc" format (Linux
// Documentation/driver-api/early-userspace/buffer-format.rst), as an image carries
// them. Names, bytes of files and texts of links are used where they lie.

const (
	cpioHead    = 110 // magic and 13 fields of 8 hexadecimal digits
	cpioMagic   = "070701"
	cpioMagicCR = "070702" // with checksums, which nobody checks here
	cpioEnd     = "TRAILER!!!"
)

// Offsets of the fields used.
const (
	cpioMode     = 6 + 1*8
	cpioMtime    = 6 + 5*8
	cpioFileSize = 6 + 6*8
	cpioNameSize = 6 + 11*8
)

// member is one entry of an archive.
type member struct {
	name  span
	body  span
	mode  uint32
	mtime int64
}

// archive is what is left of one to read.
type archive struct{ rest span }

// next reads a member. It says false at the end, and EINVAL for what is no
// archive.
func (a *archive) next(m *member) (bool, Errno) {
	s := a.rest.text()
	if len(s) < cpioHead || s[:len(cpioMagic)] != cpioMagic && s[:len(cpioMagic)] != cpioMagicCR {
		return false, linux.EINVAL
	}
	mode, ok1 := hex(s, cpioMode)
	mtime, ok2 := hex(s, cpioMtime)
	size, ok3 := hex(s, cpioFileSize)
	nameSize, ok4 := hex(s, cpioNameSize)
	if !ok1 || !ok2 || !ok3 || !ok4 || nameSize < 2 || nameSize > PathMax {
		return false, linux.EINVAL
	}
	body := roundUp(cpioHead+nameSize, 4)
	end := roundUp(body+size, 4)
	if body+size > uintptr(len(s)) {
		return false, linux.EINVAL
	}
	// More zeros than one align the body.
	name := s[cpioHead : cpioHead+nameSize]
	for len(name) > 0 && name[len(name)-1] == 0 {
		name = name[:len(name)-1]
	}
	if name == "" || uintptr(len(name)) == nameSize || hasZero(name) {
		return false, linux.EINVAL
	}
	m.name, m.body = spanOf(name), spanOf(s[body:body+size])
	m.mode, m.mtime = uint32(mode), int64(mtime)*1e9
	a.rest = spanOf(s[min(end, uintptr(len(s))):])
	return name != cpioEnd, 0
}

// hex reads 8 digits at an offset.
func hex(s string, at int) (v uintptr, ok bool) {
	for i := at; i < at+8; i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | uintptr(c)
	}
	return v, true
}

func hasZero(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			return true
		}
	}
	return false
}

// Mount puts the members of the archive at [lo, hi) into the tree, from the root
// on, and makes the directories they lack. The archive stays where it is, and
// as it is, for ever. frozen makes all that comes from it read-only. It takes
// directories, regular files and symbolic links, and refuses anything else, and
// names that lead through a link or "..", with EINVAL; what was read until then
// stays.
func (f *FS) Mount(lo, hi uintptr, frozen bool) Errno {
	a := archive{span{lo, hi - lo}}
	flags := uint32(0)
	if frozen {
		flags = ReadOnly
	}
	for {
		var m member
		more, errno := a.next(&m)
		if errno != 0 || !more {
			return errno
		}
		if errno := f.enter(&m, flags); errno != 0 {
			return errno
		}
	}
}

// enter makes the node of a member.
func (f *FS) enter(m *member, flags uint32) Errno {
	dir := f.root
	w := walk{rest: m.name}
	for {
		name, last, ok := f.cut(&w)
		if !ok {
			return 0 // the root, which is there already
		}
		if name == "." {
			if last && m.mode&TypeMask == TypeDir {
				return 0
			}
			continue
		}
		if name == ".." || len(name) > NameMax {
			return linux.EINVAL
		}
		if last {
			return f.enterLast(dir, name, m, flags)
		}
		next := f.Find(dir, name)
		if next == 0 {
			var errno Errno
			if next, errno = f.grow(dir, name, TypeDir|0o755, m, flags); errno != 0 {
				return errno
			}
		}
		if f.Type(next) != TypeDir {
			return linux.EINVAL
		}
		dir = next
	}
}

// grow is plant with the flags and times of a member; the directory's own times
// stay.
func (f *FS) grow(dir Node, name string, mode uint32, m *member, flags uint32) (Node, Errno) {
	d := f.inode(dir)
	mtime, ctime := d.mtime, d.ctime
	n, errno := f.plant(dir, name, mode, 0, true)
	if errno != 0 {
		return 0, errno
	}
	d.mtime, d.ctime = mtime, ctime
	i := f.inode(n)
	i.flags |= flags
	i.mtime, i.ctime, i.atime = m.mtime, m.mtime, m.mtime
	return n, 0
}

// enterLast makes the node itself. A directory that exists stays as it is; any
// other name may come once only.
func (f *FS) enterLast(dir Node, name string, m *member, flags uint32) Errno {
	kind := m.mode & TypeMask
	switch {
	case kind != TypeDir && kind != TypeFile && kind != TypeLink:
		return linux.EINVAL
	case kind == TypeLink && (m.body.n == 0 || m.body.n >= PathMax || hasZero(m.body.text())):
		return linux.EINVAL
	}
	if n := f.Find(dir, name); n != 0 {
		if kind == TypeDir && f.Type(n) == TypeDir {
			return 0
		}
		return linux.EINVAL
	}
	n, errno := f.grow(dir, name, m.mode&(TypeMask|permMask), m, flags)
	if errno != 0 {
		return errno
	}
	if kind != TypeDir {
		f.inode(n).useInPlace(m.body.text())
	}
	return 0
}
