package mem

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// takeAll walks TakeFresh to its end and returns the runs.
func takeAll(f *Frames, run uintptr) (out [][2]uintptr) {
	for {
		pa, n := f.TakeFresh(run, 1<<30)
		if n == 0 {
			return out
		}
		out = append(out, [2]uintptr{pa, n})
	}
}

func TestFreshAtFirstNothing(t *testing.T) {
	f := newFrames(t, 16*mib)
	assert.Empty(t, takeAll(f, 1), "RAM that was never used is not the host's news")
	assert.Zero(t, f.Fresh())
}

func TestFreshBlocksAreMerged(t *testing.T) {
	f := newFrames(t, 16*mib)
	var at [4]uintptr
	for i := range at {
		at[i] = f.AllocBlock()
	}
	one := f.AllocRun(BlockPages / 2)
	for _, pa := range at {
		require.True(t, f.Free(pa, BlockPages))
	}
	assert.EqualValues(t, 4*BlockPages, f.Fresh())
	got := takeAll(f, 16)
	assert.Equal(t, [][2]uintptr{{2 * mib, 4 * BlockPages}}, got)
	assert.Zero(t, f.Fresh())
	require.True(t, f.Return(got[0][0], got[0][1]))
	assert.Empty(t, takeAll(f, 16), "once is enough")
	require.True(t, f.Free(one, BlockPages/2))
	require.Len(t, takeAll(f, 16), 1)
}

func TestFreshRuns(t *testing.T) {
	f := newFrames(t, 4*mib)
	a := f.AllocRun(64)
	require.True(t, f.Free(a+16*PageSize, 8))
	assert.Empty(t, takeAll(f, 16), "too few came free")
	require.True(t, f.Free(a+24*PageSize, 8))
	got := takeAll(f, 16)
	require.NotEmpty(t, got)
	assert.Contains(t, got, [2]uintptr{a + 16*PageSize, 16})
	for _, r := range got {
		require.GreaterOrEqual(t, r[1], uintptr(16))
		require.True(t, f.Return(r[0], r[1]))
	}
	assert.Empty(t, takeAll(f, 16))
}

func TestSuspect(t *testing.T) {
	f := newFrames(t, 16*mib)
	f.SetSuspect(5*mib, 1)
	f.SetSuspect(9*mib, BlockPages)
	for b, want := range []bool{false, false, true, false, true, true, false, false} {
		assert.Equal(t, want, f.Suspect(uintptr(b)*BlockSize+PageSize), "block %d", b)
	}
	f.SetSuspect(1<<40, 1)
	assert.False(t, f.Suspect(1<<40))
	a := f.AllocRun(4)
	require.True(t, f.Free(a, 4))
	assert.True(t, f.Suspect(4*mib), "freeing leaves it")
}

func TestGrow(t *testing.T) {
	for _, c := range []struct {
		name                string
		from, to            uintptr
		total, free, blocks uintptr
	}{
		{"whole blocks", 4 * mib, 12 * mib, 3071, 3071, 5},
		{"within a block", 4*mib + 5*PageSize, 4*mib + 9*PageSize, 1032, 1032, 1},
		{"out of a block", 4*mib + 5*PageSize, 8*mib + PageSize, 2048, 2048, 3},
		{"nothing", 4 * mib, 4 * mib, 1023, 1023, 1},
		{"smaller", 4 * mib, 2 * mib, 1023, 1023, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			const ceiling = 64 * mib
			f := new(Frames)
			f.Init(outside(t, MetadataSize(ceiling, ceiling)), c.from, ceiling)
			f.Grow(c.to)
			assert.Equal(t, c.total, f.TotalPages())
			assert.Equal(t, c.free, f.FreePages())
			assert.Equal(t, c.blocks, f.FreeBlocks())
			assert.Empty(t, takeAll(f, 1), "the host knows")
			n := uintptr(0)
			for f.Alloc() != 0 {
				n++
			}
			assert.Equal(t, c.free, n)
		})
	}
}

