// Package fs is the file system of a machine: a Unix tree of directories,
// regular files, symbolic links, devices and FIFOs that lives in memory, and the
// files an image carries along (a cpio archive, whose bytes are used where they
// lie until somebody writes to them).
//
// The code runs beneath the Go scheduler, on the kernel's stack. So it must
// never allocate, block, or store a Go pointer: everything it remembers is in
// pages that the caller gives, referred to by address. It has no lock and no
// notion of processes; it checks no permissions, since everything in a machine is
// root, but keeps the bits. It never touches memory of the program: who reads or
// writes a file gets the address of a piece of it (Peek, Prepare) and copies.
//
// Results are Linux error numbers, 0 for none.
package fs

import (
	"unsafe"

	"github.com/doze-vm/doze/kernel/linux"
)

// Limits (Linux limits.h, namei.h).
const (
	PageSize = 4 << 10
	NameMax  = 255
	PathMax  = 4096 // with the zero at the end
	maxLinks = 40   // symbolic links in one path
)

// Errno is a Linux error number, 0 for none.
type Errno = linux.Errno

// FS is a file system. It holds no pointer, so that it may be a variable of the
// kernel's. Init comes first.
type FS struct {
	// Now is the time, in ns since 1970, that changes are stamped with. The caller
	// keeps it.
	Now int64

	alloc, release uintptr // functions, as Init got them
	fill, follow   uintptr // hooks, or 0
	unmap          uintptr // hook, or 0
	room           uintptr // hook, or 0
	doomed         Node    // files without name or holder whose pages are left to Reap, a list

	root    Node
	pages   uintptr // in use
	nodes   uintptr
	lastIno uint64
	cookie  uint64 // the latest entry's place in its directory
	slabs   [classes]uintptr
	names   table
	trail   [maxLinks]span // what of a path is left behind symbolic links
}

// Init makes an empty file system of pages that alloc gives, zeroed and at
// addresses divisible by PageSize, 0 for none, and that release takes back.
//
// Both must be functions that the garbage collector doesn't move or free: they
// are remembered by address.
func (f *FS) Init(alloc func() uintptr, release func(uintptr)) Errno {
	*f = FS{Now: f.Now}
	f.alloc = *(*uintptr)(unsafe.Pointer(&alloc))
	f.release = *(*uintptr)(unsafe.Pointer(&release))
	root := f.newNode(TypeDir|0o755, 0)
	if root == 0 {
		return linux.ENOSPC
	}
	f.root = root
	return 0
}

// Hooks are called for the nodes that Mark gives the flags Dynamic and Magic.
// fill brings a directory up to date before it is looked at; follow says what
// a link leads to. They are remembered as Init remembers its functions.
func (f *FS) Hooks(fill func(dir Node, tag uint32), follow func(link Node, tag uint32) (Node, Errno)) {
	f.fill = *(*uintptr)(unsafe.Pointer(&fill))
	f.follow = *(*uintptr)(unsafe.Pointer(&follow))
}

// OnUnmap sets the hook that is called before a file that is mapped somewhere lets
// go of its pages from lo up to hi: nobody may see them any more when it returns.
// copies says that those go, too, which private mappings have made of them.
func (f *FS) OnUnmap(unmap func(n Node, lo, hi uintptr, copies bool)) {
	f.unmap = *(*uintptr)(unsafe.Pointer(&unmap))
}

// OnRoom sets the hook that says how many pages can be had.
func (f *FS) OnRoom(room func() uintptr) {
	f.room = *(*uintptr)(unsafe.Pointer(&room))
}

// fits reports whether so many pages can be had, and tables for them.
func (f *FS) fits(pages uintptr) bool {
	return f.room == 0 || pages+pages/words+maxHeight < (*(*func() uintptr)(unsafe.Pointer(&f.room)))()
}

func (f *FS) unmapPages(n Node, lo, hi uintptr, copies bool) {
	if f.unmap != 0 && f.inode(n).maps != 0 && lo < hi {
		(*(*func(Node, uintptr, uintptr, bool))(unsafe.Pointer(&f.unmap)))(n, lo, hi, copies)
	}
}

// Root is the directory that absolute paths begin at.
func (f *FS) Root() Node { return f.root }

// Pages is how many pages are in use.
func (f *FS) Pages() uintptr { return f.pages }

// Nodes is how many files, directories and so on there are.
func (f *FS) Nodes() uintptr { return f.nodes }

func (f *FS) page() uintptr {
	p := (*(*func() uintptr)(unsafe.Pointer(&f.alloc)))()
	if p != 0 {
		f.pages++
	}
	return p
}

func (f *FS) freePage(p uintptr) {
	f.pages--
	(*(*func(uintptr))(unsafe.Pointer(&f.release)))(p)
}

// at turns an address into a pointer. What lies there is no Go memory, so that
// the garbage collector has no interest in it.
func at(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

func load16(addr uintptr) uint16     { return *(*uint16)(at(addr)) }
func load(addr uintptr) uintptr      { return *(*uintptr)(at(addr)) }
func store16(addr uintptr, v uint16) { *(*uint16)(at(addr)) = v }
func store(addr, v uintptr)          { *(*uintptr)(at(addr)) = v }
func view(addr, n uintptr) []byte    { return unsafe.Slice((*byte)(at(addr)), n) }
func text(addr, n uintptr) string    { return unsafe.String((*byte)(at(addr)), n) }
func addrOf(s string) uintptr        { return uintptr(unsafe.Pointer(unsafe.StringData(s))) }
func clearAt(addr, n uintptr)        { clear(view(addr, n)) }
func copyTo(addr uintptr, s string)  { copy(view(addr, uintptr(len(s))), s) }
func copyBytes(dst, src, n uintptr)  { copy(view(dst, n), view(src, n)) }
func pageOf(addr uintptr) uintptr    { return addr &^ (PageSize - 1) }
func roundUp(n, to uintptr) uintptr  { return (n + to - 1) &^ (to - 1) }
