package tests

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/vm"
)

// A machine that was paused finds its clocks right, and what became due meanwhile
// happens then. It uses no CPU in between, whether it was busy or asleep.
func TestPauseAndResume(t *testing.T) {
	const pause = 10 * time.Second
	for _, c := range []struct {
		name, idle string
		args       []string
	}{
		{"park", vm.IdlePark, nil},
		{"hlt", vm.IdleHLT, nil},
		{"park, busy", vm.IdlePark, []string{"-busy"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			launch := time.Now()
			v := startHosted(t, vm.Config{Image: app(t, "paused"), Memory: 64 << 20, CPUs: 2, Idle: c.idle,
				Args: append(c.args, "-over", "8s")}) // most deadlines lie in the pause
			start := time.Now()
			time.Sleep(time.Second)
			require.NoError(t, v.Pause())
			before := v.CPUStatus()
			time.Sleep(pause)
			after := v.CPUStatus()
			for i := range before.Each {
				assert.Equal(t, vm.CPUPaused, after.Each[i].State)
				// What its thread takes to go to sleep is its last.
				ran := time.Duration(after.Each[i].Run - before.Each[i].Run)
				assert.Less(t, ran, 5*time.Millisecond, "vCPU %d", i)
			}
			require.NotContains(t, v.out.String(), "all fired")
			require.NoError(t, v.Resume())
			require.Eventually(t, func() bool { return strings.Contains(v.out.String(), "all fired") }, limit, time.Millisecond)

			const slack = 100 * time.Millisecond // of a clock that follows the host's
			earliest, least := time.Now(), time.Since(start)
			r := v.end(t)
			require.Equal(t, 0, r.status, r.stdout)
			t.Log(r.stdout)
			wall, elapsed := time.Unix(0, int64(r.number(t, "wall"))), time.Duration(r.number(t, "elapsed"))
			assert.WithinRange(t, wall, earliest.Add(-slack), time.Now().Add(slack))
			assert.Greater(t, elapsed, least-slack)
			assert.Less(t, elapsed, time.Since(launch)+slack)
			assert.Equal(t, 200, r.number(t, "once"), "timers that fired once")
			assert.Zero(t, r.number(t, "early"), "ns too early")
		})
	}
}
