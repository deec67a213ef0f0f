package fs

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/kernel/linux"
)

func record(name string, mode uint32, body string) string {
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		1, mode, 0, 0, 1, 1_600_000_000, len(body), 0, 0, 0, 0, len(name)+1, 0)
	return pad(head+name+"\x00") + pad(body)
}

func pad(s string) string { return s + strings.Repeat("\x00", (4-len(s)%4)%4) }

func file(name, body string) string { return record(name, TypeFile|0o644, body) }
func dir(name string) string        { return record(name, TypeDir|0o700, "") }
func symlink(name, to string) string {
	return record(name, TypeLink|0o777, to)
}

const trailer = cpioEnd

// lying is an archive in memory that can't be written.
type lying struct {
	lo, hi uintptr
	text   string
	body   int // offset of the first member's bytes
}

func (w *world) archive(t testing.TB, records ...string) lying {
	t.Helper()
	s := strings.Join(records, "") + record(trailer, 0, "")
	return w.lay(t, s)
}

func (w *world) lay(t testing.TB, s string) lying {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, len(s)/PageSize*PageSize+2*PageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	copy(b, s)
	require.NoError(t, syscall.Mprotect(b, syscall.PROT_READ))
	lo := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	name := strings.IndexByte(s[min(len(s), cpioHead):], 0) + 1
	return lying{lo, lo + uintptr(len(s)), unsafe.String(unsafe.SliceData(b), len(s)), int(roundUp(uintptr(cpioHead+name), 4))}
}

func TestMount(t *testing.T) {
	w := newWorld(t, 1<<10)
	a := w.archive(t, dir("."), file("src/a/b.go", "package b\n"), file("./src/a//empty", ""), dir("/src/d"), symlink("src/l", "a/b.go"), dir("src/a"), file("top", "top\n"))
	require.Zero(t, w.Mount(a.lo, a.hi, true))
	assert.Equal(t, []string{
		"/src 40755 links 4",
		"/src/a 40755 links 2",
		`/src/a/b.go 100644 links 1 "package b\n"`,
		`/src/a/empty 100644 links 1 ""`,
		"/src/d 40700 links 2",
		"/src/l 120777 -> a/b.go",
		`/top 100644 links 1 "top\n"`,
	}, w.dump(w.Root(), ""))
	assert.Equal(t, w.node("/src/a/b.go"), w.node("/src/l"))
	var st Info
	w.Stat(w.node("/src/a/b.go"), &st)
	assert.EqualValues(t, 1_600_000_000_000_000_000, st.Mtime)
	w.Stat(w.node("/src"), &st)
	assert.EqualValues(t, 1_600_000_000_000_000_000, st.Mtime)
	w.finish()
}

func TestFrozenTree(t *testing.T) {
	w := newWorld(t, 1<<10)
	a := w.archive(t, file("t/d/f", "text"), dir("t/empty"), symlink("t/l", "d/f"))
	require.Zero(t, w.Mount(a.lo, a.hi, true))
	require.Zero(t, w.create("/own", ""))
	f := w.node("/t/d/f")
	_, _, prepared := w.Prepare(f, 0, 1)
	for name, errno := range map[string]Errno{
		"write": prepared, "create": w.create("/t/d/new", ""), "truncate": w.create("/t/d/f", ""), "mkdir": w.mkdir("/t/x", 0),
		"unlink": w.unlink("/t/d/f"), "rmdir": w.rmdir("/t/empty"), "symlink": w.symlink("x", "/t/y"), "link in": w.hardlink("/own", "/t/own"),
		"link out": w.hardlink("/t/d/f", "/out"), "rename in": w.rename("/own", "/t/own", 0), "rename out": w.rename("/t/d/f", "/out", 0),
		"rename the top": w.rename("/t", "/u", 0), "chmod": w.Chmod(f, 0), "chown": w.Chown(f, 1, 1), "times": w.SetTimes(f, 0, 0, true, true),
		"fallocate": w.Allocate(f, 0, 0, 1), "ftruncate": w.Truncate(f, 0), "unlink link": w.unlink("/t/l"),
	} {
		assert.Equal(t, linux.EROFS, errno, name)
	}
	assert.Equal(t, linux.EEXIST, w.mkdir("/t/d", 0))
	assert.Equal(t, linux.ENOENT, w.unlink("/t/none"))
	assert.Equal(t, linux.ENOTEMPTY, w.rmdir("/t"))
	w.finish()
}

