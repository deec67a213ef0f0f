package outfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func number(f *os.File) string { return strconv.Itoa(int(f.Fd())) }

func say(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func content(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

func kind(t *testing.T, name string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(name)
	require.NoError(t, err)
	return info.Mode().Type()
}

func TestFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "out")
	require.NoError(t, Write(name, 0o755, say("one")))
	require.NoError(t, Write(name, 0o755, say("two")))
	assert.Equal(t, "two", content(t, name))
	info, err := os.Stat(name)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o755), info.Mode())

	broken := errors.New("broken")
	err = Write(name, 0o755, func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return broken })
	assert.ErrorIs(t, err, broken)
	assert.Equal(t, "two", content(t, name), "the older one stays whole")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1)
}

func TestLinksStay(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Mkdir(at("sub"), 0o755))
	require.NoError(t, os.WriteFile(at("sub/file"), []byte("old"), 0o644))
	for link, to := range map[string]string{"a": "b", "b": "sub/file", "dangling": "sub/new", "absolute": at("sub/file"), "loop": "loop"} {
		require.NoError(t, os.Symlink(to, at(link)))
	}
	for link, target := range map[string]string{"a": "sub/file", "dangling": "sub/new", "absolute": "sub/file"} {
		require.NoError(t, Write(at(link), 0o644, say(link)), link)
		assert.Equal(t, fs.ModeSymlink, kind(t, at(link)), link)
		assert.Equal(t, link, content(t, at(target)))
	}
	assert.Equal(t, fs.ModeSymlink, kind(t, at("b")))
	assert.ErrorIs(t, Write(at("loop"), 0o644, say("")), syscall.ELOOP)
}

func TestWhatIsNoFileStays(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("fifo", link))
	for _, name := range []string{fifo, link} {
		got := make(chan string)
		go func() {
			data, _ := os.ReadFile(fifo)
			got <- string(data)
		}()
		require.NoError(t, Write(name, 0o644, say(name)))
		assert.Equal(t, name, <-got)
	}
	assert.Equal(t, fs.ModeNamedPipe, kind(t, fifo))
	require.NoError(t, Write("/dev/null", 0o644, say("x")))
	assert.Equal(t, fs.ModeDevice|fs.ModeCharDevice, kind(t, "/dev/null"))
	assert.ErrorIs(t, Write("/dev/full", 0o644, say("x")), syscall.ENOSPC)
	assert.ErrorIs(t, Write(dir, 0o644, say("x")), syscall.EISDIR)
	assert.ErrorIs(t, Write(filepath.Join(dir, "no/file"), 0o644, say("x")), fs.ErrNotExist)
	assert.EqualError(t, Write(filepath.Join(dir, "no/file"), 0o644, say("x")), "write "+dir+"/no/file: no such file or directory")
	assert.Error(t, Write("", 0o644, say("x")))
}

// A descriptor of ours is written to where it is: `--json /dev/stdout >file` adds to
// what was printed.
func TestOwnDescriptors(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "file"))
	require.NoError(t, err)
	defer file.Close()
	_, err = file.WriteString("before ")
	require.NoError(t, err)
	link := filepath.Join(dir, "stdout")
	require.NoError(t, os.Symlink("/proc/self/fd/"+number(file), link))
	require.NoError(t, Write(link, 0o644, say("report ")))
	require.NoError(t, Write("/dev/fd/"+number(file), 0o644, say("more ")))
	_, err = file.WriteString("after")
	require.NoError(t, err)
	assert.Equal(t, "before report more after", content(t, file.Name()))
	assert.Equal(t, fs.ModeSymlink, kind(t, link))

	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, Write("/proc/self/fd/"+number(w), 0o644, say("piped")))
	w.Close()
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "piped", string(data))
}
