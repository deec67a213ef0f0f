package fs

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/kernel/linux"
)

func TestSparseFile(t *testing.T) {
	w := newWorld(t, 1<<8)
	require.Zero(t, w.create("/f", "begin"))
	f := w.node("/f")
	far := []uint64{3 << 20, 5 << 30, 300 << 30}
	for _, off := range far {
		require.Zero(t, w.write(f, off-2, "edge"))
	}
	var st Info
	w.Stat(f, &st)
	assert.EqualValues(t, far[2]+2, st.Size)
	assert.EqualValues(t, 7*8, st.Blocks)
	assert.Less(t, w.Pages(), uintptr(40))

	at := uint64(0)
	for _, off := range far {
		hole, errno := w.Seek(f, at, true)
		require.Zero(t, errno)
		assert.EqualValues(t, at&^pageOffset+PageSize, hole)
		at, errno = w.Seek(f, hole, false)
		require.Zero(t, errno)
		assert.EqualValues(t, off-PageSize, at)
		at = off
	}
	_, errno := w.Seek(f, st.Size, false)
	assert.Equal(t, linux.ENXIO, errno)
	hole, errno := w.Seek(f, st.Size-1, true)
	require.Zero(t, errno)
	assert.Equal(t, st.Size, hole, "the end is a hole")

	require.Zero(t, w.Truncate(f, 3<<20))
	addr, size := w.Peek(f, 3<<20-2, 100)
	assert.EqualValues(t, 2, size)
	assert.Equal(t, "ed", text(addr, size))
	require.Zero(t, w.Truncate(f, 3<<20+10))
	addr, size = w.Peek(f, 3<<20, 100)
	assert.EqualValues(t, []uintptr{0, 10}, []uintptr{addr, size}, "what was cut off is zero")
	w.finish()
}

func TestSizeLimits(t *testing.T) {
	w := newWorld(t, 1<<8)
	require.Zero(t, w.create("/f", ""))
	f := w.node("/f")
	assert.Equal(t, linux.EFBIG, w.Truncate(f, MaxSize+1))
	require.Zero(t, w.Truncate(f, MaxSize))
	assert.Equal(t, linux.EFBIG, w.write(f, MaxSize, "x"))
	require.Zero(t, w.write(f, MaxSize-1, "x"))
	assert.Equal(t, linux.EFBIG, w.Allocate(f, 0, MaxSize-1, 2))
	assert.Equal(t, linux.EFBIG, w.Allocate(f, 0, 1<<62, 1<<62))
	assert.Equal(t, linux.EINVAL, w.Allocate(f, 0, 0, 0))
	assert.Equal(t, linux.EINVAL, w.Allocate(f, 0, 1<<63, 1))
	assert.Equal(t, linux.EOPNOTSUPP, w.Allocate(f, PunchHole, 0, 1))
	assert.Equal(t, linux.EISDIR, w.Truncate(w.Root(), 0))
	w.finish()
}

// A file and a plain slice of bytes see the same random operations.
func TestDataAgainstModel(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		w := newWorld(t, 1<<9)
		original := strings.Repeat("in place, as the archive has it. ", 1000)
		a := w.archive(t, file("f", original))
		require.Zero(t, w.Mount(a.lo, a.hi, false))
		f := w.node("/f")
		model := []byte(original)
		rnd := rand.New(rand.NewPCG(seed, 1))
		for range 200 {
			off, n := rnd.Uint64N(60000), 1+rnd.Uint64N(9000)
			switch rnd.IntN(6) {
			case 0, 1:
				s := strings.Repeat(string(rune('A'+rnd.IntN(26))), int(n))
				require.Zero(t, w.write(f, off, s))
				model = grown(model, off+n)
				copy(model[off:], s)
			case 2:
				require.Zero(t, w.Truncate(f, off))
				model = grown(model, off)[:off]
			case 3:
				require.Zero(t, w.Allocate(f, PunchHole|KeepSize, off, n))
				clear(model[min(off, uint64(len(model))):min(off+n, uint64(len(model)))])
			case 4:
				require.Zero(t, w.Allocate(f, ZeroRange, off, n))
				model = grown(model, off+n)
				clear(model[off : off+n])
			case 5:
				require.Zero(t, w.Allocate(f, KeepSize, off, n))
			}
			require.True(t, string(model) == w.read(f), "seed %d", seed)
		}
		assert.Equal(t, original, strings.Clone(a.text[a.body:a.body+len(original)]), "the archive is never written")
		w.finish()
	}
}

