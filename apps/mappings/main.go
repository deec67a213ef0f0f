// Command mappings maps files and memory in the ways that databases do, and asks for
// what can't be; it prints what comes of it, which is the same in a process.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"unsafe"

	"github.com/doze-vm/doze/pv"
)

const (
	page     = 4096
	read     = syscall.PROT_READ
	both     = syscall.PROT_READ | syscall.PROT_WRITE
	shared   = syscall.MAP_SHARED
	private  = syscall.MAP_PRIVATE
	anon     = syscall.MAP_ANON
	fixed    = syscall.MAP_FIXED
	validate = 3
	keepOld  = 0x100000 // MAP_FIXED_NOREPLACE
	nowhere  = ^uintptr(0)
)

// Sink keeps reads from being left out.
var Sink byte

func main() {
	debug.SetPanicOnFault(true)
	if len(os.Args) > 1 {
		carried(os.Args[1])
		return
	}
	coherent()
	copies()
	ends()
	givenBack()
	holes()
	access()
	remap()
	unnamed()
	refused()
	places()
	image()
}

// mapping is memory at an address.
type mapping struct {
	addr uintptr
	b    []byte
}

func mmap(addr uintptr, n int, prot, flags int, fd uintptr, off int) (mapping, error) {
	r, _, e := syscall.Syscall6(syscall.SYS_MMAP, addr, uintptr(n), uintptr(prot), uintptr(flags), fd, uintptr(off))
	if e != 0 {
		return mapping{}, e
	}
	return at(r, n), nil
}

func at(addr uintptr, n int) mapping {
	p := *(*unsafe.Pointer)(unsafe.Pointer(&addr))
	return mapping{addr, unsafe.Slice((*byte)(p), max(n, 0))}
}

func must(m mapping, err error) mapping { check(err); return m }

func call(nr uintptr, args ...uintptr) (uintptr, error) {
	var a [6]uintptr
	copy(a[:], args)
	r, _, e := syscall.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if e != 0 {
		return r, e
	}
	return r, nil
}

func answer(nr uintptr, args ...uintptr) error { _, err := call(nr, args...); return err }

func say(what string, v ...any) { fmt.Println(append([]any{"mappings: " + what + ":"}, v...)...) }

// fault says whether f faults.
func fault(f func()) (faulted bool) {
	defer func() {
		if e, ok := recover().(error); ok {
			var a interface{ Addr() uintptr }
			faulted = errors.As(e, &a)
		}
	}()
	f()
	return false
}

// file is one of so many pages, each filled with its letter.
func file(pages int) *os.File {
	f, err := os.CreateTemp("", "mappings")
	check(err)
	check(os.Remove(f.Name()))
	for i := range pages {
		b := make([]byte, page)
		for k := range b {
			b[k] = byte('a' + i)
		}
		_, err = f.WriteAt(b, int64(i*page))
		check(err)
	}
	return f
}

func put(f *os.File, text string, off int64) { _, err := f.WriteAt([]byte(text), off); check(err) }

func get(f *os.File, n int, off int64) string {
	b := make([]byte, n)
	n, _ = f.ReadAt(b, off)
	return string(b[:n])
}

