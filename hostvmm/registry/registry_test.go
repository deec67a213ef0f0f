package registry

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// folder is one whose path is short enough for sockets.
func folder(t *testing.T) string {
	dir, err := os.MkdirTemp("/tmp", "doze-registry-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, check(dir))
	return dir
}

func add(t *testing.T, dir, name, base string) *Entry {
	e, err := Add(dir, name, base)
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

func TestMachinesAreFound(t *testing.T) {
	dir := folder(t)
	a, b := add(t, dir, "web", "x"), add(t, dir, "", "a dir/he_llo")
	assert.Equal(t, "a-dir-he_llo-"+b.ID[:4], b.Name)
	list, err := List(dir)
	require.NoError(t, err)
	assert.Equal(t, []Machine{{b.ID, b.Name, b.Socket}, {a.ID, "web", a.Socket}}, list)
	for what, want := range map[string]string{"web": a.ID, a.ID: a.ID, b.ID[:8]: b.ID, b.Name: b.ID} {
		m, err := Find(dir, what)
		require.NoError(t, err, what)
		assert.Equal(t, want, m.ID)
	}
	for _, what := range []string{"", "nobody", "../" + a.ID} {
		_, err := Find(dir, what)
		assert.ErrorContains(t, err, "no machine", what)
	}
	require.NoError(t, a.Close())
	_, err = Find(dir, "web")
	assert.ErrorContains(t, err, `no machine "web": doze ps lists`)
	rest, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, rest, 2, "nothing is left of one that ended")
}

func TestAmbiguousID(t *testing.T) {
	list := []Machine{{ID: "abcd00000000"}, {ID: "abce00000000", Name: "x"}, {ID: "f00000000000", Name: "abc"}}
	_, err := Choose(list, "ab")
	assert.EqualError(t, err, `several machines begin with "ab": abcd00000000, abce00000000`)
	m, err := Choose(list, "abc")
	require.NoError(t, err, "a name counts more")
	assert.Equal(t, "f00000000000", m.ID)
}

func TestANameIsTakenOnce(t *testing.T) {
	dir := folder(t)
	require.NoError(t, os.Symlink("0123456789ab"+suffix, filepath.Join(dir, "one"))) // of a machine that was killed
	var mu sync.Mutex
	var all sync.WaitGroup
	var made []*Entry
	for range 20 {
		all.Go(func() {
			e, err := Add(dir, "one", "")
			if err != nil {
				assert.ErrorIs(t, err, ErrTaken)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			made = append(made, e)
		})
	}
	all.Wait()
	require.Len(t, made, 1)
	list, err := List(dir)
	require.NoError(t, err)
	assert.Len(t, list, 1, "those refused left nothing")
	require.NoError(t, made[0].Close())
	add(t, dir, "one", "")
}

// A machine that was killed leaves its files.
func TestWhatIsLeftOfTheKilled(t *testing.T) {
	dir := folder(t)
	e, err := Add(dir, "gone", "")
	require.NoError(t, err)
	require.NoError(t, e.Listener.Close())
	n := add(t, dir, "gone", "") // the name is free
	list, err := List(dir)
	require.NoError(t, err)
	assert.Equal(t, []Machine{{n.ID, "gone", n.Socket}}, list)
	assert.NoFileExists(t, e.Socket)
	_ = e.Close() // the listener is closed already
	_, err = Find(dir, "gone")
	assert.NoError(t, err, "the name is the new one's")
}

func TestOthersFilesStay(t *testing.T) {
	dir := folder(t)
	for _, name := range []string{"x.sock", "notes", "0123456789ab"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, os.Symlink("notes", filepath.Join(dir, "link")))
	list, err := List(dir)
	require.NoError(t, err)
	assert.Empty(t, list)
	rest, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, rest, 4)
}

func TestNames(t *testing.T) {
	for _, good := range []string{"a", "web-1", "A.b_c", strings.Repeat("x", 63)} {
		assert.NoError(t, CheckName(good))
	}
	for _, bad := range []string{"", "-a", ".a", "a/b", "a b", "ä", strings.Repeat("x", 64), "0123456789ab", "..", "a\n"} {
		assert.Error(t, CheckName(bad), bad)
	}
	for base, want := range map[string]string{"": "machine-", "...": "machine-", "ä": "machine-", strings.Repeat("y", 99): strings.Repeat("y", 48) + "-"} {
		name := defaultName(base, "0123")
		assert.Equal(t, want+"0123", name)
		assert.NoError(t, CheckName(name))
	}
}

// Machines whose IDs begin alike have names all the same.
func TestEveryMachineHasAName(t *testing.T) {
	dir := folder(t)
	for i, want := range []string{"x-0123", "x-012345", "x-01234567", "x-0123456789"} {
		e, err := addAs(dir, "0123456789"+strconv.Itoa(10+i), "", "x")
		require.NoError(t, err)
		defer e.Close()
		assert.Equal(t, want, e.Name)
	}
	list, err := List(dir)
	require.NoError(t, err)
	assert.Len(t, list, 4)
	_, err = addAs(dir, "012345678999", "x-0123", "")
	assert.ErrorIs(t, err, ErrTaken, "a name that was asked for is that name or none")
}

func TestManyMachinesOfOneName(t *testing.T) {
	dir := folder(t)
	const n = 300
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			e, err := Add(dir, "", "same")
			if assert.NoError(t, err) {
				t.Cleanup(func() { e.Close() })
			}
			if list, err := List(dir); assert.NoError(t, err) {
				assert.NotEmpty(t, list)
			}
		})
	}
	all.Wait()
	list, err := List(dir)
	require.NoError(t, err)
	assert.Len(t, list, n)
	for _, m := range list {
		assert.NotEmpty(t, m.Name)
	}
}

func TestTheFolderIsOurs(t *testing.T) {
	base := folder(t)
	t.Setenv("XDG_RUNTIME_DIR", base)
	dir, err := Dir()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(base, "doze"), dir)
	_, err = Dir()
	require.NoError(t, err, "twice")
	require.NoError(t, os.Chmod(dir, 0o750))
	_, err = Dir()
	assert.ErrorContains(t, err, "others may use")
	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Symlink(folder(t), dir))
	_, err = Dir()
	assert.ErrorContains(t, err, "is no folder")
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(base, "missing"))
	_, err = Dir()
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestSocketsOfTheCallersChoice(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "s")
	l, err := Listen(path)
	require.NoError(t, err)
	_, err = Listen(path)
	assert.ErrorContains(t, err, "somebody listens")
	require.NoError(t, l.Close())
	l, err = Listen(path)
	require.NoError(t, err, "nobody listens any more")
	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	c.Close()
	l.Close()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	_, err = Listen(file)
	assert.ErrorContains(t, err, "no socket")
	assert.FileExists(t, file)
	beside := path + "~"
	require.NoError(t, os.WriteFile(beside, []byte("x"), 0o600))
	old := syscall.Umask(0)
	l, err = Listen(path)
	syscall.Umask(old)
	require.NoError(t, err)
	defer l.Close()
	assert.FileExists(t, beside, "a file of the user's")
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSocket|0o600, info.Mode(), "nobody else's, whatever the umask")
	_, err = Listen(filepath.Join(dir, strings.Repeat("x", 100)))
	assert.ErrorContains(t, err, "use a shorter folder")
}
