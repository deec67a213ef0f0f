package embed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// record is an entry as a reader finds it.
type record struct {
	name        string
	mode, mtime uint32
	data        string
}

var errArchive = errors.New("damaged archive")

// read is a reader of its own, for the writer to be checked by.
func read(data []byte) ([]record, error) {
	var out []record
	rest := data
	cut := func(n int) ([]byte, error) {
		padded := (n + 3) &^ 3
		if padded > len(rest) {
			return nil, errArchive
		}
		part := rest[:n]
		rest = rest[padded:]
		return part, nil
	}
	for {
		if len(rest) < 110 || string(rest[:6]) != "070701" {
			return nil, errArchive
		}
		var f [13]uint64
		for i := range f {
			v, err := strconv.ParseUint(string(rest[6+8*i:14+8*i]), 16, 32)
			if err != nil {
				return nil, err
			}
			f[i] = v
		}
		head, err := cut(110 + int(f[11]))
		if err != nil || f[11] == 0 || head[len(head)-1] != 0 {
			return nil, errArchive
		}
		name := strings.TrimRight(string(head[110:]), "\x00")
		body, err := cut(int(f[6]))
		if err != nil {
			return nil, err
		}
		if name == trailer {
			if len(rest) != 0 {
				return nil, fmt.Errorf("%d bytes behind the trailer", len(rest))
			}
			return out, nil
		}
		out = append(out, record{name, uint32(f[1]), uint32(f[5]), string(body)})
	}
}

// tree makes a folder with what an archive can hold.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "hello\n", "empty": "", "sub/b": "12345", "sub-b": "next to sub"} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "sub/b"), 0o755|os.ModeSetuid))
	require.NoError(t, os.Symlink("sub/b", filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "lost")))
	when := time.Unix(1_500_000_000, 999)
	for _, name := range []string{"a.txt", "empty", "sub/b", "sub-b", "sub", "."} {
		require.NoError(t, os.Chtimes(filepath.Join(dir, name), when, when))
	}
	return dir
}

