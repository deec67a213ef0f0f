package fs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/kernel/linux"
)

// The host's own file system is the model: random calls go to both, and errors
// and results must be the same.

// pair is a folder of the host and the same one here.
type pair struct {
	w    *world
	base string
	in   []byte // what decides
}

const deep = "/a/b/c/" // so deep that no path of three names leaves it

func newPair(t testing.TB, w *world, in []byte) *pair {
	p := &pair{w, t.TempDir(), in}
	require.NoError(t, os.MkdirAll(p.base+deep, 0o755))
	for _, d := range []string{"/a", "/a/b", "/a/b/c"} {
		require.Zero(t, w.mkdir(d, 0o755))
	}
	return p
}

func (p *pair) pick(n int) int {
	if len(p.in) == 0 {
		return 0
	}
	b := int(p.in[0])
	p.in = p.in[1:]
	return b % n
}

func (p *pair) path() string {
	names := []string{"a", "b", "c", "long name", "e", "a", "b", "c", ".", ".."}
	var b strings.Builder
	b.WriteString(deep)
	for n := 1 + p.pick(6)%3; n > 0; n-- {
		b.WriteString(names[p.pick(len(names))])
		if n > 1 {
			b.WriteString([]string{"/", "/", "//"}[p.pick(3)])
		}
	}
	if p.pick(8) == 7 {
		b.WriteString("/")
	}
	return b.String()
}

func errnoOf(err error) Errno {
	if err == nil {
		return 0
	}
	return Errno(err.(syscall.Errno))
}

// step makes one call on both sides and describes it and both results.
func (p *pair) step() (call string, theirs, ours string) {
	a := p.path()
	host := p.base + a
	var err error
	var errno Errno
	result := [2]string{}
	switch op := p.pick(12); op {
	case 0:
		call, err, errno = "mkdir", syscall.Mkdir(host, 0o755), p.w.mkdir(a, 0o755)
	case 1, 2:
		flags := []int{0, syscall.O_EXCL, syscall.O_TRUNC, syscall.O_NOFOLLOW}[p.pick(4)] | []int{syscall.O_CREAT, syscall.O_CREAT, 0}[p.pick(3)]
		off, s := int64(p.pick(40)*1000), strings.Repeat(string(rune('A'+p.pick(26))), p.pick(100)*50)
		call = fmt.Sprintf("write %o at %d: %d", flags, off, len(s))
		err, errno = hostWrite(host, flags, off, s), p.ourWrite(a, uint32(flags), uint64(off), s)
	case 3:
		call, err, errno = "unlink", syscall.Unlink(host), p.w.unlink(a)
	case 4:
		call, err, errno = "rmdir", syscall.Rmdir(host), p.w.rmdir(a)
	case 5, 6:
		b, flags := p.path(), []uint32{0, 0, 0, 1, 2, 3}[p.pick(6)]
		call = fmt.Sprintf("rename %d to %s:", flags, b)
		err, errno = hostRename(host, p.base+b, flags), p.w.rename(a, b, flags)
	case 7:
		b := p.path()
		call, err, errno = "link to "+b+":", syscall.Link(host, p.base+b), p.w.hardlink(a, b)
	case 8:
		to := []string{"a", "b", "c/a", "a/b/", "e", "./b//c", "."}[p.pick(7)]
		call, err, errno = "symlink "+to+":", syscall.Symlink(to, host), p.w.symlink(to, a)
	case 9:
		size := uint64(p.pick(30) * 700)
		call, err, errno = fmt.Sprintf("truncate %d:", size), syscall.Truncate(host, int64(size)), p.ourTruncate(a, size)
	case 10:
		mode := uint32(p.pick(64)*8 | 0o700)
		call, err, errno = fmt.Sprintf("chmod %o:", mode), syscall.Chmod(host, mode), p.ourChmod(a, mode)
	case 11:
		var b [100]byte
		var n int
		n, err = syscall.Readlink(host, b[:])
		call = "readlink"
		var l Place
		if l, errno = p.w.place(a, NoFollow); errno == 0 && l.Node == 0 {
			errno = linux.ENOENT
		} else if errno == 0 {
			result[1], errno = p.w.Readlink(l.Node)
		}
		result[0] = string(b[:max(n, 0)])
	}
	return call + " " + a, fmt.Sprint(errnoOf(err), result[0]), fmt.Sprint(errno, result[1])
}