// coherent: reading, writing and all mappings see the same.
func coherent() {
	f := file(3)
	r := must(mmap(0, 4*page, read, shared, f.Fd(), 0))
	w := must(mmap(0, page, both, shared, f.Fd(), page))
	v := must(mmap(0, 3*page, both, validate, f.Fd(), 0))
	say("as written", string(r.b[:2]), string(r.b[page:page+2]), string(w.b[:2]))
	put(f, "PWRITE", page)
	say("after pwrite", string(r.b[page:page+8]), string(w.b[:8]), string(v.b[page:page+8]))
	copy(w.b, "STORE")
	say("after a store", string(r.b[page:page+8]), get(f, 8, page))
	copy(v.b[2*page+10:], "VALIDATED")
	say("after a store by the other", string(r.b[2*page+8:2*page+20]), get(f, 12, 2*page+8))
	check(f.Truncate(4 * page))
	put(f, "GROWN", 4*page-5)
	say("after growing", string(r.b[4*page-5:]), r.b[3*page])
	say("msync", answer(syscall.SYS_MSYNC, r.addr, 4*page, syscall.MS_SYNC), answer(syscall.SYS_MSYNC, w.addr, page, syscall.MS_ASYNC))
	check(f.Close())
	copy(w.b, "CLOSED")
	say("after close and remove", string(r.b[page:page+8]))
	for _, m := range []mapping{r, w, v} {
		check(answer(syscall.SYS_MUNMAP, m.addr, uintptr(len(m.b))))
	}
}

// copies: a private mapping keeps what is written to it for itself.
func copies() {
	f := file(4)
	a := must(mmap(0, 4*page, both, private, f.Fd(), 0))
	b := must(mmap(0, 4*page, read, private, f.Fd(), 0))
	a.b[0] = 'X'
	Sink += a.b[page]
	put(f, "FILE", 0)
	put(f, "FILE", page)
	put(f, "FILE", 2*page)
	for i := range 3 {
		say("private", i, string(a.b[i*page:i*page+5]), string(b.b[i*page:i*page+5]), get(f, 5, int64(i*page)))
	}
	say("write by read(2)", readInto(f, a.b[3*page:3*page+4]), string(a.b[3*page:3*page+5]), get(f, 5, 3*page))
	check(answer(syscall.SYS_MPROTECT, b.addr, 4*page, both))
	b.b[2*page] = 'Y'
	say("made writable", string(b.b[2*page:2*page+5]), string(a.b[2*page:2*page+5]), get(f, 5, 2*page))
}

func readInto(f *os.File, b []byte) int { n, err := f.ReadAt(b, 0); check(err); return n }

// ends: where a file ends, and ends anew.
func ends() {
	f := file(2)
	check(f.Truncate(page + 100))
	m := must(mmap(0, 4*page, both, shared, f.Fd(), 0))
	p := must(mmap(0, 4*page, both, private, f.Fd(), 0))
	say("last page beyond the end", m.b[page+99], m.b[page+100], m.b[2*page-1])
	say("beyond faults", fault(func() { Sink += m.b[2*page] }), fault(func() { m.b[3*page] = 1 }), fault(func() { Sink += p.b[2*page] }))
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	check(err)
	pipe := make([]int, 2)
	check(syscall.Pipe(pipe))
	_, err = syscall.Write(pipe[1], m.b[2*page:2*page+10])
	say("beyond in a call", err)
	p.b[page] = 'P'
	check(f.Truncate(10))
	say("cut faults", fault(func() { Sink += m.b[page] }), fault(func() { Sink += p.b[page] }), m.b[9], m.b[10])
	check(f.Truncate(2 * page))
	say("grown again", m.b[9], m.b[10], m.b[page], p.b[page])
	check(null.Close())
}

// givenBack: MADV_DONTNEED and what comes instead.
func givenBack() {
	f := file(2)
	s := must(mmap(0, 2*page, both, shared, f.Fd(), 0))
	p := must(mmap(0, 2*page, both, private, f.Fd(), 0))
	copy(s.b, "SHARED")
	copy(p.b[page:], "PRIVATE")
	check(syscall.Madvise(s.b, syscall.MADV_DONTNEED))
	check(syscall.Madvise(p.b, syscall.MADV_DONTNEED))
	say("given back", string(s.b[:8]), string(p.b[:8]), string(p.b[page:page+8]))
	a := must(mmap(0, 2*page, both, shared|anon, nowhere, 0))
	z := must(mmap(0, 2*page, both, private|anon, nowhere, 0))
	a.b[5], z.b[5] = 'a', 'z'
	check(syscall.Madvise(a.b, syscall.MADV_DONTNEED))
	check(syscall.Madvise(z.b, syscall.MADV_DONTNEED))
	say("memory given back", a.b[5], z.b[5])
	say("free of a file", answer(syscall.SYS_MADVISE, s.addr, page, 8))
}