func TestWritableTree(t *testing.T) {
	w := newWorld(t, 1<<10)
	body := strings.Repeat("0123456789", 1000)
	a := w.archive(t, file("t/f", body), symlink("t/l", "f"))
	require.Zero(t, w.Mount(a.lo, a.hi, false))
	before := w.Pages()
	require.Zero(t, w.write(w.node("/t/l"), 5000, "HERE"))
	assert.Equal(t, before+2, w.Pages(), "one page of data, one table")
	assert.Equal(t, body[:5000]+"HERE"+body[5004:], w.read(w.node("/t/f")))
	require.Zero(t, w.unlink("/t/l"))
	require.Zero(t, w.rename("/t/f", "/g", 0))
	assert.Equal(t, body, a.text[a.body:a.body+len(body)])
	w.finish()
}

func TestMountRefuses(t *testing.T) {
	end := record(trailer, 0, "")
	for name, s := range map[string]string{
		"nothing":                "",
		"text":                   strings.Repeat("no archive ", 20),
		"no end":                 file("f", "x"),
		"cut in the head":        file("f", "x")[:60],
		"cut in the body":        file("f", strings.Repeat("x", 100))[:150],
		"a digit that is none":   strings.Replace(file("f", ""), "000081a4", "0000x1a4", 1) + end,
		"a size beyond all":      strings.Replace(file("f", "x"), "00000001000000000000000000000000000000000000000200000000f", "ffffffff000000000000000000000000000000000000000200000000f", 1) + end,
		"a name without end":     strings.Replace(file("f", ""), "f\x00", "ff", 1) + end,
		"a name with a zero":     file("f\x00g", "") + end,
		"a name too long":        file(strings.Repeat("n", 256), "") + end,
		"a path too long":        file(strings.Repeat("n/", 3000), "") + end,
		"above the root":         file("a/../f", "") + end,
		"a device":               record("dev", TypeChar|0o666, "") + end,
		"a link to nothing":      symlink("l", "") + end,
		"a link with a zero":     symlink("l", "a\x00b") + end,
		"a link too long":        symlink("l", strings.Repeat("l", 4096)) + end,
		"through a link":         symlink("l", "d") + file("l/f", "") + end,
		"through a file":         file("f", "") + file("f/g", "") + end,
		"twice":                  file("f", "") + file("f", "") + end,
		"a file for a directory": dir("d") + file("d", "") + end,
		"a directory for a file": file("f", "") + dir("f") + end,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1<<8)
			a := w.lay(t, s)
			assert.Equal(t, linux.EINVAL, w.Mount(a.lo, a.hi, true))
			w.finish()
		})
	}
}

func TestMountWithoutMemory(t *testing.T) {
	var records []string
	for i := range 200 {
		records = append(records, file(fmt.Sprintf("d%d/f", i), ""))
	}
	w := newWorld(t, 10)
	a := w.archive(t, records...)
	assert.Equal(t, linux.ENOSPC, w.Mount(a.lo, a.hi, true))
	w.finish()
}

// Whatever an archive says, mounting it ends, and what is in the tree can be
// read and removed.
func FuzzMount(f *testing.F) {
	end := record(trailer, 0, "")
	for _, s := range []string{"", end, file("a/b", "text") + dir("c") + symlink("l", "a") + end, file("f", "x")[:100], dir("/") + file("../f", "") + end} {
		f.Add(s)
	}
	w := newWorld(f, 1<<10)
	f.Fuzz(func(t *testing.T, s string) {
		w.t = t
		if len(s) > 100_000 {
			t.Skip()
		}
		a := w.lay(t, s)
		errno := w.Mount(a.lo, a.hi, len(s)%2 == 0)
		assert.Contains(t, []Errno{0, linux.EINVAL, linux.ENOSPC}, errno)
		w.dump(w.Root(), "")
		w.finish()
	})
}

// A page of what never changes is mapped where it lies, if it is one and is whole.
func TestPagesInPlace(t *testing.T) {
	const pages = 3
	for _, c := range []struct {
		name         string
		frozen, away bool // whether it is aligned
		want         [pages + 1]bool
	}{
		{"frozen", true, false, [4]bool{true, true, true, false}},
		{"frozen, not at a page", true, true, [4]bool{}},
		{"not frozen", false, false, [4]bool{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1<<8)
			name := "f" + strings.Repeat("\x00", PageSize-cpioHead-2)
			if c.away {
				name = "f"
			}
			a := w.archive(t, file(name, strings.Repeat("p", pages*PageSize+100)))
			require.Zero(t, w.Mount(a.lo, a.hi, c.frozen))
			f := w.node("/f")
			for i, want := range c.want {
				page := w.Page(f, uintptr(i), true)
				require.NotZero(t, page)
				assert.Equal(t, want, page >= a.lo && page < a.hi, i)
				assert.Equal(t, "ppp", text(page, 3))
			}
			last := w.Page(f, pages, false)
			assert.Equal(t, "\x00", text(last+100, 1), "zero behind the end")
			w.finish()
		})
	}
}
