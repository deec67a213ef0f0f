package pvclock

import (
	"math"
	"math/big"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/kernel/mmio"
)

func infoPage(t testing.TB) uintptr {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
}

// exact is Scale in unbounded arithmetic: the shifted delta keeps its 64 bits,
// the product is not cut, the result keeps its low 64 bits.
func exact(delta uint64, mul uint32, shift int8) uint64 {
	d := new(big.Int).SetUint64(delta)
	if shift >= 0 {
		d.Lsh(d, uint(shift))
		d.And(d, new(big.Int).SetUint64(math.MaxUint64))
	} else {
		d.Rsh(d, uint(-int(shift)))
	}
	d.Mul(d, big.NewInt(int64(mul)))
	d.Rsh(d, 32)
	return d.And(d, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		delta uint64
		mul   uint32
		shift int8
		want  uint64
	}{
		{0, 3435998575, -1, 0},
		{2499982001, 3435998575, -1, 999_999_999}, // a host's numbers: one second, rounded down
		{4096, 1 << 31, 0, 2048},
		{4096, 1 << 31, 1, 4096},
		{1 << 40, 1 << 31, -4, 1 << 35},
		{math.MaxUint64, math.MaxUint32, 0, math.MaxUint64 - 1<<32},
		{math.MaxUint64, math.MaxUint32, -64, 0},
		{math.MaxUint64, math.MaxUint32, -128, 0},
		{math.MaxUint64, math.MaxUint32, 127, 0},
	} {
		assert.Equal(t, c.want, Scale(c.delta, c.mul, c.shift), "%+v", c)
		assert.Equal(t, exact(c.delta, c.mul, c.shift), Scale(c.delta, c.mul, c.shift), "%+v", c)
	}
}

func TestScaleIsExact(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		delta, mul, shift := rnd.Uint64()>>rnd.IntN(64), rnd.Uint32(), int8(rnd.IntN(256)-128)
		require.Equal(t, exact(delta, mul, shift), Scale(delta, mul, shift), "%d %d %d", delta, mul, shift)
	}
}

func FuzzScale(f *testing.F) {
	f.Add(uint64(2499982001), uint32(3435998575), int8(-1))
	f.Add(uint64(math.MaxUint64), uint32(math.MaxUint32), int8(31))
	f.Fuzz(func(t *testing.T, delta uint64, mul uint32, shift int8) {
		require.Equal(t, exact(delta, mul, shift), Scale(delta, mul, shift))
	})
}

func TestWriteLayout(t *testing.T) {
	p := infoPage(t)
	Write(p, 0x1122334455667788, 0x99aabbccddeeff00, 0x12345678, -3, TSCStable)
	assert.EqualValues(t, 2, mmio.Load32(p+InfoVersion))
	assert.EqualValues(t, 0x1122334455667788, mmio.Load64(p+InfoTimestamp))
	assert.EqualValues(t, uint64(0x99aabbccddeeff00), mmio.Load64(p+InfoTime))
	assert.EqualValues(t, 0x12345678, mmio.Load32(p+InfoMul))
	assert.EqualValues(t, -3, int8(mmio.Load8(p+InfoShift)))
	assert.EqualValues(t, TSCStable, Flags(p))
	assert.Zero(t, mmio.Load16(p+30), "padding")
	assert.Zero(t, mmio.Load64(p+InfoSize), "nothing beyond the struct")
}

func TestReadAt(t *testing.T) {
	p := infoPage(t)
	Write(p, 1000, 5000, 1<<31, 1, 0) // a nanosecond a tick
	for _, c := range []struct{ tsc, want uint64 }{
		{1000, 5000}, {1001, 5001}, {1 << 40, 1<<40 + 4000},
		{999, 5000}, {0, 5000}, // read before the page was written
	} {
		ns, ok := ReadAt(p, c.tsc)
		assert.True(t, ok)
		assert.Equal(t, c.want, ns, "tsc %d", c.tsc)
	}
}

func TestReadAtRefusesAnOddVersion(t *testing.T) {
	p := infoPage(t)
	Write(p, 1000, 5000, 1<<31, 1, 0)
	mmio.Store32(p+InfoVersion, 7)
	_, ok := ReadAt(p, 2000)
	assert.False(t, ok)
	_, ok = Read(p)
	assert.False(t, ok)
	Write(p, 1000, 6000, 1<<31, 1, 0) // the writer of 7 never came back
	assert.EqualValues(t, 10, mmio.Load32(p+InfoVersion))
	ns, ok := ReadAt(p, 1000)
	assert.True(t, ok)
	assert.EqualValues(t, 6000, ns)
}

func TestVersionWraps(t *testing.T) {
	p := infoPage(t)
	mmio.Store32(p+InfoVersion, math.MaxUint32-1)
	Write(p, 0, 1, 1, 0, 0)
	assert.Zero(t, mmio.Load32(p+InfoVersion))
	_, ok := ReadAt(p, 0)
	assert.True(t, ok)
}

func TestFinishSeesAChangeInBetween(t *testing.T) {
	p := infoPage(t)
	Write(p, 1000, 5000, 1<<31, 1, 0)
	before := mmio.Load32(p + InfoVersion)
	Write(p, 2000, 6000, 1<<31, 1, 0)
	_, ok := finish(p, before, 2500)
	assert.False(t, ok)
}

func TestReadersSeeNoMixture(t *testing.T) {
	p := infoPage(t)
	const offset = 1 << 50
	publish := func(k uint64) { Write(p, k, offset+k, 1<<31, 1, 0) } // time = counter + offset, whatever k
	publish(0)
	var stop atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for k := uint64(0); !stop.Load(); k++ {
			publish(k % (1 << 30))
		}
	})
	defer writer.Wait()
	defer stop.Store(true)
	for passes := 0; passes < 50_000; {
		ns, ok := ReadAt(p, 1<<40)
		if !ok {
			continue
		}
		passes++
		require.EqualValues(t, uint64(offset+1<<40), ns)
	}
}

func TestReadGoesOn(t *testing.T) {
	p := infoPage(t)
	mul, shift := MulShift(2_000_000_000)
	Write(p, mmio.Rdtsc(), 0, mul, shift, TSCStable)
	last, ok := Read(p)
	require.True(t, ok)
	for range 10_000 {
		ns, ok := Read(p)
		require.True(t, ok)
		require.GreaterOrEqual(t, ns, last)
		last = ns
	}
}

func TestRebaseKeepsTheTime(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	p := infoPage(t)
	for range 2000 {
		mul, shift := MulShift(rnd.Uint64N(5e9) + 1e6)
		tsc := rnd.Uint64() >> 20
		Write(p, tsc, rnd.Uint64()>>10, mul, shift, TSCStable|GuestStopped)
		last, ok := ReadAt(p, tsc)
		require.True(t, ok)
		for range 20 {
			tsc += rnd.Uint64N(1e10)
			before, _ := ReadAt(p, tsc)
			require.GreaterOrEqual(t, before, last)
			mul, shift := MulShift(rnd.Uint64N(5e9) + 1e6)
			Rebase(p, tsc, mul, shift)
			after, ok := ReadAt(p, tsc)
			require.True(t, ok)
			require.Equal(t, before, after, "no step at the change")
			next, _ := ReadAt(p, tsc+1)
			require.GreaterOrEqual(t, next, after)
			last = after
		}
		require.EqualValues(t, TSCStable|GuestStopped, Flags(p), "flags stay")
	}
}
