package fs

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"sort"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/kernel/linux"
)

// world is a file system over memory that is not Go's, with the calls that a
// kernel builds on it.
type world struct {
	FS
	t      testing.TB
	memory []byte
	paths  []byte
	turn   int
	free   []uintptr
	used   map[uintptr]bool
	limit  int // pages
	empty  uintptr

	// The functions that the file system knows by address alone.
	takeFunc func() uintptr
	giveFunc func(uintptr)
}

func newWorld(t testing.TB, limit int) *world {
	t.Helper()
	w := &world{t: t, limit: limit, used: map[uintptr]bool{}}
	var err error
	w.memory, err = syscall.Mmap(-1, 0, (limit+1)*PageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(w.memory) })
	w.paths, err = syscall.Mmap(-1, 0, 4*PageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(w.paths) })
	base := uintptr(unsafe.Pointer(unsafe.SliceData(w.memory)))
	for i := limit - 1; i >= 0; i-- {
		w.free = append(w.free, base+uintptr(i)*PageSize)
	}
	w.Now = 1_700_000_000_000_000_000
	w.takeFunc, w.giveFunc = w.takePage, w.givePage
	require.Zero(t, w.Init(w.takeFunc, w.giveFunc))
	w.empty = w.Pages()
	return w
}

func (w *world) takePage() uintptr {
	if len(w.free) == 0 {
		return 0
	}
	p := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	w.used[p] = true
	return p
}

func (w *world) givePage(p uintptr) {
	if !w.used[p] {
		w.t.Fatalf("page %#x given back twice", p)
	}
	delete(w.used, p)
	clearAt(p, PageSize)
	w.free = append(w.free, p)
}

// still copies a path to memory that doesn't move, as a kernel does: there are two
// such places.
func (w *world) still(path string) string {
	w.turn = 1 - w.turn
	b := w.paths[w.turn*2*PageSize:]
	return unsafe.String(unsafe.SliceData(b), copy(b, path))
}

func (w *world) place(path string, how int) (Place, Errno) {
	return w.Lookup(w.Root(), w.still(path), how)
}

func (w *world) node(path string) Node {
	w.t.Helper()
	p, errno := w.place(path, Follow)
	require.Zero(w.t, errno, path)
	require.NotZero(w.t, p.Node, path)
	return p.Node
}

func (w *world) mkdir(path string, mode uint32) Errno {
	p, errno := w.place(path, Parent)
	if errno == 0 {
		_, errno = w.Make(p, TypeDir|mode, 0)
	}
	return errno
}

func (w *world) symlink(target, path string) Errno {
	p, errno := w.place(path, Parent)
	if errno == 0 {
		errno = w.Symlink(p, target)
	}
	return errno
}

func (w *world) hardlink(old, path string) Errno {
	from, errno := w.place(old, NoFollow)
	if errno != 0 {
		return errno
	}
	if from.Node == 0 {
		return linux.ENOENT
	}
	to, errno := w.place(path, Parent)
	if errno == 0 {
		errno = w.Link(to, from.Node, false)
	}
	return errno
}

func (w *world) unlink(path string) Errno {
	p, errno := w.place(path, Parent)
	if errno == 0 {
		errno = w.Unlink(p)
	}
	return errno
}

func (w *world) rmdir(path string) Errno {
	p, errno := w.place(path, Parent)
	if errno == 0 {
		errno = w.Rmdir(p)
	}
	return errno
}

func (w *world) rename(old, path string, flags uint32) Errno {
	if errno := CheckRename(flags); errno != 0 {
		return errno
	}
	from, errno := w.place(old, Parent)
	if errno != 0 {
		return errno
	}
	to, errno := w.place(path, Parent)
	if errno != 0 {
		return errno
	}
	return w.Rename(from, to, flags)
}

func (w *world) write(n Node, off uint64, s string) Errno {
	for s != "" {
		addr, size, errno := w.Prepare(n, off, uint64(len(s)))
		if errno != 0 {
			return errno
		}
		copyTo(addr, s[:size])
		off, s = off+uint64(size), s[size:]
		w.Wrote(n, off)
	}
	return 0
}

// create writes a file as a whole.
func (w *world) create(path, body string) Errno {
	n, errno := w.Open(w.Root(), w.still(path), linux.OCreat|linux.OTrunc|1, 0o644)
	if errno != 0 {
		return errno
	}
	defer w.Release(n)
	return w.write(n, 0, body)
}

func (w *world) read(n Node) string {
	var b bytes.Buffer
	for {
		addr, size := w.Peek(n, uint64(b.Len()), 1<<62)
		switch {
		case size == 0:
			return b.String()
		case addr == 0:
			b.Write(make([]byte, size))
		default:
			b.Write(unsafe.Slice((*byte)(at(addr)), size))
		}
	}
}

func (w *world) list(dir Node) (names []string) {
	for c := uint64(0); ; {
		d, ok := w.Next(dir, c)
		if !ok {
			sort.Strings(names)
			return names
		}
		if d.Name != "." && d.Name != ".." {
			names = append(names, d.Name)
		}
		c = d.Cookie
	}
}

// dump describes all that is below a directory.
func (w *world) dump(dir Node, path string) (lines []string) {
	for _, name := range w.list(dir) {
		n := w.Find(dir, name)
		var st Info
		w.Stat(n, &st)
		line := fmt.Sprintf("%s/%s %o", path, name, st.Mode)
		switch st.Mode & TypeMask {
		case TypeDir:
			lines = append(lines, fmt.Sprintf("%s links %d", line, st.Links))
			lines = append(lines, w.dump(n, path+"/"+name)...)
			continue
		case TypeLink:
			to, _ := w.Readlink(n)
			line += " -> " + to
		default:
			line += fmt.Sprintf(" links %d %s", st.Links, digest(w.read(n)))
		}
		lines = append(lines, line)
	}
	return lines
}

// digest is a text that is short, or stands for a long one.
func digest(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%d bytes, %x", len(s), crc32.ChecksumIEEE([]byte(s)))
	}
	return strconv.Quote(s)
}

// removeAll empties a directory.
func (w *world) removeAll(dir Node) {
	for _, name := range w.list(dir) {
		if n := w.Find(dir, name); w.Type(n) == TypeDir {
			w.removeAll(n)
		}
		require.Zero(w.t, w.Uproot(dir, name))
	}
}

// finish removes everything and looks whether all pages have come back.
func (w *world) finish() {
	w.t.Helper()
	w.removeAll(w.Root())
	for w.Doomed() {
		w.Reap(1000)
	}
	assert.LessOrEqual(w.t, w.Pages(), w.empty+2, "only the table of names stays")
	assert.EqualValues(w.t, 1, w.Nodes())
	assert.Equal(w.t, int(w.Pages()), len(w.used))
}
