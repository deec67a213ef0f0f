package fs

import "github.com/doze-vm/doze/kernel/linux"

// Node is a file of any type: the address of its inode. 0 is none. A node lives
// as long as it has a name or is held.
type Node uintptr

// Types, as in a mode (Linux stat.h).
const (
	TypeMask   = 0o170000
	TypeFifo   = 0o010000
	TypeChar   = 0o020000
	TypeDir    = 0o040000
	TypeFile   = 0o100000
	TypeLink   = 0o120000
	TypeSocket = 0o140000

	permMask = 0o7777
	setUID   = 0o4000
	setGID   = 0o2000
	groupX   = 0o010
)

// Flags of a node.
const (
	ReadOnly = 1 << iota // nothing of it changes, and nothing in it
	Dynamic              // a directory that the fill hook keeps up to date
	Magic                // a link that the follow hook follows
	lost                 // it had a name once, and has none any more
)

const inodeSize = 128

// inode is what a node is. A directory's entries form a list in the order in
// which they were made; a file's pages form a tree; a link's text is at data.
type inode struct {
	mode, links uint32
	holds       uint32 // open files, working directories
	flags       uint32
	ino, size   uint64

	root    uintptr // the page tree; or a directory's first entry
	data    uintptr // bytes used in place, or a link's text; or a directory's last entry; or what a FIFO knows
	dataLen uintptr // how many bytes in place; or how many entries
	entry   uintptr // a directory's only entry; else the latest of its entries, if it is left; without a name the last, which holds its directory
	pages   uintptr // of data
	height  uint32  // of the page tree
	tag     uint32  // what the owner of special nodes knows them by

	uid, gid            uint32
	mtime, ctime, atime int64
	dev                 uint64
	maps                uint64 // pages of address space that show the file
}

func (f *FS) inode(n Node) *inode { return (*inode)(at(uintptr(n))) }

func (i *inode) is(kind uint32) bool { return i.mode&TypeMask == kind }

// newNode makes a node without a name, 0 if there is no memory.
func (f *FS) newNode(mode uint32, dev uint64) Node {
	n := Node(f.take(inodeSize))
	if n == 0 {
		return 0
	}
	f.lastIno++
	f.nodes++
	i := f.inode(n)
	i.ino, i.mode, i.dev = f.lastIno, mode, dev
	i.mtime, i.ctime, i.atime = f.Now, f.Now, f.Now
	if i.is(TypeDir) {
		i.links = 2 // its name and "."
	}
	return n
}

// NewFile makes a regular file without a name, held once (O_TMPFILE).
func (f *FS) NewFile(mode uint32) (Node, Errno) {
	n := f.newNode(TypeFile|mode&permMask, 0)
	if n == 0 {
		return 0, linux.ENOSPC
	}
	f.Hold(n)
	return n, 0
}

// Hold keeps a node alive until Release.
func (f *FS) Hold(n Node) { f.inode(n).holds++ }

// Release ends one Hold.
func (f *FS) Release(n Node) {
	f.inode(n).holds--
	f.reap(n)
}

// Mapped notes that so many pages more, or fewer, of address space show a file. It
// lives as long as there are any.
func (f *FS) Mapped(n Node, pages int) {
	i := f.inode(n)
	i.maps += uint64(pages)
	f.reap(n)
}

// reap frees a node that has neither a name nor a holder, and so on with the directory
// that it was in.
func (f *FS) reap(n Node) {
	for n != 0 {
		n = f.reapOne(n)
	}
}

// reapOne frees a node and returns the directory that it does not hold any more, 0 if
// there is none.
func (f *FS) reapOne(n Node) (up Node) {
	i := f.inode(n)
	if i.links != 0 || i.holds != 0 || i.maps != 0 || n == f.root {
		return 0
	}
	if i.entry != 0 { // the last one, which it kept
		e := entryAt(i.entry)
		up = e.dir
		f.inode(up).holds--
		f.give(i.entry, e.size())
		i.entry = 0
	}
	switch {
	case i.is(TypeFile) && i.pages > fewPages:
		i.data, f.doomed = uintptr(f.doomed), n
		return up
	case i.is(TypeFile):
		f.dropPages(i, 0, maxPages)
	case i.is(TypeLink) && i.dataLen == 0 && i.data != 0:
		f.give(i.data, uintptr(i.size))
	}
	f.nodes--
	f.give(uintptr(n), inodeSize)
	return up
}