// grown returns b with zeros up to a length of at least n.
func grown(b []byte, n uint64) []byte {
	if uint64(len(b)) < n {
		b = append(b, make([]byte, n-uint64(len(b)))...)
	}
	return b
}

// Without pages every operation fails cleanly, wherever the last one went.
func TestFullEverywhere(t *testing.T) {
	for limit := 1; limit < 40; limit++ {
		w := newWorld(t, limit)
		long := strings.Repeat("n", 250)
		for i := range 12 {
			name := long + string(rune('a'+i))
			for _, errno := range []Errno{
				w.mkdir("/"+name, 0o755),
				w.create("/"+name+"/f", strings.Repeat("x", 5000)),
				w.symlink(strings.Repeat("t", 2000), "/"+name+"/l"),
				w.hardlink("/"+name+"/f", "/"+long+"/g"),
				w.rename("/"+name+"/f", "/"+name+"f", 0),
			} {
				assert.Contains(t, []Errno{0, linux.ENOSPC, linux.ENOENT}, errno)
			}
		}
		w.finish()
	}
}

// The pages of what is large are freed piece by piece.
func TestLargeFilesAreReaped(t *testing.T) {
	const pages = 1500
	for _, c := range []struct {
		name   string
		lose   func(w *world, f Node)
		blocks int // pages that stay
	}{
		{"cut to nothing", func(w *world, f Node) { require.Zero(t, w.Truncate(f, 0)) }, 0},
		{"cut", func(w *world, f Node) { require.Zero(t, w.Truncate(f, 700*PageSize-1)) }, 700},
		{"punched", func(w *world, f Node) {
			require.Zero(t, w.Allocate(f, PunchHole|KeepSize, 100*PageSize+1, 900*PageSize-1))
		}, pages - 899},
		{"punched along tables", func(w *world, f Node) {
			require.Zero(t, w.Allocate(f, PunchHole|KeepSize, 512*PageSize, 512*PageSize))
		}, pages - 512},
		{"removed", func(w *world, f Node) { require.Zero(t, w.unlink("/f")) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1<<11)
			require.Zero(t, w.create("/f", ""))
			f := w.node("/f")
			for i := range uint64(pages) {
				require.Zero(t, w.write(f, i*PageSize, string(rune('a'+i%26))))
			}
			before, nodes := w.Pages(), w.Nodes()
			c.lose(w, f)
			require.True(t, w.Doomed())
			if c.blocks != 0 {
				var st Info
				w.Stat(f, &st)
				assert.EqualValues(t, c.blocks*8, st.Blocks)
			}
			for w.Doomed() {
				was := w.Pages()
				w.Reap(100)
				assert.LessOrEqual(t, was-w.Pages(), uintptr(101), "and the inode's own")
			}
			assert.InDelta(t, int(before)-(pages-c.blocks), int(w.Pages()), 5, "tables come and go")
			assert.LessOrEqual(t, w.Nodes(), nodes)
			for i := range uint64(pages) {
				if c.blocks == 0 {
					break
				}
				page, _ := w.inode(f).lookup(uintptr(i))
				if page != 0 {
					assert.Equal(t, string(rune('a'+i%26)), text(page, 1), i)
				}
			}
			w.finish()
		})
	}
}

// An allocation that can't be takes nothing.
func TestAllocateAllOrNothing(t *testing.T) {
	w := newWorld(t, 1<<9)
	require.Zero(t, w.create("/f", ""))
	f := w.node("/f")
	require.Zero(t, w.write(f, 10*PageSize, "data"))
	before := w.Pages()
	for _, mode := range []uint32{0, KeepSize} {
		assert.Equal(t, linux.ENOSPC, w.Allocate(f, mode, 0, 1<<30), "the pages run out")
		assert.InDelta(t, int(before), int(w.Pages()), 3)
		assert.EqualValues(t, 10*PageSize+4, w.Size(f))
	}
	asked := false
	room := func() uintptr { asked = true; return 100 }
	w.OnRoom(room)
	assert.Equal(t, linux.ENOSPC, w.Allocate(f, 0, 0, 99*PageSize))
	assert.True(t, asked)
	assert.InDelta(t, int(before), int(w.Pages()), 3)
	require.Zero(t, w.Allocate(f, 0, 0, 90*PageSize))
	addr, _ := w.Peek(f, 10*PageSize, 4)
	assert.Equal(t, "data", text(addr, 4))
	w.finish()
}
