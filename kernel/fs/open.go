package fs

import "github.com/doze-vm/doze/kernel/linux"

// Open serves open(2) as far as the tree is concerned: it finds or makes the node
// and holds it. flags are those of
// package linux; mode has the caller's mask applied.
func (f *FS) Open(start Node, path string, flags, mode uint32) (Node, Errno) {
	if flags&linux.OPath != 0 {
		flags &= linux.OPath | linux.ODirectory | linux.ONofollow
	}
	p, errno := f.openPlace(start, path, flags)
	if errno != 0 {
		return 0, errno
	}
	n := p.Node
	if n == 0 {
		if n, errno = f.Make(p, TypeFile|mode&permMask, 0); errno != 0 {
			return 0, errno
		}
	} else if errno = f.mayOpen(n, flags); errno != 0 {
		return 0, errno
	}
	f.Hold(n)
	return n, 0
}

// openPlace finds what is to be opened: a node, or where to make one.
func (f *FS) openPlace(start Node, path string, flags uint32) (Place, Errno) {
	how := Follow
	if flags&linux.ONofollow != 0 || flags&(linux.OCreat|linux.OExcl) == linux.OCreat|linux.OExcl {
		how = NoFollow
	}
	if flags&linux.OCreat != 0 {
		p, errno := f.Lookup(start, path, Parent)
		switch {
		case errno != 0:
			return p, errno
		case p.Slash && p.Last == LastName:
			return p, linux.EISDIR
		case flags&linux.ODirectory != 0:
			return p, linux.EINVAL
		}
	}
	p, errno := f.Lookup(start, path, how)
	switch {
	case flags&linux.OCreat != 0 && p.Slash && p.Last == LastName:
		errno = linux.EISDIR // a link says that it is one
	case errno == 0 && p.Node == 0 && flags&linux.OCreat == 0:
		errno = linux.ENOENT
	}
	return p, errno
}

// mayOpen says why a node can't be opened, and empties it if that is asked for.
func (f *FS) mayOpen(n Node, flags uint32) Errno {
	kind := f.Type(n)
	changes := flags&(linux.OAccess|linux.OTrunc) != 0
	switch {
	case flags&(linux.OCreat|linux.OExcl) == linux.OCreat|linux.OExcl:
		return linux.EEXIST
	case flags&linux.ODirectory != 0 && kind != TypeDir:
		return linux.ENOTDIR
	case kind == TypeLink && flags&linux.OPath == 0:
		return linux.ELOOP
	case kind == TypeDir && (changes || flags&linux.OCreat != 0):
		return linux.EISDIR
	case kind == TypeFile && changes && f.Frozen(n):
		return linux.EROFS
	case kind == TypeFile && flags&linux.OTrunc != 0:
		return f.Truncate(n, 0)
	}
	return 0
}