// holes: punched, and never filled.
func holes() {
	const punch = 3
	f := file(4)
	s := must(mmap(0, 4*page, both, shared, f.Fd(), 0))
	p := must(mmap(0, 4*page, both, private, f.Fd(), 0))
	p.b[page+1] = 'P'
	Sink += p.b[2*page] + s.b[page] + s.b[2*page]
	check(syscall.Fallocate(int(f.Fd()), punch, page, 2*page))
	say("punched", s.b[page], s.b[2*page], p.b[page], p.b[page+1], p.b[2*page], s.b[3*page])
	s.b[page+7] = 'S'
	say("filled again", fmt.Sprintf("%q", get(f, 8, page)))
	say("removed", answer(syscall.SYS_MADVISE, s.addr+3*page, page, 9), s.b[3*page], fmt.Sprintf("%q", get(f, 1, 3*page)))
	check(f.Truncate(1 << 30))
	w := must(mmap(0, 1<<30, both, shared, f.Fd(), 0))
	w.b[1<<29] = 'h'
	say("sparse", w.b[1<<28], get(f, 1, 1<<29))
}

// access: what may be asked of a mapping.
func access() {
	w, err := os.CreateTemp("", "mappings")
	check(err)
	defer os.Remove(w.Name())
	put(w, "text", 0)
	r, err := os.Open(w.Name())
	check(err)
	only, err := os.OpenFile(w.Name(), os.O_WRONLY, 0)
	check(err)
	_, err = mmap(0, page, both, shared, r.Fd(), 0)
	say("shared, writable, of what is open to read", err)
	_, err = mmap(0, page, both, validate, r.Fd(), 0)
	say("the same, validated", err)
	_, err = mmap(0, page, read, private, only.Fd(), 0)
	say("of what is open to write", err)
	s := must(mmap(0, page, read, shared, r.Fd(), 0))
	p := must(mmap(0, page, read, private, r.Fd(), 0))
	say("made writable", answer(syscall.SYS_MPROTECT, s.addr, page, both), answer(syscall.SYS_MPROTECT, p.addr, page, both))
	say("write to what is read-only", fault(func() { s.b[0] = 1 }))
	n := must(mmap(0, page, 0, shared, w.Fd(), 0))
	say("no access", fault(func() { Sink += n.b[0] }))
	say("access given", answer(syscall.SYS_MPROTECT, n.addr, page, both), string(n.b[:4]))
	n.b[0] = 'T'
	say("written", string(s.b[:4]), get(r, 4, 0))
}

