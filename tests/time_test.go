package tests

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMonotonicClock(t *testing.T) {
	reads := long("10000000", "100000000")
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "clock"), "-n", reads)
		r.ok(t)
		t.Log(r.stdout)
		assert.Equal(t, "clock: "+reads+" reads, no step back\n", r.constant())
	})
}

func TestSleepsAreNeverShort(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "sleepers"))
		r.ok(t)
		t.Log(r.stdout)
		assert.Equal(t, "sleepers: 1000 sleeps, none early\n", r.constant())
	})
}

// wakeUpsBesides is how many wake-ups an idle machine may have besides its ticks. One ends
// the program's sleep, one is sysmon's before the machine rests; a machine that is slow to
// rest has sysmon look up to three times for a P to take (dozeRetakes). In the 6 s of these
// tests a poll or tick of once a second would be six more.
const wakeUpsBesides = 2 + 3

// An idle machine wakes for its timers and for nothing else. The last wake-up is
// that of the end; one more is allowed for a tick that falls together with the
// count. Emulated, clock and timer are two rates that the guest measured while
// the host was busy: a timer may come early, any number of times, and is then armed
// again. Nobody asked for those wake-ups, which the guest counts.
func TestWakeUpsAreThoseOfTheTimers(t *testing.T) {
	for _, c := range []struct{ name, tick string }{{"asleep", "0"}, {"ticker", "1s"}} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				r := m.run(t, app(t, "idle"), "-settle", "2s", "-tick", c.tick, "-for", "6s")
				r.ok(t)
				t.Log(r.stdout)
				ticks, wakeups := r.number(t, "ticks"), r.number(t, "wakeups")
				assert.LessOrEqual(t, r.askedFor(t, m), ticks+wakeUpsBesides)
				assert.GreaterOrEqual(t, wakeups+1, ticks)
				if c.tick != "0" {
					assert.NotZero(t, ticks)
				}
			})
		})
	}
}

// askedFor is how often somebody had the machine wake.
func (r result) askedFor(t *testing.T, m machine) int {
	t.Helper()
	early := r.number(t, "wakeups_early")
	if m.tier == "kvm" {
		assert.Zero(t, early, "the timer and the clock are one")
	}
	return r.number(t, "wakeups") - early
}

// stamp is a line of apps/clock -drift, and when it reached us.
type stamp struct {
	Monotonic int64 `json:"mono_ns"`
	Wall      int64 `json:"wall_ns"`
	at        time.Time
}

// How far clocks may be off here: enough for a busy host that delays the lines,
// and little enough to see a rate or an epoch that is wrong. docs/benchmarks.md
// has the exact measurement.
const (
	rateLimit = 50 * time.Millisecond // in six seconds
	wallLimit = 2 * time.Second
)

func TestClocksFollowTheHost(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		stamps := collect(t, m, "-drift", "6s", "-every", "200ms")
		require.Greater(t, len(stamps), 10)
		// A line is late by an unknown time but never early, so the least lag of
		// each half bounds it best.
		half := len(stamps) / 2
		lag := func(s stamp) time.Duration {
			return s.at.Sub(stamps[0].at) - time.Duration(s.Monotonic-stamps[0].Monotonic)
		}
		drift := least(stamps[half:], lag) - least(stamps[:half], lag)
		wall := least(stamps, func(s stamp) time.Duration { return s.at.Sub(time.Unix(0, s.Wall)) })
		t.Logf("drift %v between the halves of %v; wall clock behind by at most %v", drift, stamps[len(stamps)-1].at.Sub(stamps[0].at), wall)
		assert.Less(t, drift.Abs(), rateLimit)
		assert.Less(t, wall.Abs(), wallLimit)
	})
}

func least(stamps []stamp, f func(stamp) time.Duration) time.Duration {
	best := f(stamps[0])
	for _, s := range stamps {
		best = min(best, f(s))
	}
	return best
}

// collect runs apps/clock and stamps its lines with the host's time.
func collect(t *testing.T, m machine, args ...string) (stamps []stamp) {
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(pr)
		for lines.Scan() {
			s := stamp{at: time.Now()}
			if err := json.Unmarshal([]byte(strings.TrimSpace(lines.Text())), &s); err != nil {
				t.Errorf("not a stamp: %q: %v", lines.Text(), err)
			}
			stamps = append(stamps, s)
		}
	}()
	r := m.stream(t, pw, append([]string{app(t, "clock")}, args...)...)
	pw.Close()
	<-done
	r.ok(t)
	return stamps
}
