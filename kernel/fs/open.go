package fs

// Flags of Open (asm-generic/fcntl.h).
const (
	OpenWriteMask = 3
	OpenCreate    = 0o100
	OpenExcl      = 0o200
	OpenTrunc     = 0o1000
	OpenDirectory = 0o200000
	OpenNoFollow  = 0o400000
	OpenPath      = 0o10000000
)

// Open serves open(2) as far as the tree is concerned: it finds or makes the node
// and holds it. mode has the caller's mask applied.
func (f *FS) Open(start Node, path string, flags, mode uint32) (Node, Errno) {
	if flags&OpenPath != 0 {
		flags &= OpenPath | OpenDirectory | OpenNoFollow
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
	if flags&OpenNoFollow != 0 || flags&(OpenCreate|OpenExcl) == OpenCreate|OpenExcl {
		how = NoFollow
	}
	if flags&OpenCreate != 0 {
		p, errno := f.Lookup(start, path, Parent)
		switch {
		case errno != 0:
			return p, errno
		case p.Slash && p.Last == LastName:
			return p, EISDIR
		case flags&OpenDirectory != 0:
			return p, EINVAL
		}
	}
	p, errno := f.Lookup(start, path, how)
	switch {
	case flags&OpenCreate != 0 && p.Slash && p.Last == LastName:
		errno = EISDIR // a link says that it is one
	case errno == 0 && p.Node == 0 && flags&OpenCreate == 0:
		errno = ENOENT
	}
	return p, errno
}

// mayOpen says why a node can't be opened, and empties it if that is asked for.
func (f *FS) mayOpen(n Node, flags uint32) Errno {
	kind := f.Type(n)
	changes := flags&(OpenWriteMask|OpenTrunc) != 0
	switch {
	case flags&(OpenCreate|OpenExcl) == OpenCreate|OpenExcl:
		return EEXIST
	case flags&OpenDirectory != 0 && kind != TypeDir:
		return ENOTDIR
	case kind == TypeLink && flags&OpenPath == 0:
		return ELOOP
	case kind == TypeDir && (changes || flags&OpenCreate != 0):
		return EISDIR
	case kind == TypeFile && changes && f.Frozen(n):
		return EROFS
	case kind == TypeFile && flags&OpenTrunc != 0:
		return f.Truncate(n, 0)
	}
	return 0
}