// remap: mremap(2).
func remap() {
	const move = 1
	m := must(mmap(0, 64*page, both, private|anon, nowhere, 0))
	for i := range 64 {
		m.b[i*page] = byte(i)
	}
	r, err := call(syscall.SYS_MREMAP, m.addr, 64*page, 16*page, 0)
	say("shrunk", r == m.addr, err, fault(func() { Sink += at(m.addr, 64*page).b[20*page] }))
	r, err = call(syscall.SYS_MREMAP, m.addr, 16*page, 64*page, 0)
	say("grown in its place", r == m.addr, err, m.b[15*page], m.b[16*page])
	must(mmap(m.addr+32*page, page, read, private|anon|fixed, nowhere, 0))
	_, err = call(syscall.SYS_MREMAP, m.addr, 32*page, 64*page, 0)
	say("no room", err)
	r, err = call(syscall.SYS_MREMAP, m.addr, 32*page, 3<<20, move)
	n := at(r, 3<<20)
	say("moved", r != m.addr, err, n.b[15*page], n.b[16*page], n.b[3<<20-1], fault(func() { Sink += m.b[0] }))
	r, err = call(syscall.SYS_MREMAP, n.addr, 3<<20, 40<<20, move)
	n = at(r, 40<<20)
	n.b[39<<20] = 'e'
	say("moved as a whole", err, n.b[14*page], n.b[39<<20])

	f := file(8)
	s := must(mmap(0, 2*page, both, shared, f.Fd(), page))
	s.b[0] = 'S'
	must(mmap(s.addr+2*page, page, read, private|anon|fixed, nowhere, 0))
	r, err = call(syscall.SYS_MREMAP, s.addr, 2*page, 6*page, move)
	s = at(r, 6*page)
	s.b[5*page] = 'E'
	say("a file moved", err, string(s.b[:2]), string(s.b[page:page+1]), string(s.b[2*page:2*page+1]), get(f, 2, page), get(f, 2, 6*page))
	r, err = call(syscall.SYS_MREMAP, s.addr, 0, 2*page, move)
	twin := at(r, 2*page)
	twin.b[1] = 'W'
	say("mapped twice", r != s.addr, err, string(s.b[:3]))
	check(answer(syscall.SYS_MUNMAP, n.addr+page, page)) // a hole too small for others to take
	for _, c := range []struct {
		what                      string
		addr, old, size, flags, x uintptr
	}{
		{"of size 0", s.addr, page, 0, 0, 0}, {"of nothing", n.addr + page, page, page, 0, 0}, {"not at a page", s.addr + 1, page, page, 0, 0},
		{"unknown flags", s.addr, page, page, 64, 0}, {"fixed without move", s.addr, page, page, 2, s.addr},
		{"private, old size 0", n.addr, 0, page, move, 0}, {"over more than there is", n.addr, 80 << 20, 90 << 20, move, 0},
	} {
		say("mremap "+c.what, answer(syscall.SYS_MREMAP, c.addr, c.old, c.size, c.flags, c.x))
	}
}

// unnamed: memory by way of a device, and of a descriptor.
func unnamed() {
	zero, err := os.OpenFile("/dev/zero", os.O_RDWR, 0)
	check(err)
	p := must(mmap(0, 2*page, both, private, zero.Fd(), 0))
	s := must(mmap(0, 2*page, both, shared, zero.Fd(), 0))
	p.b[0], s.b[0] = 'p', 's'
	check(syscall.Madvise(p.b, syscall.MADV_DONTNEED))
	check(syscall.Madvise(s.b, syscall.MADV_DONTNEED))
	say("/dev/zero", p.b[0], s.b[0], p.b[page], s.b[page])
	name := [...]byte{'m', 0}
	fd, err := call(319, uintptr(unsafe.Pointer(&name)), 0)
	check(err)
	check(syscall.Ftruncate(int(fd), page))
	m := must(mmap(0, page, both, shared, fd, 0))
	copy(m.b, "memfd")
	b := make([]byte, 5)
	_, err = syscall.Pread(int(fd), b, 0)
	say("memfd", string(b), err)
	for _, what := range []string{"/dev/null", "/dev/full", "/tmp"} {
		f, err := os.Open(what)
		check(err)
		_, err = mmap(0, page, read, private, f.Fd(), 0)
		say(what, err)
	}
	pipe := make([]int, 2)
	check(syscall.Pipe(pipe))
	_, err = mmap(0, page, read, private, uintptr(pipe[0]), 0)
	say("a pipe", err)
}

