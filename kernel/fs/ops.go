package fs

import "github.com/doze-vm/doze/kernel/linux"

// The calls that make and remove names. Each takes a Place that Lookup found
// with Parent (Make also with Follow, for open(2)), and looks at nothing again:
// nothing may happen in between.

// Make makes a node of a type and with the permissions of mode at a place that
// is not taken.
func (f *FS) Make(p Place, mode uint32, dev uint64) (Node, Errno) {
	if errno := f.mayMake(p, mode&TypeMask == TypeDir); errno != 0 {
		return 0, errno
	}
	return f.plant(p.Dir, p.Name(), mode, dev, false)
}

// mayMake says why nothing can be made at a place.
func (f *FS) mayMake(p Place, dir bool) Errno {
	switch {
	case p.Node != 0:
		return linux.EEXIST
	case p.Slash && !dir:
		return linux.ENOENT
	}
	return f.mayChange(p.Dir)
}

// mayChange says why a directory's entries can't be changed.
func (f *FS) mayChange(dir Node) Errno {
	switch i := f.inode(dir); {
	case i.links == 0:
		return linux.ENOENT // it was removed
	case i.flags&ReadOnly != 0:
		return linux.EROFS
	}
	return 0
}

// Plant makes a node whatever the directory's flags say: for the owner of the
// tree.
func (f *FS) Plant(dir Node, name string, mode uint32, dev uint64) (Node, Errno) {
	if f.find(dir, name) != 0 {
		return 0, linux.EEXIST
	}
	return f.plant(dir, name, mode, dev, false)
}

func (f *FS) plant(dir Node, name string, mode uint32, dev uint64, inPlace bool) (Node, Errno) {
	d := f.inode(dir)
	n := f.newNode(mode, dev)
	if n == 0 {
		return 0, linux.ENOSPC
	}
	i := f.inode(n)
	if d.mode&setGID != 0 {
		i.gid = d.gid
		if i.is(TypeDir) {
			i.mode |= setGID
		}
	}
	if errno := f.link(dir, name, n, inPlace); errno != 0 {
		f.gone(n)
		return 0, errno
	}
	return n, 0
}

// PlantFile is Plant for a regular file whose name and bytes stay where they are
// for ever, as they are.
func (f *FS) PlantFile(dir Node, name string, perm uint32, body string) (Node, Errno) {
	if f.find(dir, name) != 0 {
		return 0, linux.EEXIST
	}
	n, errno := f.plant(dir, name, TypeFile|perm, 0, true)
	if errno == 0 {
		f.inode(n).useInPlace(body)
	}
	return n, errno
}

// PlantLink is Plant for a symbolic link.
func (f *FS) PlantLink(dir Node, name, target string) (Node, Errno) {
	if f.find(dir, name) != 0 {
		return 0, linux.EEXIST
	}
	body := f.take(uintptr(len(target)))
	if body == 0 {
		return 0, linux.ENOSPC
	}
	n, errno := f.plant(dir, name, TypeLink|0o777, 0, false)
	if errno != 0 {
		f.give(body, uintptr(len(target)))
		return 0, errno
	}
	copyTo(body, target)
	i := f.inode(n)
	i.data, i.size = body, uint64(len(target))
	return n, 0
}

// Uproot removes a name whatever the flags say. A directory must be empty.
func (f *FS) Uproot(dir Node, name string) Errno {
	a := f.find(dir, name)
	if a == 0 {
		return linux.ENOENT
	}
	f.unlink(a)
	return 0
}

// Find is the node that a name in a directory stands for, 0 for none. It calls
// no hook.
func (f *FS) Find(dir Node, name string) Node {
	if a := f.find(dir, name); a != 0 {
		return entryAt(a).node
	}
	return 0
}

// Symlink makes a symbolic link with the text target.
func (f *FS) Symlink(p Place, target string) Errno {
	switch {
	case target == "":
		return linux.ENOENT
	case len(target) >= PathMax:
		return linux.ENAMETOOLONG
	}
	if errno := f.mayMake(p, false); errno != 0 {
		return errno
	}
	_, errno := f.PlantLink(p.Dir, p.Name(), target)
	return errno
}

// Link gives a node another name. A file that has no name left can't get one
// again, unless it was made so (NewFile).
func (f *FS) Link(p Place, n Node, unnamed bool) Errno {
	if errno := f.mayMake(p, false); errno != 0 {
		return errno
	}
	i := f.inode(n)
	switch {
	case i.is(TypeDir):
		return linux.EPERM
	case i.flags&ReadOnly != 0:
		return linux.EROFS
	case i.links == 0 && (!unnamed || i.flags&lost != 0):
		return linux.ENOENT
	case i.links == ^uint32(0):
		return linux.EMLINK
	}
	return f.link(p.Dir, p.Name(), n, false)
}

