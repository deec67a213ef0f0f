package mem

import (
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// outside returns zero memory that is not part of the Go heap, as the kernel's
// tables are not.
func outside(t testing.TB, size uintptr) uintptr {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, int(max(size, PageSize)), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	return addrOf(b)
}

func newFrames(t testing.TB, top uintptr) *Frames {
	t.Helper()
	f := new(Frames)
	f.Init(outside(t, MetadataSize(top, top)), top, top)
	return f
}

const mib = 1 << 20

func TestMetadataSize(t *testing.T) {
	for _, c := range []struct{ top, want uintptr }{
		{0, 0},
		{1, PageSize},
		{16 * mib, PageSize},
		{128 * mib, 2 * PageSize},
		{1 << 30, 9 * PageSize},
		{64 << 30, 2*mib + 128<<10},
	} {
		assert.Equal(t, c.want, MetadataSize(c.top, c.top), "top %#x", c.top)
	}
}

func TestFramesInit(t *testing.T) {
	for _, c := range []struct {
		name                string
		top                 uintptr
		total, free, blocks uintptr
	}{
		{"nothing", 0, 0, 0, 0},
		{"less than a page", 100, 0, 0, 0},
		{"frame 0 alone", PageSize, 0, 0, 0},
		{"two frames", 2 * PageSize, 1, 1, 0},
		{"one block", BlockSize, 511, 511, 0},
		{"16 MiB", 16 * mib, 4095, 4095, 7},
		{"odd end", 4*mib + 3*PageSize + 5, 1026, 1026, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFrames(t, c.top)
			assert.Equal(t, c.total, f.TotalPages())
			assert.Equal(t, c.free, f.FreePages())
			assert.Equal(t, c.blocks, f.FreeBlocks())
		})
	}
}

func TestFramesZeroValue(t *testing.T) {
	var f Frames
	assert.Zero(t, f.Alloc())
	assert.Zero(t, f.AllocBlock())
	assert.Zero(t, f.AllocRun(4))
	assert.False(t, f.Free(PageSize, 1))
	f.Reserve(0, ^uintptr(0))
	assert.Zero(t, f.FreePages())
}

func TestFramesAllocOrder(t *testing.T) {
	f := newFrames(t, 8*mib)
	assert.EqualValues(t, PageSize, f.Alloc(), "frame 0 is never handed out")
	assert.EqualValues(t, BlockSize, f.AllocBlock())
	assert.EqualValues(t, 2*PageSize, f.Alloc(), "from the block in use in part")
	assert.EqualValues(t, 4*PageSize, f.AllocRun(4), "aligned to its size")
	assert.EqualValues(t, 3*PageSize, f.Alloc())
	assert.EqualValues(t, 256*PageSize, f.AllocRun(256))
	assert.EqualValues(t, 2*BlockSize, f.AllocRun(256), "a free block is broken")
	assert.EqualValues(t, 1, f.FreeBlocks())
	require.True(t, f.Free(BlockSize, BlockPages))
	assert.EqualValues(t, BlockSize, f.AllocBlock(), "low addresses first")
}

func TestFramesRunSizes(t *testing.T) {
	f := newFrames(t, 16*mib)
	for _, pages := range []uintptr{0, 3, 6, 100, 513, 1024, ^uintptr(0)} {
		assert.Zero(t, f.AllocRun(pages), "%d pages", pages)
	}
	for pages := uintptr(1); pages <= BlockPages; pages *= 2 {
		pa := f.AllocRun(pages)
		require.NotZero(t, pa, "%d pages", pages)
		assert.Zero(t, pa%(pages*PageSize), "%d pages at %#x", pages, pa)
	}
}

