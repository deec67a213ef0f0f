package pvclock

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRate(t *testing.T) {
	for _, c := range []struct {
		mul   uint32
		shift int8
		want  uint64
	}{
		{3435998575, -1, 2499982001}, // seen on a KVM host
		{1 << 31, 1, 1_000_000_000},
		{1 << 31, 0, 2_000_000_000},
		{1 << 31, 31, 1}, // 0.93 Hz
		{0, 0, 0},
		{1 << 31, 127, 0},
		{1 << 31, -128, 0},
	} {
		assert.Equal(t, c.want, Rate(c.mul, c.shift), "%+v", c)
	}
}

func TestRateIsRounded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		mul, shift := rnd.Uint32()|1<<31, int8(rnd.IntN(40)-20)
		num := new(big.Int).Lsh(big.NewInt(nsPerSecond), 64)
		den := new(big.Int).Lsh(big.NewInt(int64(mul)), uint(32+int(shift)))
		want := roundedQuotient(num, den)
		got := Rate(mul, shift)
		if shift > 0 { // rounded twice
			require.InDelta(t, want.Uint64(), got, 1)
		} else {
			require.Equal(t, want.Uint64(), got, "%d %d", mul, shift)
		}
	}
}

func roundedQuotient(num, den *big.Int) *big.Int {
	n := new(big.Int).Lsh(num, 1)
	n.Add(n, den)
	return n.Quo(n, new(big.Int).Lsh(den, 1))
}

func TestMulShift(t *testing.T) {
	for _, c := range []struct {
		hz    uint64
		mul   uint32
		shift int8
	}{
		{1_000_000_000, 1 << 31, 1},
		{2_000_000_000, 1 << 31, 0},
		{4_000_000_000, 1 << 31, -1},
		{2499982001, 3435998575, -1},
		{0, 0, 0},
		{maxHz + 1, 0, 0},
		{math.MaxUint64, 0, 0},
	} {
		mul, shift := MulShift(c.hz)
		assert.Equal(t, c.mul, mul, "%d Hz", c.hz)
		assert.Equal(t, c.shift, shift, "%d Hz", c.hz)
	}
}

func checkMulShift(t *testing.T, hz uint64) {
	mul, shift := MulShift(hz)
	require.NotZero(t, mul>>31, "%d Hz: mul %#x uses all its bits", hz, mul)
	// mul = 1e9 * 2^(32-shift) / hz, to the nearest.
	num := new(big.Int).Lsh(big.NewInt(nsPerSecond), 96)
	den := new(big.Int).Lsh(new(big.Int).SetUint64(hz), uint(64+int(shift)))
	want := roundedQuotient(num, den)
	if want.Cmp(big.NewInt(math.MaxUint32)) > 0 {
		want.SetUint64(math.MaxUint32)
	}
	require.Equal(t, want.Uint64(), uint64(mul), "%d Hz", hz)
}

func TestMulShiftIsTheNearest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for hz := uint64(1); hz < maxHz; hz *= 2 {
		checkMulShift(t, hz)
		checkMulShift(t, hz+hz/2)
		checkMulShift(t, max(hz-1, 1))
	}
	for range 20_000 {
		hz := rnd.Uint64N(6e9) + 1000
		checkMulShift(t, hz)
		require.InDelta(t, hz, Rate(MulShift(hz)), 2, "there and back")
	}
}

func FuzzMulShift(f *testing.F) {
	f.Add(uint64(2499982001))
	f.Add(uint64(maxHz))
	f.Fuzz(func(t *testing.T, hz uint64) {
		if hz == 0 || hz > maxHz {
			mul, shift := MulShift(hz)
			require.Zero(t, mul)
			require.Zero(t, shift)
			return
		}
		checkMulShift(t, hz)
	})
}