func TestArchive(t *testing.T) {
	dir := tree(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	data, notes, err := Archive([]Tree{{Dir: dir, Path: "/x/y", Follow: false}})
	require.NoError(t, err)
	require.Len(t, notes, 1)
	assert.Contains(t, notes[0], "fifo was left out of the image")
	got, err := read(data)
	require.NoError(t, err)
	for i := range got {
		if got[i].mode>>12 == modeSymlink>>12 || got[i].name == "x/y" {
			got[i].mtime = 1_500_000_000 // links have a time of their own; the fifo changed the folder's
		}
	}
	const when = 1_500_000_000
	assert.Equal(t, []record{
		{"x", 0o40755, 0, ""},
		{"x/y", 0o40755, when, ""},
		{"x/y/a.txt", 0o100644, when, "hello\n"},
		{"x/y/empty", 0o100644, when, ""},
		{"x/y/link", 0o120777, when, "sub/b"},
		{"x/y/lost", 0o120777, when, "nowhere"},
		{"x/y/sub", 0o40755, when, ""},
		{"x/y/sub-b", 0o100644, when, "next to sub"},
		{"x/y/sub/b", 0o104755, when, "12345"},
	}, got)
	again, _, err := Archive([]Tree{{Dir: dir, Path: "/x/y/"}})
	require.NoError(t, err)
	assert.Equal(t, data, again)
}

func TestArchiveOptions(t *testing.T) {
	dir := tree(t)
	data, _, err := Archive([]Tree{
		{Dir: dir, Path: "/", Follow: true, Skip: func(rel string) bool { return rel == "sub" || rel == "empty" }},
		{Dir: filepath.Join(dir, "a.txt"), Path: "/etc/name"},
		{Dir: filepath.Join(dir, "a.txt"), Path: "/a.txt"}, // the same file twice
		{Dir: filepath.Join(dir, "gone"), Path: "/gone", Optional: true},
	})
	require.NoError(t, err)
	got, err := read(data)
	require.NoError(t, err)
	var list []string
	for _, r := range got {
		list = append(list, fmt.Sprintf("%s %o %s", r.name, r.mode, strings.TrimSpace(r.data)))
	}
	assert.Equal(t, []string{"a.txt 100644 hello", "etc 40755 ", "etc/name 100644 hello", "link 104755 12345",
		"lost 120777 nowhere", "sub-b 100644 next to sub"}, list)
	none, _, err := Archive(nil)
	require.NoError(t, err)
	assert.Nil(t, none)
}

func TestArchiveRefuses(t *testing.T) {
	dir, other := tree(t), tree(t)
	for _, c := range []struct {
		name, want string
		trees      []Tree
	}{
		{"no folder", "no such file or folder", []Tree{{Dir: filepath.Join(dir, "gone"), Path: "/x"}}},
		{"relative", "must begin with /", []Tree{{Dir: dir, Path: "x"}}},
		{"NUL", "NUL byte", []Tree{{Dir: dir, Path: "/x\x00"}}},
		{"two files at one place", "would be /x/a.txt", []Tree{{Dir: dir, Path: "/x"}, {Dir: other, Path: "/x"}}},
		{"a file as a folder", "and no folder", []Tree{{Dir: dir, Path: "/x"}, {Dir: other, Path: "/x/a.txt/b"}}},
		{"a folder as a file", "would be /x", []Tree{{Dir: dir, Path: "/x"}, {Dir: filepath.Join(dir, "a.txt"), Path: "/x"}}},
		{"a file as the root", "can't be at /", []Tree{{Dir: filepath.Join(dir, "a.txt"), Path: "/"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Archive(c.trees)
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestArchiveTooLarge(t *testing.T) {
	defer func(n int64) { largest = n }(largest)
	largest = 21 // one byte less than what tree has
	dir := tree(t)
	_, _, err := Archive([]Tree{{Dir: dir, Path: "/x"}})
	require.ErrorContains(t, err, "embed less")
	largest = 22
	_, _, err = Archive([]Tree{{Dir: dir, Path: "/x"}})
	require.NoError(t, err)
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Tree{
		"data:/srv": {Dir: "data", Path: "/srv"}, "a:b:/c": {Dir: "a:b", Path: "/c"}, "../x:/": {Dir: "../x", Path: "/"},
	} {
		got, err := Parse(text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", "data", ":/x", "data:x", "data:"} {
		_, err := Parse(text)
		assert.ErrorContains(t, err, "write DIR:/PATH", text)
	}
}

// The archive unpacks with the tool that the form is from.
func TestCpioUnpacks(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("no cpio here: ", err)
	}
	dir := tree(t)
	data, _, err := Archive([]Tree{{Dir: dir, Path: "/top"}})
	require.NoError(t, err)
	out := t.TempDir()
	unpack := exec.Command("cpio", "--extract", "--preserve-modification-time", "--quiet")
	unpack.Dir, unpack.Stdin = out, bytes.NewReader(data)
	said, err := unpack.CombinedOutput()
	require.NoError(t, err, string(said))
	assert.Empty(t, string(said))
	said, err = exec.Command("diff", "-r", "--no-dereference", dir, filepath.Join(out, "top")).CombinedOutput()
	require.NoError(t, err, string(said))
	for _, name := range []string{"a.txt", "sub/b", "link"} {
		want, err := os.Lstat(filepath.Join(dir, name))
		require.NoError(t, err)
		got, err := os.Lstat(filepath.Join(out, "top", name))
		require.NoError(t, err)
		assert.Equal(t, want.Mode(), got.Mode(), name)
		if want.Mode().IsRegular() {
			assert.Equal(t, want.ModTime().Unix(), got.ModTime().Unix(), name)
		}
	}
}

func FuzzArchive(f *testing.F) {
	f.Add("a", []byte("text"), "dir/b", []byte{}, uint32(0o755))
	f.Add("x", []byte("1"), "x/y", []byte("12345"), uint32(0o4000))
	f.Add("TRAILER!!", []byte("\x00"), "070701", []byte("070701"), uint32(0))
	f.Fuzz(func(t *testing.T, a string, dataA []byte, b string, dataB []byte, perm uint32) {
		dir := t.TempDir()
		want := map[string]string{}
		for name, data := range map[string][]byte{a: dataA, b: dataB} {
			file := filepath.Join(dir, name)
			if !filepath.IsLocal(name) || os.MkdirAll(filepath.Dir(file), 0o755) != nil || os.WriteFile(file, data, 0o644) != nil {
				t.Skip("no such file can be")
			}
			require.NoError(t, os.Chmod(file, os.FileMode(perm&0o777)|0o400))
			rel, err := filepath.Rel(dir, file)
			require.NoError(t, err)
			want["t/"+rel] = string(data)
		}
		archive, notes, err := Archive([]Tree{{Dir: dir, Path: "/t"}})
		require.NoError(t, err)
		require.Empty(t, notes)
		records, err := read(archive)
		require.NoError(t, err)
		got := map[string]string{}
		for _, r := range records {
			if r.mode&modeFile != 0 {
				got[r.name] = r.data
			}
		}
		require.Equal(t, want, got)
	})
}

// What is a page or larger begins at a page, so that the guest can map it where it lies.
func TestLargeFilesBeginAtPages(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a": 5, "b": page - 1, "c": page, "d": 3*page + 1, "e/" + strings.Repeat("n", 200): page} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte{name[0]}, size), 0o644))
	}
	data, _, err := Archive([]Tree{{Dir: dir, Path: "/t"}})
	require.NoError(t, err)
	records, err := read(data)
	require.NoError(t, err)
	for _, name := range []string{"c", "d", "e"} {
		at := bytes.Index(data, bytes.Repeat([]byte(name), page))
		assert.Zero(t, at%page, name)
	}
	for _, r := range records {
		assert.Equal(t, strings.TrimRight(r.name, "\x00"), r.name)
	}
}
