package pv

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOneNoIsEnough(t *testing.T) {
	asked := [][2]int{}
	observe := func(f func(from, to int) bool) func() {
		o := &observers
		o.Lock()
		defer o.Unlock()
		if o.list == nil {
			o.list = map[*func(from, to int) bool]struct{}{}
		}
		o.list[&f] = struct{}{}
		return func() { o.Lock(); delete(o.list, &f); o.Unlock() }
	}
	assert.True(t, allow(1, 2), "nobody minds")
	stop := observe(func(from, to int) bool { asked = append(asked, [2]int{from, to}); return true })
	no := observe(func(_, to int) bool { return to != 3 })
	assert.True(t, allow(1, 2))
	assert.False(t, allow(2, 3))
	assert.Equal(t, [][2]int{{1, 2}, {2, 3}}, asked, "all are asked, whatever the others say")
	no()
	assert.True(t, allow(2, 3))
	stop()
	assert.True(t, allow(3, 4))
	assert.Len(t, asked, 3)
}

func TestNobodyObservesOutsideAMachine(t *testing.T) {
	stop, err := OnCPUChange(func(int, int) bool { return false })
	assert.ErrorIs(t, err, ErrNotVirtual)
	stop()
	assert.True(t, allow(1, 2), "what was refused is not asked")
}
