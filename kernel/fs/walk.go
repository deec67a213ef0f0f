package fs

import (
	"unsafe"

	"github.com/doze-vm/doze/kernel/linux"
)

// span is a string as numbers: what is stored through a pointer must not be a
// pointer itself, or the compiler would tell the garbage collector of it, which
// can't be done here.
type span struct{ addr, n uintptr }

func spanOf(s string) span { return span{addrOf(s), uintptr(len(s))} }

func (s span) text() string { return text(s.addr, s.n) }

// How the last name of a path is looked up, if it is a symbolic link.
const (
	Follow   = iota
	NoFollow // followed only if a slash comes after it, as lstat(2) does
	Parent   // never followed: the call changes the name itself
)

// What the last part of a path is.
const (
	LastName = iota
	LastDot
	LastDotDot
	LastRoot // the path is slashes only
)

// Place is what a path leads to: a name in a directory, and the node it stands
// for.
type Place struct {
	Dir   Node
	Node  Node // 0: the name is not taken
	Last  uint8
	Slash bool // slashes come after it: it is, or becomes, a directory
	name  span // in the path, or in the text of a link
	entry uintptr
}

// Name is the name in Dir.
func (p *Place) Name() string { return p.name.text() }

// walk is the state of a lookup.
type walk struct {
	Place
	rest  span // what is still to be looked up
	depth int  // how many more such rests lie on the trail
	links int
	slash bool
}

// Lookup finds what path means, beginning at the directory start if it is
// relative. A last name that doesn't exist is no error, but a Place without a
// node.
//
// A Place refers to the path, which must stay where it is.
func (f *FS) Lookup(start Node, path string, how int) (Place, Errno) {
	switch {
	case path == "":
		return Place{}, linux.ENOENT
	case len(path) >= PathMax:
		return Place{}, linux.ENAMETOOLONG
	}
	w := walk{rest: spanOf(path)}
	w.begin(f, start)
	for {
		name, last, ok := f.cut(&w)
		if !ok {
			break // slashes only
		}
		if errno := f.step(&w, name); errno != 0 {
			return Place{}, errno
		}
		if w.Node == 0 {
			if !last {
				return Place{}, linux.ENOENT
			}
			w.Slash = w.slash
			return w.Place, 0
		}
		if f.Type(w.Node) == TypeLink && (!last || how == Follow || how == NoFollow && w.slash) {
			done, errno := f.through(&w, last)
			if errno != 0 {
				return Place{}, errno
			}
			if !done {
				continue
			}
		}
		if last {
			break
		}
	}
	w.Slash = w.slash
	if w.slash && how != Parent && f.Type(w.Node) != TypeDir {
		return w.Place, linux.ENOTDIR
	}
	return w.Place, 0
}

// begin sets out at the root or at another directory.
func (w *walk) begin(f *FS, start Node) {
	if w.rest.text()[0] == '/' {
		w.Place = Place{Node: f.root, Last: LastRoot}
	} else {
		w.Place = Place{Node: start, Last: LastDot}
	}
}

// cut takes the next name off what is left, and says whether it is the last one.
func (f *FS) cut(w *walk) (name string, last, ok bool) {
	rest := skipSlashes(w.rest.text())
	for rest == "" {
		if w.depth == 0 {
			return "", true, false
		}
		w.depth--
		rest = skipSlashes(f.trail[w.depth].text())
	}
	n := 0
	for n < len(rest) && rest[n] != '/' {
		n++
	}
	name, rest = rest[:n], rest[n:]
	if skipSlashes(rest) == "" {
		last = w.depth == 0
		w.slash = w.slash || last && rest != ""
		rest = ""
	}
	w.rest = spanOf(rest)
	return name, last, true
}

func skipSlashes(s string) string {
	for s != "" && s[0] == '/' {
		s = s[1:]
	}
	return s
}

// step goes from the directory w.Node to the name in it.
func (f *FS) step(w *walk, name string) Errno {
	dir := w.Node
	switch {
	case f.Type(dir) != TypeDir:
		return linux.ENOTDIR
	case len(name) > NameMax:
		return linux.ENAMETOOLONG
	}
	w.Place = Place{Dir: dir, name: spanOf(name)}
	switch name {
	case ".":
		w.Node, w.Last = dir, LastDot
		return 0
	case "..":
		w.Last = LastDotDot
		if w.Node = f.parent(dir); w.Node == 0 {
			return linux.ENOENT
		}
		return 0
	}
	f.refresh(dir)
	if w.entry = f.find(dir, name); w.entry != 0 {
		w.Node = entryAt(w.entry).node
	}
	return 0
}

// through goes on at what the link w.Node says. It is done if that is a node, not
// a path.
func (f *FS) through(w *walk, last bool) (done bool, errno Errno) {
	if w.links++; w.links > maxLinks {
		return false, linux.ELOOP
	}
	i := f.inode(w.Node)
	if i.flags&Magic != 0 && f.follow != 0 {
		to, errno := (*(*func(Node, uint32) (Node, Errno))(unsafe.Pointer(&f.follow)))(w.Node, i.tag)
		if to == 0 && errno == 0 {
			errno = linux.ENOENT
		}
		w.Place = Place{Node: to, Last: LastDot}
		return true, errno
	}
	if i.size == 0 {
		return false, linux.ENOENT
	}
	if !last && w.rest.n != 0 {
		f.trail[w.depth] = w.rest
		w.depth++
	}
	w.rest = span{i.data, uintptr(i.size)}
	w.begin(f, w.Dir)
	return false, 0
}

// Readlink is the text of a symbolic link.
func (f *FS) Readlink(n Node) (string, Errno) {
	i := f.inode(n)
	if !i.is(TypeLink) {
		return "", linux.EINVAL
	}
	return text(i.data, uintptr(i.size)), 0
}
