package pv_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/doze-vm/doze/pv"
)

// A process is told that it is none of our machines, and gets zeros. What a
// machine answers is tested in one: tests/steal_test.go.
func TestOutsideAMachine(t *testing.T) {
	steal, err := pv.Steal()
	assert.ErrorIs(t, err, pv.ErrNotVirtual)
	assert.Zero(t, steal)
	clock, err := pv.Clock()
	assert.ErrorIs(t, err, pv.ErrNotVirtual)
	assert.Zero(t, clock)
	memory, err := pv.Memory()
	assert.ErrorIs(t, err, pv.ErrNotVirtual)
	assert.Zero(t, memory)
	cpus, err := pv.CPUs()
	assert.ErrorIs(t, err, pv.ErrNotVirtual)
	assert.Zero(t, cpus)
	exits, err := pv.Exits()
	assert.ErrorIs(t, err, pv.ErrNotVirtual)
	assert.Zero(t, exits)
}