// refused: mmap(2) of what can't be.
func refused() {
	f := file(1)
	over := must(mmap(0, 3*page, both, private|anon, nowhere, 0))
	for _, c := range []struct {
		what  string
		addr  uintptr
		n     int
		prot  int
		flags int
		fd    uintptr
		off   int
	}{
		{"neither shared nor private", 0, page, read, anon, nowhere, 0},
		{"of a file, neither", 0, page, read, 0, f.Fd(), 0},
		{"memory, validated", 0, page, read, validate | anon, nowhere, 0},
		{"unknown flags, validated", 0, page, read, validate | 0x200000, f.Fd(), 0},
		{"MAP_SYNC, validated", 0, page, read, validate | 0x80000, f.Fd(), 0},
		{"length 0", 0, 0, read, private | anon, nowhere, 0},
		{"length -1", 0, -1, read, private | anon, nowhere, 0},
		{"fixed, length -1", over.addr, -1, read, private | anon | fixed, nowhere, 0},
		{"fixed, not at a page", over.addr + 1, page, read, private | anon | fixed, nowhere, 0},
		{"fixed, huge", over.addr, 1 << 47, read, private | anon | fixed, nowhere, 0},
		{"over a mapping that stays", over.addr, page, read, private | anon | keepOld, nowhere, 0},
		{"over the end of one that stays", over.addr - page, 2 * page, read, private | anon | keepOld, nowhere, 0},
		{"no such descriptor", 0, page, read, private, 999, 0},
		{"offset not at a page", 0, page, read, private, f.Fd(), 1},
		{"hugetlb", 0, 2 << 20, read, private | anon | 0x40000, nowhere, 0},
	} {
		_, err := mmap(c.addr, c.n, c.prot, c.flags, c.fd, c.off)
		say("mmap "+c.what, err)
	}
	check(answer(syscall.SYS_MUNMAP, over.addr+page, page))
	m, err := mmap(over.addr+page, page, read, private|anon|keepOld, nowhere, 0)
	say("mmap where nothing is", m.addr == over.addr+page, err)
}

// places: calls about addresses, some of which nothing is mapped at.
func places() {
	m := must(mmap(0, 3*page, both, private|anon, nowhere, 0))
	check(answer(syscall.SYS_MUNMAP, m.addr+page, page))
	m.b[0], m.b[2*page] = 1, 1
	say("madvise over a hole", answer(syscall.SYS_MADVISE, m.addr, 3*page, 4), m.b[0], m.b[2*page])
	vec := make([]byte, 8)
	v := uintptr(unsafe.Pointer(unsafe.SliceData(vec)))
	for _, c := range []struct {
		what string
		nr   uintptr
		args []uintptr
	}{
		{"madvise willneed over a hole", syscall.SYS_MADVISE, []uintptr{m.addr, 3 * page, 3}},
		{"madvise of unknown kind", syscall.SYS_MADVISE, []uintptr{m.addr, page, 77}},
		{"madvise 5", syscall.SYS_MADVISE, []uintptr{m.addr, page, 5}},
		{"madvise not at a page", syscall.SYS_MADVISE, []uintptr{m.addr + 1, page, 4}},
		{"madvise of length -1", syscall.SYS_MADVISE, []uintptr{m.addr, nowhere, 4}},
		{"madvise of length 0", syscall.SYS_MADVISE, []uintptr{m.addr + page, 0, 4}},
		{"madvise populate", syscall.SYS_MADVISE, []uintptr{m.addr, page, 23}},
		{"madvise populate over a hole", syscall.SYS_MADVISE, []uintptr{m.addr, 3 * page, 22}},
		{"msync over a hole", syscall.SYS_MSYNC, []uintptr{m.addr, 3 * page, 4}},
		{"msync", syscall.SYS_MSYNC, []uintptr{m.addr, page, 4}},
		{"msync both ways", syscall.SYS_MSYNC, []uintptr{m.addr, page, 5}},
		{"msync of unknown kind", syscall.SYS_MSYNC, []uintptr{m.addr, page, 8}},
		{"msync not at a page", syscall.SYS_MSYNC, []uintptr{m.addr + 1, page, 4}},
		{"mlock over a hole", syscall.SYS_MLOCK, []uintptr{m.addr, 3 * page}},
		{"mlock", syscall.SYS_MLOCK, []uintptr{m.addr + 5, page - 5}},
		{"munlock", syscall.SYS_MUNLOCK, []uintptr{m.addr, page}},
		{"munlock over a hole", syscall.SYS_MUNLOCK, []uintptr{m.addr, 3 * page}},
		{"mlock2 of unknown kind", 325, []uintptr{m.addr, page, 8}},
		{"mincore over a hole", syscall.SYS_MINCORE, []uintptr{m.addr, 3 * page, v}},
		{"mincore", syscall.SYS_MINCORE, []uintptr{m.addr, page, v}},
		{"mincore not at a page", syscall.SYS_MINCORE, []uintptr{m.addr + 1, page, v}},
		{"mincore to nowhere", syscall.SYS_MINCORE, []uintptr{m.addr, page, 8}},
		{"mprotect over a hole", syscall.SYS_MPROTECT, []uintptr{m.addr, 3 * page, read}},
		{"mprotect not at a page", syscall.SYS_MPROTECT, []uintptr{m.addr + 1, page, read}},
		{"mprotect of unknown kind", syscall.SYS_MPROTECT, []uintptr{m.addr, page, 0x100}},
		{"mprotect of length 0", syscall.SYS_MPROTECT, []uintptr{m.addr + page, 0, read}},
		{"mprotect of length -1", syscall.SYS_MPROTECT, []uintptr{m.addr, nowhere, read}},
		{"munmap of length 0", syscall.SYS_MUNMAP, []uintptr{m.addr, 0}},
		{"munmap not at a page", syscall.SYS_MUNMAP, []uintptr{m.addr + 1, page}},
		{"munmap of length -1", syscall.SYS_MUNMAP, []uintptr{m.addr, nowhere}},
		{"munmap of nothing", syscall.SYS_MUNMAP, []uintptr{m.addr + page, page}},
	} {
		say(c.what, answer(c.nr, c.args...))
	}
	say("write to what mprotect took before the hole", fault(func() { m.b[0] = 2 }))
}