func TestRefine(t *testing.T) {
	for _, c := range []struct {
		name                string
		from, to, ticks, hz uint64
	}{
		{"one second", 1000, 1000 + 2_500_000_000, PITHz, 2_500_000_000},
		{"10 ms", 0, 25_000_000, 11932, 2_499_962_286},
		{"a month", 0, 30 * 86400 * 3e9, 30 * 86400 * PITHz, 3_000_000_000},
		{"no ticks", 0, 25_000_000, 0, 0},
		{"counter went back", 500, 400, 100, 0},
		{"nonsense", 0, 1, math.MaxUint64, 0},
	} {
		assert.Equal(t, c.hz, Refine(c.from, c.to, c.ticks), c.name)
	}
}

func TestRefineIsTheNearest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	for range 20_000 {
		from, d, ticks := rnd.Uint64()>>1, rnd.Uint64()>>(14+rnd.IntN(40)), rnd.Uint64N(1<<40)+1
		num := new(big.Int).Mul(new(big.Int).SetUint64(d), big.NewInt(PITHz))
		want := roundedQuotient(num, new(big.Int).SetUint64(ticks))
		if !want.IsUint64() {
			continue
		}
		require.Equal(t, want.Uint64(), Refine(from, from+d, ticks), "%d in %d", d, ticks)
	}
}

func TestUnwrap(t *testing.T) {
	const hz = 2_500_000_000
	for _, c := range []struct {
		name    string
		elapsed uint64
		hz      uint64
		delta   uint16
		want    uint64
	}{
		{"nothing", 0, hz, 0, 0},
		{"short", hz / 1000, hz, 1193, 1193},
		{"short, guess says less", 0, hz, 60000, 60000},
		{"one second", hz, hz, PITHz % pitSpan, PITHz},
		{"one second, 1 % off", hz + hz/100, hz, PITHz % pitSpan, PITHz},
		{"one second, 1 % off below", hz - hz/100, hz, PITHz % pitSpan, PITHz},
		{"an hour, 5 ppm off", 3600*hz + 18*hz/1000, hz, 3600 * PITHz % pitSpan, 3600 * PITHz},
		{"no guess", hz, 0, 77, 77},
		{"no such guess", hz, math.MaxUint64, 77, 77},
	} {
		assert.Equal(t, c.want, Unwrap(c.elapsed, c.hz, c.delta), c.name)
	}
}

func TestUnwrapFindsTheTicks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 20_000 {
		hz := rnd.Uint64N(5e9) + 1e8
		ticks := rnd.Uint64N(PITHz * 1000)
		elapsed := new(big.Int).Mul(new(big.Int).SetUint64(ticks), new(big.Int).SetUint64(hz))
		elapsed.Quo(elapsed, big.NewInt(PITHz))
		// The guess may be off by less than half a span of the PIT.
		off := int64(rnd.Uint64N(hz/PITHz*30000)) - int64(hz/PITHz*15000)
		seen := max(int64(elapsed.Uint64())+off, 0)
		require.Equal(t, ticks, Unwrap(uint64(seen), hz, uint16(ticks)), "%d ticks at %d Hz", ticks, hz)
	}
}

// A deadline turned into ticks and back must be the deadline, and never come
// early when the margin is added.
func TestTicksInvertScale(t *testing.T) {
	for _, hz := range []uint64{1e6, PITHz, 2_499_982_001, 3_400_000_000, 5e9} {
		mul, shift := MulShift(hz)
		for _, ns := range []uint64{0, 1, 999, 1e6, 1e9, 60e9, 3600e9, 86400e9} {
			ticks := Ticks(ns, mul, shift)
			require.LessOrEqual(t, Scale(ticks, mul, shift), ns, "%d Hz, %d ns", hz, ns)
			require.GreaterOrEqual(t, Scale(ticks+TicksMargin, mul, shift), ns, "%d Hz, %d ns", hz, ns)
		}
	}
	require.Zero(t, Ticks(1e9, 0, 0))
}