func hostWrite(path string, flags int, off int64, s string) error {
	fd, err := syscall.Open(path, flags|syscall.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	if s == "" {
		return nil
	}
	_, err = syscall.Pwrite(fd, []byte(s), off)
	return err
}

func (p *pair) ourWrite(path string, flags uint32, off uint64, s string) Errno {
	n, errno := p.w.Open(p.w.Root(), p.w.still(path), flags|1, 0o644)
	if errno != 0 {
		return errno
	}
	defer p.w.Release(n)
	return p.w.write(n, off, s)
}

func hostRename(from, to string, flags uint32) error {
	const renameat2, here = 316, -100 // AT_FDCWD
	a, _ := syscall.BytePtrFromString(from)
	b, _ := syscall.BytePtrFromString(to)
	at := here
	_, _, e := syscall.Syscall6(renameat2, uintptr(at), uintptr(unsafe.Pointer(a)), uintptr(at), uintptr(unsafe.Pointer(b)), uintptr(flags), 0)
	if e != 0 {
		return e
	}
	return nil
}

func (p *pair) ourTruncate(path string, size uint64) Errno {
	l, errno := p.w.place(path, Follow)
	switch {
	case errno != 0:
		return errno
	case l.Node == 0:
		return linux.ENOENT
	}
	return p.w.Truncate(l.Node, size)
}

func (p *pair) ourChmod(path string, mode uint32) Errno {
	l, errno := p.w.place(path, Follow)
	switch {
	case errno != 0:
		return errno
	case l.Node == 0:
		return linux.ENOENT
	}
	return p.w.Chmod(l.Node, mode)
}

// hostDump is world.dump of a folder of the host.
func hostDump(t testing.TB, dir, path string) (lines []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	for _, e := range entries {
		full, name := filepath.Join(dir, e.Name()), path+"/"+e.Name()
		var st syscall.Stat_t
		require.NoError(t, syscall.Lstat(full, &st))
		line := fmt.Sprintf("%s %o", name, st.Mode)
		switch st.Mode & TypeMask {
		case TypeDir:
			below, err := os.ReadDir(full)
			require.NoError(t, err)
			n := 2 // some file systems of hosts don't count
			for _, e := range below {
				if e.IsDir() {
					n++
				}
			}
			lines = append(lines, fmt.Sprintf("%s links %d", line, n))
			lines = append(lines, hostDump(t, full, name)...)
		case TypeLink:
			to, err := os.Readlink(full)
			require.NoError(t, err)
			lines = append(lines, line+" -> "+to)
		default:
			text, err := os.ReadFile(full)
			require.NoError(t, err)
			lines = append(lines, fmt.Sprintf("%s links %d %s", line, st.Nlink, digest(string(text))))
		}
	}
	return lines
}

func (p *pair) compare(t *testing.T) {
	for i := 0; len(p.in) > 0; i++ {
		call, theirs, ours := p.step()
		require.Equal(t, theirs, ours, "call %d: %s", i, call)
	}
	theirs := hostDump(t, p.base, "")
	ours := p.w.dump(p.w.Root(), "")
	require.Equal(t, theirs, ours)
	p.w.finish()
}

func TestAgainstTheHost(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		in := make([]byte, 6000)
		for i := range in {
			in[i] = byte(rnd.Uint32())
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			newPair(t, newWorld(t, 1<<12), in).compare(t)
		})
	}
}

func FuzzAgainstTheHost(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Add([]byte{0, 0, 0, 0, 0, 1, 1, 1, 1, 5, 0, 2, 3})
	w := newWorld(f, 1<<12)
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4000 {
			t.Skip()
		}
		w.t = t
		newPair(t, w, in).compare(t)
	})
}
