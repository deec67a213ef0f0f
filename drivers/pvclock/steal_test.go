package pvclock

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/doze-vm/doze/kernel/mmio"
)

func TestStealReadsAWholeTime(t *testing.T) {
	area := infoPage(t)
	for _, c := range []struct {
		version uint32
		time    uint64
		ok      bool
	}{{0, 0, true}, {2, 5_762_000_000, true}, {3, 7, false}, {1<<32 - 2, 1<<64 - 1, true}} {
		mmio.Store32(area+StealVersion, c.version)
		mmio.Store64(area+StealTime, c.time)
		ns, ok := Steal(area)
		assert.Equal(t, c.ok, ok, "version %d", c.version)
		if ok {
			assert.Equal(t, c.time, ns)
		}
	}
}

func TestSpentIsNeverNegativeAndLosesNothing(t *testing.T) {
	for _, c := range []struct{ ns, stolen, had, steal int64 }{
		{10, 0, 10, 0}, {10, 4, 6, 4}, {10, 10, 0, 10}, {10, 25, 0, 10}, {0, 5, 0, 0}, {10, -3, 10, 0},
	} {
		had, steal := Spent(c.ns, c.stolen)
		assert.Equal(t, [2]int64{c.had, c.steal}, [2]int64{had, steal}, "%+v", c)
	}
	// Over many steps all of a steal that comes in bursts is booked in the end.
	var passed, host, had, steal int64
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		passed += 1000
		host += r.Int64N(1200) * r.Int64N(2)
		h, s := Spent(1000, host-steal)
		had, steal = had+h, steal+s
		assert.LessOrEqual(t, steal, host)
	}
	assert.Equal(t, passed, had+steal)
	assert.Less(t, host-steal, int64(20_000))
}
