package mem

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type region struct {
	start, end uintptr
	kind       uint32
}

func newRegions(t testing.TB, capacity int) *Regions {
	t.Helper()
	r := new(Regions)
	r.Init(outside(t, uintptr(capacity)*RegionSize), capacity)
	return r
}

func regionsOf(r *Regions) []region {
	var list []region
	for i := range r.Len() {
		start, end, kind := r.At(i)
		list = append(list, region{start, end, kind})
	}
	return list
}

func TestRegionsSet(t *testing.T) {
	for _, c := range []struct {
		name string
		sets []region
		want []region
	}{
		{"one", []region{{10, 20, 1}}, []region{{10, 20, 1}}},
		{"sorted", []region{{30, 40, 1}, {10, 20, 2}}, []region{{10, 20, 2}, {30, 40, 1}}},
		{"empty range", []region{{10, 20, 1}, {15, 15, 2}}, []region{{10, 20, 1}}},
		{"merge left", []region{{10, 20, 1}, {20, 30, 1}}, []region{{10, 30, 1}}},
		{"merge right", []region{{20, 30, 1}, {10, 20, 1}}, []region{{10, 30, 1}}},
		{"merge both", []region{{10, 20, 1}, {30, 40, 1}, {20, 30, 1}}, []region{{10, 40, 1}}},
		{"neighbours of other kinds stay", []region{{10, 20, 1}, {30, 40, 3}, {20, 30, 2}},
			[]region{{10, 20, 1}, {20, 30, 2}, {30, 40, 3}}},
		{"split", []region{{10, 40, 1}, {20, 30, 2}}, []region{{10, 20, 1}, {20, 30, 2}, {30, 40, 1}}},
		{"split by the same kind", []region{{10, 40, 1}, {20, 30, 1}}, []region{{10, 40, 1}}},
		{"hole", []region{{10, 40, 1}, {20, 30, 0}}, []region{{10, 20, 1}, {30, 40, 1}}},
		{"cut the start", []region{{10, 40, 1}, {5, 20, 0}}, []region{{20, 40, 1}}},
		{"cut the end", []region{{10, 40, 1}, {30, 50, 0}}, []region{{10, 30, 1}}},
		{"remove exactly", []region{{10, 40, 1}, {10, 40, 0}}, nil},
		{"remove nothing", []region{{10, 40, 1}, {50, 60, 0}}, []region{{10, 40, 1}}},
		{"cover several", []region{{10, 20, 1}, {30, 40, 2}, {50, 60, 3}, {15, 55, 4}},
			[]region{{10, 15, 1}, {15, 55, 4}, {55, 60, 3}}},
		{"cover all", []region{{10, 20, 1}, {30, 40, 2}, {0, 100, 4}}, []region{{0, 100, 4}}},
		{"overlap the same kind", []region{{10, 20, 1}, {30, 40, 1}, {15, 35, 1}}, []region{{10, 40, 1}}},
		{"replace exactly", []region{{10, 20, 1}, {20, 30, 2}, {30, 40, 1}, {20, 30, 1}}, []region{{10, 40, 1}}},
		{"whole space", []region{{0, ^uintptr(0), 1}, {10, 20, 0}}, []region{{0, 10, 1}, {20, ^uintptr(0), 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRegions(t, 8)
			for _, s := range c.sets {
				require.True(t, r.Set(s.start, s.end, s.kind))
			}
			assert.Equal(t, c.want, regionsOf(r))
		})
	}
}

func TestRegionsFull(t *testing.T) {
	r := newRegions(t, 3)
	require.True(t, r.Set(10, 20, 1))
	require.True(t, r.Set(30, 60, 2))
	before := regionsOf(r)
	assert.False(t, r.Set(40, 50, 1), "a split needs two more")
	assert.Equal(t, before, regionsOf(r), "nothing changed")
	assert.True(t, r.Set(40, 50, 0), "a hole needs one")
	before = regionsOf(r)
	assert.False(t, r.Set(70, 80, 1))
	assert.False(t, r.Set(12, 14, 0))
	assert.Equal(t, before, regionsOf(r))
	assert.True(t, r.Set(20, 30, 1), "merging needs none")
	assert.True(t, r.Set(0, 100, 5))
	assert.Equal(t, []region{{0, 100, 5}}, regionsOf(r))
	assert.False(t, r.Set(9, 8, 1), "end below start")
}

func TestRegionsNoCapacity(t *testing.T) {
	for _, capacity := range []int{0, -1} {
		var r Regions
		r.Init(0, capacity)
		assert.False(t, r.Set(1, 2, 1))
		assert.True(t, r.Set(1, 2, 0))
		assert.EqualValues(t, 16, r.FindGap(1, 100, 4, 16))
	}
}

func TestRegionsAt(t *testing.T) {
	r := newRegions(t, 3)
	require.True(t, r.Set(10, 20, 1))
	for _, i := range []int{-1, 1, 3, 1 << 62} {
		start, end, kind := r.At(i)
		assert.Equal(t, region{}, region{start, end, kind}, "entry %d", i)
	}
}

func TestRegionsLookup(t *testing.T) {
	const highest = ^uintptr(0)
	r := newRegions(t, 3)
	look := func(addr uintptr) region {
		start, end, kind := r.Lookup(addr)
		return region{start, end, kind}
	}
	assert.Equal(t, region{0, highest, 0}, look(5))
	require.True(t, r.Set(10, 20, 1))
	require.True(t, r.Set(20, 30, 2))
	require.True(t, r.Set(40, 50, 3))
	for addr, want := range map[uintptr]region{
		0: {0, 10, 0}, 9: {0, 10, 0}, 10: {10, 20, 1}, 19: {10, 20, 1}, 20: {20, 30, 2},
		30: {30, 40, 0}, 39: {30, 40, 0}, 40: {40, 50, 3}, 50: {50, highest, 0}, highest: {50, highest, 0},
	} {
		assert.Equal(t, want, look(addr), "at %d", addr)
	}
}

func TestRegionsFindGap(t *testing.T) {
	const highest = ^uintptr(0)
	r := newRegions(t, 8)
	require.True(t, r.Set(0x1000, 0x2000, 1))
	require.True(t, r.Set(0x3000, 0x8000, 1))
	require.True(t, r.Set(0x8000, 0x9000, 2))
	require.True(t, r.Set(highest-0xfff, highest, 2))
	for _, c := range []struct {
		name                        string
		lo, hi, size, align, expect uintptr
	}{
		{"never address 0", 0, 0x1000, 1, 1, 1},
		{"aligned above 0", 0, 0x1000, 0x800, 0x800, 0x800},
		{"below the first is too small", 0, 0x10000, 0x1000, 0x1000, 0x2000},
		{"between", 0x1000, 0x10000, 0x1000, 0x1000, 0x2000},
		{"between too small", 0x1000, 0x10000, 0x1001, 0x1000, 0x9000},
		{"starts inside a range", 0x1800, 0x10000, 0x400, 1, 0x2000},
		{"starts inside a gap", 0x2800, 0x10000, 0x800, 1, 0x2800},
		{"starts inside a gap too late", 0x2801, 0x10000, 0x800, 1, 0x9000},
		{"alignment jumps over a range", 0x1000, 0x100000, 0x1000, 0x8000, 0x10000},
		{"ends at hi", 0x9000, 0xa000, 0x1000, 1, 0x9000},
		{"hi too low", 0x9000, 0x9fff, 0x1000, 1, 0},
		{"hi below lo", 0x9000, 0x8000, 1, 1, 0},
		{"none left", highest - 0x800, highest, 8, 1, 0},
		{"alignment wraps", highest - 0x800, highest, 8, 1 << 20, 0},
		{"size wraps", 0x9000, highest, highest - 8, 1, 0},
		{"size 0", 1, highest, 0, 1, 0},
		{"align 0", 1, highest, 1, 0, 0},
		{"align 3", 1, highest, 1, 3, 0},
	} {
		assert.Equal(t, c.expect, r.FindGap(c.lo, c.hi, c.size, c.align), c.name)
	}
}

// regionModel is a kind per unit of a small space.
type regionModel [modelSpace]uint32

const modelSpace = 200

func (m *regionModel) set(start, end uintptr, kind uint32) {
	for i := start; i < end; i++ {
		m[i] = kind
	}
}

func (m *regionModel) list() []region {
	var list []region
	for i := uintptr(0); i < modelSpace; {
		j := i
		for j < modelSpace && m[j] == m[i] {
			j++
		}
		if m[i] != 0 {
			list = append(list, region{i, j, m[i]})
		}
		i = j
	}
	return list
}

func (m *regionModel) gap(lo, hi, size, align uintptr) uintptr {
	for a := max(lo, 1); a < hi && a+size <= hi; a++ {
		if a%align != 0 {
			continue
		}
		ok := true
		for i := a; i < a+size; i++ {
			ok = ok && (i >= modelSpace || m[i] == 0)
		}
		if ok {
			return a
		}
	}
	return 0
}

// step does one operation on both and compares.
func (m *regionModel) step(t *testing.T, r *Regions, start, end uintptr, kind uint32) {
	next := *m
	next.set(start, end, kind)
	want := next.list()
	if ok := r.Set(start, end, kind); ok {
		require.LessOrEqual(t, start, end)
		*m = next
	} else if start <= end {
		require.Greater(t, len(want), int(r.capacity), "refused with room left")
	}
	require.Equal(t, m.list(), regionsOf(r))

	lo, hi, k := r.Lookup(start)
	require.Equal(t, m[start], k)
	require.True(t, lo <= start && start < hi)
	size, align := uintptr(kind)*3+1, uintptr(1)<<(end%5)
	require.Equal(t, m.gap(start, modelSpace+20, size, align), r.FindGap(start, modelSpace+20, size, align))
}

func TestRegionsAgainstModel(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 0))
		r := newRegions(t, 3+rnd.IntN(30))
		m := new(regionModel)
		for range 400 {
			start := uintptr(rnd.IntN(modelSpace))
			end := min(start+uintptr(rnd.IntN(40)), modelSpace)
			m.step(t, r, start, end, uint32(rnd.IntN(4)))
		}
	}
}