func TestExcludeMakesASet(t *testing.T) {
	f := newFrames(t, 16*mib)
	f.Exclude()
	assert.Zero(t, f.FreePages())
	assert.Zero(t, f.Alloc())
	require.True(t, f.Free(6*mib, BlockPages))
	require.True(t, f.Free(2*mib+PageSize, 3))
	assert.EqualValues(t, BlockPages+3, f.FreePages())
	assert.EqualValues(t, 6*mib, f.AllocBlock())
	assert.EqualValues(t, 2*mib+PageSize, f.Alloc())
}

// Frames that are taken, freed and reported at random: what is reported is free,
// in use meanwhile, and all that came free is reported before long.
func TestFreshAgainstModel(t *testing.T) {
	const top, most = 8 * mib, 32 * mib
	for seed := uint64(1); seed <= 20; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 1))
		f := new(Frames)
		f.Init(outside(t, MetadataSize(most, most)), top, most)
		now := uintptr(top)
		unknown := map[uintptr]bool{} // frames that came free and were not reported
		var held [][2]uintptr
		for range 2000 {
			switch op := rnd.IntN(20); {
			case op < 9:
				n := uintptr(1) << rnd.IntN(10)
				if pa := f.AllocRun(n); pa != 0 {
					for i := range n {
						delete(unknown, pa/PageSize+i)
					}
					held = append(held, [2]uintptr{pa, n})
				}
			case op < 18 && len(held) > 0:
				i := rnd.IntN(len(held))
				h := held[i]
				held[i] = held[len(held)-1]
				held = held[:len(held)-1]
				require.True(t, f.Free(h[0], h[1]))
				for i := range h[1] {
					unknown[h[0]/PageSize+i] = true
				}
			case op == 18 && now < most:
				now += uintptr(rnd.IntN(300)) * PageSize
				now = min(now, most)
				f.Grow(now)
			case op == 19:
				if pa, n := f.TakeFresh(16, 1<<30); n > 0 {
					for i := range n {
						delete(unknown, pa/PageSize+i)
					}
					require.True(t, f.Return(pa, n))
				}
			}
		}
		for _, h := range held {
			require.True(t, f.Free(h[0], h[1]))
			for i := range h[1] {
				unknown[h[0]/PageSize+i] = true
			}
		}
		require.Equal(t, f.TotalPages(), f.FreePages())
		for range 2 { // a walk may have been half-way
			for _, r := range takeAll(f, 16) {
				for i := range r[1] {
					delete(unknown, r[0]/PageSize+i)
				}
				require.True(t, f.Return(r[0], r[1]))
			}
		}
		left := map[uintptr]int{}
		for i := range unknown {
			left[i/BlockPages]++
		}
		for b, n := range left {
			require.Less(t, n, 16, "seed %d: %d frames of block %d were never reported", seed, n, b)
		}
		require.Equal(t, f.TotalPages(), f.FreePages())
	}
}

// Frames that come free behind a walk that is under way are found by the next one.
func TestFreshBehindTheWalk(t *testing.T) {
	const blocks = 4
	top := uintptr(blocks * BlockSize)
	f := new(Frames)
	f.Init(outside(t, MetadataSize(top, top)), top, top)
	f.Reserve(BlockSize, 3*BlockSize)
	require.True(t, f.Free(2*BlockSize, 64))
	pa, n := f.TakeFresh(16, BlockPages)
	require.Equal(t, uintptr(2*BlockSize), pa)
	require.Equal(t, uintptr(64), n)
	require.True(t, f.Free(BlockSize, 32), "behind")
	require.True(t, f.Return(pa, n))
	_, n = f.TakeFresh(16, BlockPages)
	require.Zero(t, n, "the end")
	assert.Equal(t, uintptr(32), f.Fresh())
	pa, n = f.TakeFresh(16, BlockPages)
	assert.Equal(t, uintptr(BlockSize), pa)
	assert.Equal(t, uintptr(32), n)
}
