package fs

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	assert.Equal(t, ENXIO, errno)
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
	assert.Equal(t, EFBIG, w.Truncate(f, MaxSize+1))
	require.Zero(t, w.Truncate(f, MaxSize))
	assert.Equal(t, EFBIG, w.write(f, MaxSize, "x"))
	require.Zero(t, w.write(f, MaxSize-1, "x"))
	assert.Equal(t, EFBIG, w.Allocate(f, 0, MaxSize-1, 2))
	assert.Equal(t, EFBIG, w.Allocate(f, 0, 1<<62, 1<<62))
	assert.Equal(t, EINVAL, w.Allocate(f, 0, 0, 0))
	assert.Equal(t, EINVAL, w.Allocate(f, 0, 1<<63, 1))
	assert.Equal(t, EOPNOTSUPP, w.Allocate(f, PunchHole, 0, 1))
	assert.Equal(t, EISDIR, w.Truncate(w.Root(), 0))
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
				assert.Contains(t, []Errno{0, ENOSPC, ENOENT}, errno)
			}
		}
		w.finish()
	}
}
