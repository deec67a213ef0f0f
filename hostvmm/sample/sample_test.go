package sample

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddsUp(t *testing.T) {
	var s Set
	assert.Empty(t, s.List())
	s.Add(0, []uint64{1, 2}, 3*time.Millisecond)
	s.Add(1, []uint64{1, 2}, 9*time.Millisecond)
	s.Add(0, []uint64{1, 2}, 4*time.Millisecond)
	s.Add(0, []uint64{1}, 7*time.Millisecond)
	assert.Equal(t, []Stack{
		{CPU: 1, PCs: []uint64{1, 2}, Count: 1, Time: 9 * time.Millisecond},
		{CPU: 0, PCs: []uint64{1}, Count: 1, Time: 7 * time.Millisecond},
		{CPU: 0, PCs: []uint64{1, 2}, Count: 2, Time: 7 * time.Millisecond},
	}, s.List())
}

func TestKeepsTheCallersSliceApart(t *testing.T) {
	var s Set
	pcs := []uint64{1, 2, 3}
	s.Add(0, pcs, 1)
	pcs[0] = 9
	assert.Equal(t, []uint64{1, 2, 3}, s.List()[0].PCs)
}

// A guest may show another stack each time: the set stays bounded and loses no time.
func TestIsBounded(t *testing.T) {
	var s Set
	const more = 100
	deep := make([]uint64, 2*MaxFrames)
	for i := range MaxStacks + more {
		deep[0] = uint64(i)
		s.Add(i%2, deep, time.Millisecond)
	}
	deep[0] = 0
	s.Add(0, deep, time.Millisecond) // known: still counted where it was
	list := s.List()
	require.Len(t, list, MaxStacks+2)
	var count int64
	var total time.Duration
	for _, stack := range list {
		count += stack.Count
		total += stack.Time
		assert.LessOrEqual(t, len(stack.PCs), MaxFrames)
		if len(stack.PCs) == 0 {
			assert.EqualValues(t, more/2, stack.Count)
		}
	}
	assert.EqualValues(t, MaxStacks+more+1, count)
	assert.Equal(t, time.Duration(MaxStacks+more+1)*time.Millisecond, total)
}