func TestFramesRunWhenOnlyPartsAreLeft(t *testing.T) {
	f := newFrames(t, 256*mib) // more blocks than runTries
	for f.AllocBlock() != 0 {
	}
	for f.Alloc() != 0 {
	}
	require.Zero(t, f.FreePages())
	for b := uintptr(1); b < 128; b++ { // one frame in each block, a run in the last
		require.True(t, f.Free(b*BlockSize+5*PageSize, 1))
	}
	require.True(t, f.Free(127*BlockSize+64*PageSize, 64))
	assert.Zero(t, f.AllocRun(128))
	assert.EqualValues(t, 127*BlockSize+64*PageSize, f.AllocRun(64))
	assert.Zero(t, f.AllocRun(2))
	assert.EqualValues(t, BlockSize+5*PageSize, f.Alloc())
}

func TestFramesReserve(t *testing.T) {
	f := newFrames(t, 16*mib)
	f.Reserve(mib, mib+1)
	f.Reserve(mib, mib+PageSize)
	assert.EqualValues(t, 4094, f.FreePages(), "idempotent, rounded outwards")
	f.Reserve(mib, 5*mib)
	f.Reserve(2*mib, 4*mib)
	f.Reserve(3*mib, 3*mib)
	f.Reserve(9*mib, 8*mib)
	assert.EqualValues(t, 4095-1024, f.FreePages())
	f.Reserve(15*mib, ^uintptr(0))
	assert.EqualValues(t, 4095-1024-256, f.FreePages(), "clipped at top")
	assert.EqualValues(t, 4095, f.TotalPages(), "reserved RAM is RAM")

	require.True(t, f.Free(2*mib+PageSize, 1), "part of a block that was reserved whole")
	assert.False(t, f.Free(2*mib+PageSize, 1))
	require.True(t, f.Free(2*mib, 1))
	assert.EqualValues(t, 4095-1024-256+2, f.FreePages())
}

func TestFramesHole(t *testing.T) {
	const gib = 1 << 30
	f := newFrames(t, 512*gib)
	f.Hole(gib, 511*gib)
	f.Hole(2*gib, 511*gib+1)
	want := uintptr(2*gib/PageSize - 2)
	assert.Equal(t, want, f.TotalPages())
	assert.Equal(t, want, f.FreePages())
}

func TestFramesFreeRefuses(t *testing.T) {
	f := newFrames(t, 5*mib)
	a := f.Alloc()
	for _, c := range []struct {
		name      string
		pa, pages uintptr
	}{
		{"frame 0", 0, 1},
		{"from frame 0", 0, 2},
		{"not aligned", a + 1, 1},
		{"no pages", a, 0},
		{"free already", a + PageSize, 1},
		{"free in part", a, 2},
		{"free block", BlockSize, BlockPages},
		{"beyond top", 5 * mib, 1},
		{"far beyond", ^uintptr(0) &^ (PageSize - 1), 1},
		{"length wraps", a, ^uintptr(0)},
	} {
		assert.False(t, f.Free(c.pa, c.pages), c.name)
	}
	assert.EqualValues(t, f.TotalPages()-1, f.FreePages(), "nothing changed")
	assert.True(t, f.Free(a, 1))
	assert.False(t, f.Free(a, 1), "double free")
}

// framesModel is what Frames should be: a set of frames in use.
type framesModel struct {
	used map[uintptr]bool
	top  uintptr
}

func (m framesModel) all(lo, n uintptr, used bool) bool {
	for i := lo; i < lo+n; i++ {
		if m.used[i] != used {
			return false
		}
	}
	return true
}

func (m framesModel) set(lo, n uintptr, used bool) {
	for i := lo; i < lo+n; i++ {
		m.used[i] = used
	}
}

// anyRun reports whether an aligned run of n free frames exists.
func (m framesModel) anyRun(n uintptr) bool {
	for i := uintptr(0); i+n <= m.top; i += n {
		if m.all(i, n, false) {
			return true
		}
	}
	return false
}