// Mark gives a node these flags and no others, and a tag for the hooks.
func (f *FS) Mark(n Node, flags, tag uint32) {
	i := f.inode(n)
	i.flags, i.tag = flags, tag
}

// Tag is what Mark gave.
func (f *FS) Tag(n Node) uint32 { return f.inode(n).tag }

// Attach lets a FIFO know of something of the caller's; 0 ends that.
func (f *FS) Attach(n Node, v uintptr) {
	if i := f.inode(n); i.is(TypeFifo) {
		i.data = v
	}
}

// Attached is what Attach gave a FIFO.
func (f *FS) Attached(n Node) uintptr {
	if i := f.inode(n); i.is(TypeFifo) {
		return i.data
	}
	return 0
}

// Mode is a node's type and permissions.
func (f *FS) Mode(n Node) uint32 { return f.inode(n).mode }

// Type is the type alone.
func (f *FS) Type(n Node) uint32 { return f.inode(n).mode & TypeMask }

// Size is a file's length in bytes.
func (f *FS) Size(n Node) uint64 { return f.inode(n).size }

// Frozen reports whether a node may not be changed.
func (f *FS) Frozen(n Node) bool { return f.inode(n).flags&ReadOnly != 0 }

// Info is what stat(2) tells.
type Info struct {
	Ino, Size, Blocks   uint64 // blocks of 512 bytes
	Mode, Links         uint32
	UID, GID            uint32
	Dev                 uint64 // what a device node stands for
	Atime, Mtime, Ctime int64
}

// Lost reports whether n had a name once, and has none any more.
func (f *FS) Lost(n Node) bool { return f.inode(n).flags&lost != 0 }

// Stat fills st.
func (f *FS) Stat(n Node, st *Info) {
	i := f.inode(n)
	*st = Info{Ino: i.ino, Size: i.size, Mode: i.mode, Links: i.links, UID: i.uid, GID: i.gid,
		Dev: i.dev, Atime: i.atime, Mtime: i.mtime, Ctime: i.ctime}
	const block, perPage = 512, PageSize / 512
	switch i.mode & TypeMask {
	case TypeFile:
		st.Blocks = uint64(i.pages*perPage + roundUp(i.dataLen, block)/block)
	case TypeDir:
		const perEntry = 20 // as tmpfs counts
		st.Size = uint64(i.dataLen+2) * perEntry
	}
}

// Chmod sets the permission bits.
func (f *FS) Chmod(n Node, mode uint32) Errno {
	i := f.inode(n)
	switch {
	case i.flags&ReadOnly != 0:
		return linux.EROFS
	case i.is(TypeLink):
		return linux.EOPNOTSUPP
	}
	i.mode = i.mode&TypeMask | mode&permMask
	i.ctime = f.Now
	return 0
}

// Chown sets owner and group; ^0 leaves one as it is. A program that is owned
// by somebody else no longer runs as its owner.
func (f *FS) Chown(n Node, uid, gid uint32) Errno {
	i := f.inode(n)
	if i.flags&ReadOnly != 0 {
		return linux.EROFS
	}
	if uid != ^uint32(0) {
		i.uid = uid
	}
	if gid != ^uint32(0) {
		i.gid = gid
	}
	if i.is(TypeFile) {
		i.mode &^= setUID
		if i.mode&groupX != 0 {
			i.mode &^= setGID
		}
	}
	i.ctime = f.Now
	return 0
}

// SetTimes sets the times that are asked for.
func (f *FS) SetTimes(n Node, atime, mtime int64, setA, setM bool) Errno {
	i := f.inode(n)
	if i.flags&ReadOnly != 0 {
		return linux.EROFS
	}
	if setA {
		i.atime = atime
	}
	if setM {
		i.mtime = mtime
	}
	if setA || setM {
		i.ctime = f.Now
	}
	return 0
}

// Accessed notes that a node was read, as Linux does by default ("relatime"): if
// it changed since, or a day later.
func (f *FS) Accessed(n Node) {
	const day = 24 * 60 * 60 * 1_000_000_000
	i := f.inode(n)
	if i.flags&ReadOnly == 0 && (i.atime <= i.mtime || i.atime <= i.ctime || f.Now-i.atime >= day) {
		i.atime = f.Now
	}
}

// changed stamps a node whose content changed.
func (f *FS) changed(n Node) {
	i := f.inode(n)
	i.mtime, i.ctime = f.Now, f.Now
}