// Written is in the program's data.
var Written = [3 * page]byte{page: 7}

// carried maps a file that the image carries, or any other that nobody changes.
func carried(name string) {
	text, err := os.ReadFile(name)
	check(err)
	f, err := os.Open(name)
	check(err)
	before := free()
	s := must(mmap(0, len(text), read, shared, f.Fd(), 0))
	p := must(mmap(0, len(text), both, private, f.Fd(), 0))
	say("as it is read", string(s.b) == string(text), string(p.b) == string(text))
	rest := unsafe.Slice(unsafe.SliceData(s.b), (len(text)+page-1)&^(page-1))[len(text):]
	say("zero behind it", strings.Trim(string(rest), "\x00") == "")
	say("taken for that", (before-free())/(256<<10)*256, "KiB")
	p.b[0]++
	say("a copy", p.b[0]-text[0], s.b[0] == text[0], get(f, 1, 0) == string(text[:1]))
	say("made writable", answer(syscall.SYS_MPROTECT, s.addr, page, both))
}

// free is how much memory the machine has free, 0 in a process.
func free() int {
	m, _ := pv.Memory()
	return int(m.Free)
}

// image: the program's own data.
func image() {
	p := (uintptr(unsafe.Pointer(&Written)) + page - 1) &^ (page - 1)
	vec := []byte{9}
	say("own data: mprotect", answer(syscall.SYS_MPROTECT, p, page, both))
	say("own data: mincore", answer(syscall.SYS_MINCORE, p, page, uintptr(unsafe.Pointer(unsafe.SliceData(vec)))), vec)
	say("own data: madvise", answer(syscall.SYS_MADVISE, p, page, 3))
	say("own data: msync, mlock", answer(syscall.SYS_MSYNC, p, page, 4), answer(syscall.SYS_MLOCK, p, page))
	_, err := mmap(p, page, read, private|anon|keepOld, nowhere, 0)
	say("own data: mapped over", err)
}

func check(err error) {
	if err != nil {
		fmt.Println("mappings:", err)
		panic(err)
	}
}