// Unlink removes a name that is no directory's.
func (f *FS) Unlink(p Place) Errno {
	switch {
	case p.Last != LastName:
		return linux.EISDIR
	case p.Node == 0:
		return linux.ENOENT
	case f.Type(p.Node) == TypeDir:
		return linux.EISDIR
	case p.Slash:
		return linux.ENOTDIR
	case f.Frozen(p.Dir) || f.Frozen(p.Node):
		return linux.EROFS
	}
	f.unlink(p.entry)
	return 0
}

// Rmdir removes an empty directory.
func (f *FS) Rmdir(p Place) Errno {
	switch p.Last {
	case LastDot:
		return linux.EINVAL
	case LastDotDot:
		return linux.ENOTEMPTY
	case LastRoot:
		return linux.EBUSY
	}
	switch {
	case p.Node == 0:
		return linux.ENOENT
	case f.Type(p.Node) != TypeDir:
		return linux.ENOTDIR
	case f.inode(p.Node).dataLen != 0:
		return linux.ENOTEMPTY
	case f.Frozen(p.Dir) || f.Frozen(p.Node):
		return linux.EROFS
	}
	f.unlink(p.entry)
	return 0
}

// Flags of Rename (Linux fs.h).
const (
	RenameNoReplace = 1
	RenameExchange  = 2
)

// CheckRename says whether Rename takes flags; Linux looks before it looks at the
// paths.
func CheckRename(flags uint32) Errno {
	if flags&^(RenameNoReplace|RenameExchange) != 0 || flags == RenameNoReplace|RenameExchange {
		return linux.EINVAL
	}
	return 0
}

// Rename moves a name. CheckRename has seen the flags.
func (f *FS) Rename(from, to Place, flags uint32) Errno {
	if errno := f.mayRename(from, to, flags); errno != 0 {
		return errno
	}
	switch {
	case from.Node == to.Node:
		return 0
	case flags&RenameExchange != 0:
		f.exchange(from.entry, to.entry)
		return 0
	case to.Node != 0:
		f.point(to.entry, from.Node)
	default:
		if errno := f.link(to.Dir, to.Name(), from.Node, false); errno != 0 {
			return errno
		}
	}
	f.detach(from.entry)
	return 0
}

// mayRename says why a rename can't be done, in the order in which Linux looks.
func (f *FS) mayRename(from, to Place, flags uint32) Errno {
	switch {
	case from.Last != LastName:
		return linux.EBUSY
	case to.Last != LastName && flags&RenameNoReplace != 0:
		return linux.EEXIST
	case to.Last != LastName:
		return linux.EBUSY
	case from.Node == 0:
		return linux.ENOENT
	case flags&RenameNoReplace != 0 && to.Node != 0:
		return linux.EEXIST
	case flags&RenameExchange != 0 && to.Node == 0:
		return linux.ENOENT
	}
	dir := f.Type(from.Node) == TypeDir
	switch {
	case !dir && from.Slash:
		return linux.ENOTDIR
	case !dir && flags&RenameExchange == 0 && to.Slash:
		return linux.ENOTDIR
	case flags&RenameExchange != 0 && to.Slash && f.Type(to.Node) != TypeDir:
		return linux.ENOTDIR
	case dir && f.within(to.Dir, from.Node):
		return linux.EINVAL
	case to.Node != 0 && f.within(from.Dir, to.Node):
		if flags&RenameExchange != 0 {
			return linux.EINVAL
		}
		return linux.ENOTEMPTY
	case from.Node == to.Node:
		return 0
	case f.Frozen(from.Dir) || f.Frozen(from.Node) || to.Node != 0 && f.Frozen(to.Node):
		return linux.EROFS
	}
	if errno := f.mayChange(to.Dir); errno != 0 || flags&RenameExchange != 0 || to.Node == 0 {
		return errno
	}
	return f.mayReplace(from.Node, to.Node)
}

// mayReplace says why a node can't take another one's place.
func (f *FS) mayReplace(from, to Node) Errno {
	dir, over := f.Type(from) == TypeDir, f.Type(to) == TypeDir
	switch {
	case dir && !over:
		return linux.ENOTDIR
	case !dir && over:
		return linux.EISDIR
	case over && f.inode(to).dataLen != 0:
		return linux.ENOTEMPTY
	}
	return 0
}

// within reports whether n is top or below it.
func (f *FS) within(n, top Node) bool {
	for ; n != top; n = f.parent(n) {
		if n == f.root || n == 0 {
			return false
		}
	}
	return true
}

func (f *FS) exchange(a, b uintptr) {
	f.unnamed(a)
	f.unnamed(b)
	x, y := entryAt(a), entryAt(b)
	x.node, y.node = y.node, x.node
	f.named(a)
	f.named(b)
	f.changed(x.dir)
	f.changed(y.dir)
}