func (m framesModel) counts() (free, blocks uintptr) {
	for i := uintptr(0); i < m.top; i++ {
		if !m.used[i] {
			free++
		}
	}
	for b := uintptr(0); b+BlockPages <= m.top; b += BlockPages {
		if m.all(b, BlockPages, false) {
			blocks++
		}
	}
	return free, blocks
}

func TestFramesAgainstModel(t *testing.T) {
	const top = 9*mib + 7*PageSize
	for seed := uint64(1); seed <= 20; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 0))
		f := newFrames(t, top)
		m := framesModel{map[uintptr]bool{0: true}, top / PageSize}
		type run struct{ lo, n uintptr }
		var held []run
		for step := 0; step < 1500; step++ {
			switch op := rnd.IntN(20); {
			case op < 10:
				n := uintptr(1) << rnd.IntN(10)
				pa := f.AllocRun(n)
				if pa == 0 {
					require.False(t, m.anyRun(n), "seed %d step %d: %d frames are there", seed, step, n)
					continue
				}
				require.Zero(t, pa%(n*PageSize))
				require.True(t, m.all(pa/PageSize, n, false), "seed %d step %d: %#x is in use", seed, step, pa)
				m.set(pa/PageSize, n, true)
				held = append(held, run{pa / PageSize, n})
			case op < 18 && len(held) > 0:
				i := rnd.IntN(len(held))
				h := held[i]
				if h.n > 1 && rnd.IntN(2) == 0 { // give back a part, keep the rest
					k := uintptr(rnd.IntN(int(h.n)-1)) + 1
					held[i], h = run{h.lo + k, h.n - k}, run{h.lo, k}
				} else {
					held[i] = held[len(held)-1]
					held = held[:len(held)-1]
				}
				require.True(t, f.Free(h.lo*PageSize, h.n), "seed %d step %d", seed, step)
				require.False(t, f.Free(h.lo*PageSize, h.n), "seed %d step %d", seed, step)
				m.set(h.lo, h.n, false)
			case op == 18: // any range: refused unless all of it is in use
				lo, n := uintptr(rnd.IntN(int(m.top))), uintptr(rnd.IntN(700)+1)
				ok := lo > 0 && lo+n <= m.top && m.all(lo, n, true)
				if ok {
					continue // it belongs to somebody
				}
				require.False(t, f.Free(lo*PageSize, n), "seed %d step %d", seed, step)
			case op == 19 && step%100 == 0:
				lo, n := uintptr(rnd.IntN(int(m.top)-1)+1), uintptr(rnd.IntN(700)+1)
				n = min(n, m.top-lo)
				f.Reserve(lo*PageSize, (lo+n)*PageSize)
				for i := lo; i < lo+n; i++ {
					if !m.used[i] {
						held = append(held, run{i, 1})
					}
				}
				m.set(lo, n, true)
			}
			if step%50 == 0 {
				free, blocks := m.counts()
				require.Equal(t, free, f.FreePages(), "seed %d step %d", seed, step)
				require.Equal(t, blocks, f.FreeBlocks(), "seed %d step %d", seed, step)
			}
		}
		for _, h := range held {
			require.True(t, f.Free(h.lo*PageSize, h.n))
		}
		require.Equal(t, f.TotalPages(), f.FreePages(), "seed %d: all is back", seed)
	}
}

func TestFramesDontAllocate(t *testing.T) {
	f := newFrames(t, 64*mib)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		a, b, c := f.Alloc(), f.AllocBlock(), f.AllocRun(64)
		_ = f.Free(a, 1) && f.Free(b, BlockPages) && f.Free(c, 64)
	}))
}

func TestBitHelpers(t *testing.T) {
	for i := uintptr(0); i < 64; i++ {
		assert.Equal(t, i, lowest(1<<i|1<<63))
		assert.EqualValues(t, i+1, ones(span(0, i+1)))
		assert.Equal(t, ^uint64(0)<<i, span(i, 64))
	}
	assert.EqualValues(t, 64, lowest(0))
	assert.EqualValues(t, 0x3c, span(2, 6))
}
