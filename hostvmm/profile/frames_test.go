package profile

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/kernel/abi"
)

// The race detector's calls would give it a frame.
//
//go:norace
//go:noinline
func leaf(x, y int) int { return x*3 + y }

//go:norace
//go:noinline
func framed(x int) int { return leaf(x, leaf(x, 1)) }

func TestCallerOfFunctionsWithoutFrame(t *testing.T) {
	path := self(t)
	memory := memoryOf(t, path)
	im := readImage(Options{Image: path}, memory)
	require.NoError(t, im.why)
	defer im.close()
	caller := im.caller(memory)
	ret := uint64(reflect.ValueOf(framed).Pointer()) + 20
	const other = 0xc000012345
	entry := func(f any) uint64 { return uint64(reflect.ValueOf(f).Pointer()) }

	p := readPrologue(memory, entry(leaf))
	assert.Zero(t, p.pushed, "Go gives leaves of this size no frame")
	for at := range uint64(4) {
		got, ok := caller(entry(leaf)+at, [sample.TopWords]uint64{ret, other})
		assert.True(t, ok)
		assert.Equal(t, ret, got)
	}
	_, ok := caller(entry(leaf), [sample.TopWords]uint64{other, ret})
	assert.False(t, ok, "no code there")

	p = readPrologue(memory, entry(framed))
	require.NotZero(t, p.pushed)
	require.EqualValues(t, 3, p.framed-p.pushed, "MOVQ SP, BP")
	for at := entry(framed); at < p.pushed; at++ {
		got, ok := caller(at, [sample.TopWords]uint64{ret, other})
		assert.True(t, ok)
		assert.Equal(t, ret, got)
	}
	got, ok := caller(p.pushed, [sample.TopWords]uint64{other, ret})
	assert.True(t, ok)
	assert.Equal(t, ret, got)
	_, ok = caller(p.framed, [sample.TopWords]uint64{ret, ret})
	assert.False(t, ok, "the frame pointer tells")

	at := p.framed
	for {
		inst, ok := instruction(memory, at)
		require.True(t, ok)
		if inst.Op.String() == "RET" {
			break
		}
		at += uint64(inst.Len)
	}
	got, ok = caller(at, [sample.TopWords]uint64{ret, other})
	assert.True(t, ok)
	assert.Equal(t, ret, got)

	_, ok = caller(abi.NucleusText, [sample.TopWords]uint64{ret, ret})
	assert.False(t, ok)
	assert.Equal(t, 10, framed(2)-leaf(2, 1)+4) // both are called, so both are linked
}

func TestNoCallersWithoutNames(t *testing.T) {
	assert.Nil(t, image{}.caller(nil))
}

// The code is the guest's: any bytes, any addresses.
func FuzzPrologue(f *testing.F) {
	f.Add([]byte("\x49\x3b\x66\x10\x76\x18\x55\x48\x89\xe5\x48\x83\xec\x08\xc3"), uint64(0), uint64(14))
	f.Add([]byte{0xc3}, uint64(0), uint64(0))
	f.Add([]byte{0x55, 0x55, 0x66}, uint64(2), ^uint64(0))
	f.Fuzz(func(t *testing.T, code []byte, entry, pc uint64) {
		p := readPrologue(code, entry)
		require.LessOrEqual(t, p.pushed, p.framed)
		word, _ := p.word(code, pc)
		require.Less(t, word, sample.TopWords)
	})
}