func FuzzRegions(f *testing.F) {
	f.Add([]byte{10, 20, 1, 20, 30, 1, 15, 25, 0})
	f.Add([]byte{0, 199, 3, 10, 11, 2, 12, 13, 2, 14, 15, 2, 16, 17, 2, 10, 18, 3})
	f.Add([]byte{50, 40, 1, 40, 40, 2})
	f.Fuzz(func(t *testing.T, ops []byte) {
		r := newRegions(t, 6)
		m := new(regionModel)
		for ; len(ops) >= 3; ops = ops[3:] {
			m.step(t, r, uintptr(ops[0])%modelSpace, uintptr(ops[1])%modelSpace, uint32(ops[2]%4))
		}
	})
}

// Ranges that show an object join where one goes on where the other ends.
func TestRegionsThatShowSomething(t *testing.T) {
	r := newRegions(t, 8)
	require.True(t, r.SetObject(100, 200, 1, 7, 1000))
	require.True(t, r.SetObject(200, 300, 1, 7, 1100))
	assert.Equal(t, []region{{100, 300, 1}}, regionsOf(r), "one goes on")
	require.True(t, r.SetObject(300, 400, 1, 7, 1300))
	require.True(t, r.SetObject(400, 500, 1, 8, 1400))
	require.True(t, r.Set(500, 600, 1))
	require.True(t, r.Set(600, 700, 1))
	assert.Equal(t, []region{{100, 300, 1}, {300, 400, 1}, {400, 500, 1}, {500, 700, 1}}, regionsOf(r))

	require.True(t, r.Set(150, 250, 2))
	for _, c := range []struct{ addr, object, offset uintptr }{
		{99, 0, 0}, {100, 7, 1000}, {149, 7, 1049}, {150, 0, 0}, {250, 7, 1150}, {299, 7, 1199},
		{300, 7, 1300}, {499, 8, 1499}, {500, 0, 0}, {700, 0, 0},
	} {
		object, offset := r.Backing(c.addr)
		assert.Equal(t, [2]uintptr{c.object, c.offset}, [2]uintptr{object, offset}, "at %d", c.addr)
	}
	require.True(t, r.SetObject(150, 250, 1, 7, 1050))
	assert.Equal(t, []region{{100, 300, 1}, {300, 400, 1}, {400, 500, 1}, {500, 700, 1}}, regionsOf(r), "put back, it is one again")
}

// A gap is found again after the search has passed it.
func TestRegionsFindWhatOpened(t *testing.T) {
	r := newRegions(t, 100)
	for i := range uintptr(40) {
		require.Equal(t, 1000+i*10, r.FindGap(1000, 5000, 10, 1))
		require.True(t, r.Set(1000+i*10, 1010+i*10, 1+uint32(i%2)))
	}
	require.True(t, r.Set(1050, 1055, 0))
	assert.Equal(t, uintptr(1400), r.FindGap(1000, 5000, 10, 1))
	assert.Equal(t, uintptr(1050), r.FindGap(1000, 5000, 5, 1))
	require.True(t, r.Set(1055, 1060, 0))
	assert.Equal(t, uintptr(1050), r.FindGap(1000, 5000, 10, 1))
}
