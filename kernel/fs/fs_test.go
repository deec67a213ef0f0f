package fs

import (
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/kernel/linux"
)

func TestInodeFitsItsPiece(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(inode{}), uintptr(inodeSize))
	assert.Equal(t, uintptr(entryHead), unsafe.Offsetof(entry{}.name))
	assert.LessOrEqual(t, unsafe.Sizeof(slab{}), uintptr(slabHead))
	assert.Zero(t, unsafe.Offsetof(entry{}.chain), "hashOut walks the chain by it")
}

// Where the package is used nobody can tell the garbage collector of a pointer.
func TestNoPointerIsStored(t *testing.T) {
	out, err := exec.Command("go", "build", "-gcflags=-d=wb", "-o", os.DevNull, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.NotContains(t, string(out), "write barrier", "of a store of a pointer")
}

func TestInitWithoutMemory(t *testing.T) {
	w := newWorld(t, 4)
	w.free = nil
	var f FS
	assert.Equal(t, linux.ENOSPC, f.Init(w.takeFunc, w.giveFunc))
}

func TestManyNames(t *testing.T) {
	w := newWorld(t, 1<<14)
	const n = 10000
	name := func(i int) string { return strings.Repeat("n", i%200) + fmt.Sprint(i) }
	require.Zero(t, w.mkdir("/d", 0o755))
	want := make([]string, n)
	for i := range n {
		require.Zero(t, w.create("/d/"+name(i), ""))
		want[i] = name(i)
	}
	assert.Greater(t, w.names.buckets, uintptr(words), "the table grows")
	sort.Strings(want)
	assert.Equal(t, want, w.list(w.node("/d")))
	for i := range n {
		require.NotZero(t, w.Find(w.node("/d"), name(i)))
	}
	for i := range n {
		require.Zero(t, w.unlink("/d/"+name(i)))
		require.Zero(t, w.Find(w.node("/d"), name(i)))
	}
	assert.EqualValues(t, words, w.names.buckets, "and shrinks")
	w.finish()
}

func TestReadingADirectoryThatChanges(t *testing.T) {
	w := newWorld(t, 1<<10)
	for i := range 100 {
		require.Zero(t, w.create(fmt.Sprintf("/f%02d", i), ""))
	}
	seen := map[string]int{}
	for c, i := uint64(0), 0; ; i++ {
		d, ok := w.Next(w.Root(), c)
		if !ok {
			break
		}
		d.Name = strings.Clone(d.Name) // it goes with the entry
		seen[d.Name]++
		c = d.Cookie
		if strings.HasPrefix(d.Name, "f") {
			require.Zero(t, w.unlink("/"+d.Name)) // what was just seen
			if i == 50 {
				require.Zero(t, w.unlink("/f90")) // what comes later
			}
		}
	}
	for i := range 100 {
		if i == 90 {
			assert.Zero(t, seen["f90"])
		} else {
			assert.Equal(t, 1, seen[fmt.Sprintf("f%02d", i)])
		}
	}
	w.finish()
}

func TestLookup(t *testing.T) {
	w := newWorld(t, 1<<10)
	require.Zero(t, w.mkdir("/d", 0o755))
	require.Zero(t, w.mkdir("/d/e", 0o755))
	require.Zero(t, w.create("/d/f", "x"))
	require.Zero(t, w.symlink("f", "/d/l"))
	require.Zero(t, w.symlink("e", "/d/le"))
	require.Zero(t, w.symlink("../d/./le/..//f", "/d/far"))
	require.Zero(t, w.symlink("/d", "/abs"))
	require.Zero(t, w.symlink("//", "/r"))
	require.Zero(t, w.symlink("f/", "/d/lslash"))
	require.Zero(t, w.symlink("loop2", "/loop1"))
	require.Zero(t, w.symlink("loop1", "/loop2"))
	require.Zero(t, w.symlink("nowhere/x", "/dangling"))
	for i := range 41 {
		require.Zero(t, w.symlink(fmt.Sprintf("c%d", i+1), fmt.Sprintf("/c%d", i)))
	}
	require.Zero(t, w.create("/c41", ""))
	for _, c := range []struct {
		path  string
		how   int
		errno Errno
		is    string // what node it is, "" for none
	}{
		{"/", Follow, 0, "/"}, {"///", Follow, 0, "/"}, {"/..", Follow, 0, "/"}, {"/../..//d", Follow, 0, "/d"},
		{"", Follow, linux.ENOENT, ""}, {"d", Follow, 0, "/d"}, {"d/", Follow, 0, "/d"}, {".", Follow, 0, "/"},
		{"/d/f", Follow, 0, "/d/f"}, {"/d/f/", Follow, linux.ENOTDIR, ""}, {"/d/f/x", Follow, linux.ENOTDIR, ""}, {"/d/f/..", Follow, linux.ENOTDIR, ""},
		{"/d/f/.", Follow, linux.ENOTDIR, ""}, {"/d/x", Follow, 0, ""}, {"/d/x/", Follow, 0, ""}, {"/d/x/y", Follow, linux.ENOENT, ""},
		{"/d/l", Follow, 0, "/d/f"}, {"/d/l", NoFollow, 0, "/d/l"}, {"/d/l/", NoFollow, linux.ENOTDIR, ""}, {"/d/l/", Parent, 0, "/d/l"},
		{"/d/le/", NoFollow, 0, "/d/e"}, {"/d/le/..", Follow, 0, "/d"}, {"/d/far", Follow, 0, "/d/f"}, {"/abs/f", Follow, 0, "/d/f"},
		{"/abs/le/../far", Follow, 0, "/d/f"}, {"/r/d", Follow, 0, "/d"}, {"/r", Follow, 0, "/"}, {"/r/", NoFollow, 0, "/"},
		{"/d/lslash", Follow, linux.ENOTDIR, ""}, {"/loop1", Follow, linux.ELOOP, ""}, {"/loop1", NoFollow, 0, "/loop1"}, {"/loop1/x", NoFollow, linux.ELOOP, ""},
		{"/c1", Follow, 0, "/c41"}, {"/c0", Follow, linux.ELOOP, ""}, {"/dangling", Follow, linux.ENOENT, ""}, {"/dangling", Parent, 0, "/dangling"},
		{"/" + strings.Repeat("n", 256), Follow, linux.ENAMETOOLONG, ""}, {"/" + strings.Repeat("n", 255), Follow, 0, ""},
		{strings.Repeat("/", 4096), Follow, linux.ENAMETOOLONG, ""}, {strings.Repeat("/", 4095), Follow, 0, "/"},
	} {
		p, errno := w.place(c.path, c.how)
		if assert.Equal(t, c.errno, errno, "%s (%d)", c.path, c.how) && errno == 0 {
			got := ""
			if p.Node != 0 {
				got = w.pathOf(p.Node)
			}
			assert.Equal(t, c.is, got, "%s (%d)", c.path, c.how)
		}
	}
	w.finish()
}

func (w *world) pathOf(n Node) string {
	buf := w.takePage()
	defer w.givePage(buf)
	s, errno := w.Path(n, buf, PageSize)
	require.Zero(w.t, errno)
	return strings.Clone(s)
}

func TestLastNames(t *testing.T) {
	w := newWorld(t, 1<<8)
	require.Zero(t, w.mkdir("/d", 0o755))
	require.Zero(t, w.create("/f", ""))
	assert.Equal(t, linux.EEXIST, w.mkdir("/d/.", 0))
	assert.Equal(t, linux.EEXIST, w.mkdir("/", 0))
	assert.Equal(t, linux.EINVAL, w.rmdir("/d/."))
	assert.Equal(t, linux.ENOTEMPTY, w.rmdir("/d/.."))
	assert.Equal(t, linux.EBUSY, w.rmdir("/"))
	assert.Equal(t, linux.EISDIR, w.unlink("/d/.."))
	assert.Equal(t, linux.EBUSY, w.rename("/d/.", "/e", 0))
	assert.Equal(t, linux.EBUSY, w.rename("/d", "/", 0))
	assert.Equal(t, linux.EEXIST, w.rename("/d", "/", RenameNoReplace))
	assert.Equal(t, linux.EEXIST, w.hardlink("/f", "/d/.."))
	w.finish()
}

func TestPathWithoutRoom(t *testing.T) {
	w := newWorld(t, 1<<8)
	require.Zero(t, w.mkdir("/dir", 0o755))
	buf := w.takePage()
	defer w.givePage(buf)
	for size, want := range map[uintptr]Errno{0: linux.ERANGE, 1: linux.ERANGE, 3: linux.ERANGE, 4: 0} {
		_, errno := w.Path(w.node("/dir"), buf, size)
		assert.Equal(t, want, errno, size)
	}
	_, errno := w.Path(w.Root(), buf, 0)
	assert.Equal(t, linux.ERANGE, errno)
}

func TestWhatIsHeldLivesOn(t *testing.T) {
	w := newWorld(t, 1<<8)
	require.Zero(t, w.create("/f", "still here"))
	require.Zero(t, w.mkdir("/d", 0o755))
	f, d := w.node("/f"), w.node("/d")
	w.Hold(f)
	w.Hold(d)
	require.Zero(t, w.unlink("/f"))
	require.Zero(t, w.rmdir("/d"))
	assert.Equal(t, "still here", w.read(f))
	assert.Zero(t, w.inode(f).links)
	up, errno := w.Lookup(d, "..", Follow)
	require.Zero(t, errno)
	assert.Equal(t, w.Root(), up.Node)
	p, errno := w.Lookup(d, "new", Parent)
	require.Zero(t, errno)
	_, errno = w.Make(p, TypeFile, 0)
	assert.Equal(t, linux.ENOENT, errno, "nothing is made in a directory that is gone")
	assert.True(t, w.Lost(f) && w.Lost(d) && !w.Lost(w.Root()))
	buf := w.takePage()
	path, errno := w.Path(f, buf, PageSize)
	assert.Zero(t, errno)
	assert.Equal(t, "/f", path, "what it was called last")
	w.givePage(buf)
	p, _ = w.Lookup(w.Root(), "back", Parent)
	assert.Equal(t, linux.ENOENT, w.Link(p, f, true), "a file that has lost its names gets no other")
	w.Release(f)
	w.Release(d)
	w.finish()
}

// Directories that were removed live as long as what was last in them: and go with it,
// however deep.
func TestRemovedDirectoriesGoWithWhatWasInThem(t *testing.T) {
	w := newWorld(t, 1<<10)
	dirs, path := []string{}, ""
	for range 500 {
		path += "/d"
		require.Zero(t, w.mkdir(path, 0o755))
		dirs = append(dirs, path)
	}
	deepest := w.node(path)
	w.Hold(deepest)
	for i := len(dirs) - 1; i >= 0; i-- {
		require.Zero(t, w.rmdir(dirs[i]))
	}
	buf := w.takePage()
	last, errno := w.Path(deepest, buf, PageSize)
	assert.Zero(t, errno)
	assert.Equal(t, path, last)
	w.givePage(buf)
	w.Release(deepest)
	w.finish()
}

func TestUnnamedFileGetsAName(t *testing.T) {
	w := newWorld(t, 1<<8)
	n, errno := w.NewFile(0o600)
	require.Zero(t, errno)
	require.Zero(t, w.write(n, 0, "text"))
	p, errno := w.place("/f", Parent)
	require.Zero(t, errno)
	assert.Equal(t, linux.ENOENT, w.Link(p, n, false))
	require.Zero(t, w.Link(p, n, true))
	w.Release(n)
	assert.Equal(t, "text", w.read(w.node("/f")))
	w.finish()
}

func TestAttach(t *testing.T) {
	w := newWorld(t, 1<<8)
	p, errno := w.place("/fifo", Parent)
	require.Zero(t, errno)
	n, errno := w.Make(p, TypeFifo|0o600, 0)
	require.Zero(t, errno)
	w.Attach(n, 5)
	w.Attach(w.Root(), 5)
	assert.Equal(t, []uintptr{5, 0}, []uintptr{w.Attached(n), w.Attached(w.Root())})
	w.Attach(n, 0)
	assert.Zero(t, w.Attached(n))
	w.finish()
}

func TestTimesAndOwners(t *testing.T) {
	w := newWorld(t, 1<<8)
	require.Zero(t, w.create("/f", "x"))
	f := w.node("/f")
	var st Info
	start := w.Now
	w.Now += 1000
	w.Accessed(f)
	w.Stat(f, &st)
	assert.Equal(t, [3]int64{start + 1000, start, start}, [3]int64{st.Atime, st.Mtime, st.Ctime})
	w.Now += 1000
	w.Accessed(f)
	w.Stat(f, &st)
	assert.Equal(t, start+1000, st.Atime, "read again without a change")
	require.Zero(t, w.Chmod(f, 0o6755))
	require.Zero(t, w.Chown(f, 7, ^uint32(0)))
	require.Zero(t, w.SetTimes(f, 5, 6, true, false))
	w.Stat(f, &st)
	assert.Equal(t, [3]int64{5, start, start + 2000}, [3]int64{st.Atime, st.Mtime, st.Ctime})
	assert.EqualValues(t, []uint32{TypeFile | 0o755, 7, 0}, []uint32{st.Mode, st.UID, st.GID})
	require.Zero(t, w.mkdir("/g", setGID|0o755))
	require.Zero(t, w.Chown(w.node("/g"), 0, 9))
	require.Zero(t, w.mkdir("/g/h", 0o700))
	w.Stat(w.node("/g/h"), &st)
	assert.EqualValues(t, []uint32{TypeDir | setGID | 0o700, 9}, []uint32{st.Mode, st.GID})
	w.finish()
}

func TestOpen(t *testing.T) {
	w := newWorld(t, 1<<8)
	require.Zero(t, w.mkdir("/d", 0o755))
	require.Zero(t, w.create("/f", "text"))
	require.Zero(t, w.symlink("f", "/l"))
	require.Zero(t, w.symlink("d", "/ld"))
	require.Zero(t, w.symlink("made", "/d/dangling"))
	const create, excl, write = linux.OCreat, linux.OExcl, 1
	for _, c := range []struct {
		path  string
		flags uint32
		errno Errno
	}{
		{"/none", 0, linux.ENOENT}, {"/none/", create, linux.EISDIR}, {"/d", create, linux.EISDIR}, {"/d", write, linux.EISDIR}, {"/d", 0, 0}, {"/d/.", create, linux.EISDIR},
		{"/f", create | excl, linux.EEXIST}, {"/l", create | excl, linux.EEXIST}, {"/d/dangling", create | excl, linux.EEXIST}, {"/d/dangling", 0, linux.ENOENT},
		{"/f/", 0, linux.ENOTDIR}, {"/f/", create, linux.EISDIR}, {"/f/x", create, linux.ENOTDIR}, {"/f", linux.ODirectory, linux.ENOTDIR}, {"/ld", linux.ODirectory, 0},
		{"/l", linux.ONofollow, linux.ELOOP}, {"/l", linux.ONofollow | linux.OPath, 0}, {"/l", linux.ONofollow | linux.ODirectory, linux.ENOTDIR}, {"/ld", linux.ONofollow, linux.ELOOP},
		{"/f", create | linux.ODirectory, linux.EINVAL}, {"/d/dangling", create | write, 0},
	} {
		n, errno := w.Open(w.Root(), w.still(c.path), c.flags, 0o644)
		if assert.Equal(t, c.errno, errno, "%s %o", c.path, c.flags) && errno == 0 {
			w.Release(n)
		}
	}
	assert.NotZero(t, w.node("/d/made"), "made through a link")
	w.finish()
}

func TestHooks(t *testing.T) {
	w := newWorld(t, 1<<8)
	fills := 0
	fill := func(dir Node, tag uint32) {
		assert.EqualValues(t, 5, tag)
		if fills++; w.Find(dir, "grown") == 0 {
			_, errno := w.Plant(dir, "grown", TypeFile|0o444, 0)
			assert.Zero(t, errno)
		}
	}
	require.Zero(t, w.create("/target", "reached"))
	target := w.node("/target")
	follow := func(_ Node, tag uint32) (Node, Errno) {
		if tag == 1 {
			return target, 0
		}
		return 0, linux.ENXIO
	}
	w.Hooks(fill, follow)
	require.Zero(t, w.mkdir("/d", 0o755))
	_, errno := w.PlantFile(w.node("/d"), "constant", 0o444, "text")
	require.Zero(t, errno)
	assert.Equal(t, "text", w.read(w.node("/d/constant")))
	_, again := w.Plant(w.node("/d"), "constant", TypeDir, 0)
	_, file := w.PlantFile(w.node("/d"), "constant", 0o444, "")
	_, link := w.PlantLink(w.node("/d"), "constant", "x")
	assert.Equal(t, [3]Errno{linux.EEXIST, linux.EEXIST, linux.EEXIST}, [3]Errno{again, file, link})
	w.Mark(w.node("/d"), Dynamic|ReadOnly, 5)
	for i, name := range []string{"/good", "/bad"} {
		require.Zero(t, w.symlink("text", name))
		p, errno := w.place(name, NoFollow)
		require.Zero(t, errno)
		w.Mark(p.Node, Magic, uint32(i+1))
	}
	assert.NotZero(t, w.node("/d/grown"))
	assert.Equal(t, []string{"constant", "grown"}, w.list(w.node("/d")))
	assert.Positive(t, fills)
	assert.Equal(t, linux.EROFS, w.create("/d/other", ""))
	assert.Equal(t, target, w.node("/good"))
	_, errno = w.place("/good/", Follow)
	assert.Equal(t, linux.ENOTDIR, errno)
	_, errno = w.place("/bad", Follow)
	assert.Equal(t, linux.ENXIO, errno)
	w.finish()
}
