package fs

import (
	"unsafe"

	"github.com/doze-vm/doze/kernel/linux"
)

// Directories: their entries, and what becomes of a node that gets or loses a
// name. None of these look at flags; the calls in ops.go do.

// link gives node a name in dir that is not taken. inPlace says that the name
// stays where it is for ever.
func (f *FS) link(dir Node, name string, node Node, inPlace bool) Errno {
	if !f.startNames() {
		return linux.ENOSPC
	}
	var probe entry
	probe.length = uint16(len(name))
	if inPlace {
		probe.inPlace = 1
	}
	a := f.take(probe.size())
	if a == 0 {
		return linux.ENOSPC
	}
	e := entryAt(a)
	e.length, e.inPlace = probe.length, probe.inPlace
	if inPlace {
		e.name = addrOf(name)
	} else {
		copyTo(uintptr(unsafe.Pointer(&e.name)), name)
	}
	e.dir, e.node, e.hash = dir, node, f.hashOf(dir, name)
	f.hashIn(a)
	f.append(dir, a)
	f.named(a)
	return 0
}

// append puts an entry at the end of its directory.
func (f *FS) append(dir Node, a uintptr) {
	d, e := f.inode(dir), entryAt(a)
	f.cookie++
	e.cookie = f.cookie + firstCookie
	e.prev, e.next = d.data, 0
	if d.data != 0 {
		entryAt(d.data).next = a
	} else {
		d.root = a
	}
	d.data = a
	d.dataLen++
	f.changed(dir)
}

// named counts a new name of an entry's node.
func (f *FS) named(a uintptr) {
	e := entryAt(a)
	i := f.inode(e.node)
	i.entry = a
	i.ctime = f.Now
	if i.is(TypeDir) {
		f.inode(e.dir).links++ // ".."
	} else {
		i.links++
	}
}

// unlink takes an entry away, and the node with it if that was all that kept it.
// A directory must be empty.
func (f *FS) unlink(a uintptr) {
	e := entryAt(a)
	node := e.node
	f.takeOut(a)
	i := f.inode(node)
	if i.is(TypeDir) {
		i.links = 0
	}
	if i.links == 0 && (i.holds != 0 || i.maps != 0) {
		i.entry = a // who holds it may ask what it was called
		f.Hold(e.dir)
	} else {
		f.give(a, e.size())
	}
	f.gone(node)
}

// gone frees a node that has lost a name, if it was the last.
func (f *FS) gone(node Node) {
	i := f.inode(node)
	if i.is(TypeDir) {
		i.links = 0
	}
	if i.links == 0 {
		i.flags |= lost
	}
	f.reap(node)
}

// unnamed is the opposite of named.
func (f *FS) unnamed(a uintptr) {
	e := entryAt(a)
	i := f.inode(e.node)
	if i.entry == a {
		i.entry = 0
	}
	i.ctime = f.Now
	if i.is(TypeDir) {
		f.inode(e.dir).links--
	} else {
		i.links--
	}
}

// detach takes an entry out of its directory and frees it; the node stays.
func (f *FS) detach(a uintptr) {
	f.takeOut(a)
	f.give(a, entryAt(a).size())
}

// takeOut takes an entry out of its directory; entry and node stay.
func (f *FS) takeOut(a uintptr) {
	f.unnamed(a)
	e := entryAt(a)
	d := f.inode(e.dir)
	if e.prev != 0 {
		entryAt(e.prev).next = e.next
	} else {
		d.root = e.next
	}
	if e.next != 0 {
		entryAt(e.next).prev = e.prev
	} else {
		d.data = e.prev
	}
	d.dataLen--
	f.changed(e.dir)
	f.hashOut(a)
}

// point makes an entry stand for another node. It needs no memory, so it can't
// fail.
func (f *FS) point(a uintptr, node Node) {
	e := entryAt(a)
	f.unnamed(a)
	old := e.node
	e.node = node
	f.named(a)
	f.changed(e.dir)
	f.gone(old)
}

// Cookies: the places in a directory before which a reading goes on.
const (
	cookieDot    = 0
	cookieDotDot = 1
	firstCookie  = 1 // those of entries are greater
)

// Dirent is one entry as readdir gives it.
type Dirent struct {
	Name   string
	Ino    uint64
	Type   uint32
	Cookie uint64 // where the reading goes on after it
}

// Next returns the entry of a directory that comes after a cookie, beginning
// with 0. Cookies stay good while other entries come and go.
func (f *FS) Next(dir Node, cookie uint64) (d Dirent, ok bool) {
	i := f.inode(dir)
	switch {
	case cookie == cookieDot:
		f.refresh(dir)
		return Dirent{".", i.ino, TypeDir, cookieDotDot}, true
	case cookie == cookieDotDot:
		up := dir
		if p := f.parent(dir); p != 0 {
			up = p
		}
		return Dirent{"..", f.inode(up).ino, TypeDir, firstCookie + 1}, true
	}
	return f.after(i, cookie)
}

// after is Next among the entries. A cookie names the first place that has not
// been seen.
func (f *FS) after(dir *inode, cookie uint64) (d Dirent, ok bool) {
	if dir.root == 0 || cookie > entryAt(dir.data).cookie {
		return d, false
	}
	a, first, last := dir.root, entryAt(dir.root).cookie, entryAt(dir.data).cookie
	if cookie > first && last-cookie < cookie-first {
		// Nearer to the end: go back from there.
		for a = dir.data; entryAt(entryAt(a).prev).cookie >= cookie; {
			a = entryAt(a).prev
		}
	}
	for entryAt(a).cookie < cookie {
		a = entryAt(a).next
	}
	e := entryAt(a)
	n := f.inode(e.node)
	return Dirent{e.text(), n.ino, n.mode & TypeMask, e.cookie + 1}, true
}

// parent is the directory above, or was when dir was removed. It is 0 for one that
// another took the place of.
func (f *FS) parent(dir Node) Node {
	if dir == f.root {
		return dir
	}
	if a := f.inode(dir).entry; a != 0 {
		return entryAt(a).dir
	}
	return 0
}

// refresh lets the fill hook bring a directory up to date.
func (f *FS) refresh(dir Node) {
	if i := f.inode(dir); i.flags&Dynamic != 0 && f.fill != 0 {
		f.callFill(dir, i.tag)
	}
}

func (f *FS) callFill(dir Node, tag uint32) {
	(*(*func(Node, uint32))(unsafe.Pointer(&f.fill)))(dir, tag)
}

// Path writes the path of a node to the end of the size bytes at buf and
// returns it: of a node that has lost its last name, what that was. It fails with
// ENOENT if that is not known, with ERANGE if there is no room.
func (f *FS) Path(n Node, buf, size uintptr) (string, Errno) {
	end := buf + size
	p := end
	for n != f.root {
		a := f.inode(n).entry
		if a == 0 {
			return "", linux.ENOENT
		}
		name := entryAt(a).text()
		if p-buf < uintptr(len(name))+1 {
			return "", linux.ERANGE
		}
		p -= uintptr(len(name))
		copyTo(p, name)
		p--
		copyTo(p, "/")
		n = entryAt(a).dir
	}
	if p == end {
		if size == 0 {
			return "", linux.ERANGE
		}
		p--
		copyTo(p, "/")
	}
	return text(p, end-p), 0
}
