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

func TestPreemptedIsTheFlagAlone(t *testing.T) {
	area := infoPage(t)
	for flags, want := range map[uint8]bool{0: false, 1: true, 2: false, 3: true} { // 2: KVM_VCPU_FLUSH_TLB
		mmio.Store8(area+StealPreempted, flags)
		assert.Equal(t, want, Preempted(area), "%d", flags)
	}
}

func TestCrowd(t *testing.T) {
	const ms = 1_000_000
	for name, c := range map[string]struct {
		ran, stolen int64 // of each 10 ms
		want        bool
	}{
		"nobody else":                 {10 * ms, 0, false},
		"a neighbour now and then":    {10 * ms, 1 * ms, false},
		"four vCPUs, one has half":    {35 * ms, 5 * ms, false},
		"two vCPUs on one CPU":        {10 * ms, 10 * ms, true},
		"four vCPUs on one CPU":       {10 * ms, 30 * ms, true},
		"four vCPUs on two CPUs":      {20 * ms, 20 * ms, true},
		"half of next to nothing":     {ms / 100, ms / 100, false},
		"a vCPU that is kept waiting": {ms, 9 * ms, true},
	} {
		t.Run(name, func(t *testing.T) {
			var crowd Crowd
			now := int64(1_000 * ms)
			crowd.Count(now, 0, 0) // the span since the zero value
			for range 3 {
				now += 10 * ms
				crowd.Count(now, c.ran, c.stolen)
			}
			assert.Equal(t, c.want, crowd.Is(now))
			assert.Equal(t, c.want, crowd.Is(now+150*ms), "it lasts")
			assert.False(t, crowd.Is(now+300*ms), "and ends")
			for range 30 {
				now += 10 * ms
				crowd.Count(now, 10*ms, 0)
			}
			assert.False(t, crowd.Is(now), "what is over is forgotten")
		})
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
