package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A CPU profile has a sample for each hundredth of a second of CPU time, with the
// stack of who used it, also when nothing else runs that could take interrupts.
func TestCPUProfile(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "profile"))
		require.Zero(t, r.status, r.stderr)
		var ms int64
		_, err := fmt.Sscanf(r.stderr, "time: %d ms", &ms)
		require.NoError(t, err, r.stderr)
		p, err := profile.ParseData([]byte(r.stdout))
		require.NoError(t, err)
		all, twice := samplesOf(p, "main."), samplesOf(p, "main.burnTwice")
		t.Logf("%d ms of CPU, %d ms of samples, %d in burnTwice", ms, all, twice)
		assert.InEpsilon(t, ms, all, 0.25)
		assert.InDelta(t, 2./3, float64(twice)/float64(all), 0.15)
	})
}

// samplesOf adds up the milliseconds of the samples with a function of that prefix
// in the stack.
func samplesOf(p *profile.Profile, prefix string) int64 {
	var ns int64
	for _, s := range p.Sample {
		if inStack(s, prefix) {
			ns += s.Value[1]
		}
	}
	return ns / 1e6
}

func inStack(s *profile.Sample, prefix string) bool {
	for _, l := range s.Location {
		for _, line := range l.Line {
			if strings.HasPrefix(line.Function.Name, prefix) {
				return true
			}
		}
	}
	return false
}
