package tests

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Loops that never call anything stop neither timers nor the collector.
func TestLoopsArePreempted(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []int{1, 2} {
			r := m.run(t, "--cpus", fmt.Sprint(cpus), app(t, "preempt"), "-for", long("4s", "30s"))
			r.ok(t)
			t.Log(r.stdout)
			assert.Equal(t, "preempt: 4 loops, a ticker and collections shared a P\n", r.constant())
		}
	})
}

func TestWorkOnSeveralVCPUs(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []int{1, 2, 4} {
			r := m.run(t, "--cpus", fmt.Sprint(cpus), app(t, "parallel"), "-below", "10000000")
			r.ok(t)
			t.Log(r.stdout)
			assert.Equal(t, "parallel: 664579 primes below 10000000\n", r.constant())
			assert.Contains(t, r.stdout, fmt.Sprintf("machine: %d workers, %[1]d CPUs\n", cpus))
		}
	})
}

func TestShortSleepsAreNeverShort(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "lateness"), "-n", "200")
		r.ok(t)
		t.Log(r.stdout)
		assert.Equal(t, "lateness: 200 sleeps of 1ms, none early\n", r.constant())
	})
}

// No message of 10,000 goroutines and 500 threads is lost, changed or forgotten
// while the collector runs.
func TestPingPong(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []int{1, 4} {
			r := m.run(t, "--cpus", fmt.Sprint(cpus), "--memory", "256M", app(t, "pingpong"), "-for", long("5s", "60s"))
			r.ok(t)
			t.Log(r.stdout)
			assert.Equal(t, "pingpong: every message arrived, in order and whole\n", r.constant())
		}
	})
}

// The mix of make soak, for a short time: every kind of work goes on, is right,
// and leaves the machine as much free memory as there was.
func TestSoak(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []int{1, 4} {
			r := m.run(t, "--cpus", fmt.Sprint(cpus), app(t, "soak"), "-warm-up", long("5s", "20s"), "-for", long("12s", "90s"))
			t.Log(r.stdout)
			r.ok(t)
			assert.Equal(t, "soak: every kind went on and was right\nsoak: no memory is missing\n", r.constant())
		}
	})
}

// Threads, stacks and heap come and go without a page being lost. Each of
// hundreds of threads that end has pages of its own: a thread that kept one would
// be seen.
func TestChurnLosesNoPage(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, "--cpus", "2", app(t, "soak"), "-kinds", "threads,goroutines,blocks,maps", "-bound", "2048",
			"-warm-up", "5s", "-for", long("10s", "60s"))
		t.Log(r.stdout)
		r.ok(t)
		assert.Contains(t, r.constant(), "soak: no memory is missing\n")
	})
}

// Four vCPUs on one physical CPU do all that suffers from that, and all is right,
// whatever is done about vCPUs that the host has preempted.
func TestOvercommit(t *testing.T) {
	onEachKVM(t, func(t *testing.T, m machine) {
		for _, smp := range []string{"all", "none", "lock", "wake"} {
			if smp != "all" && os.Getenv("DOZE_LONG") != "1" && m.name != "kvm-park" {
				continue
			}
			var r result
			onFirstCPU(t, func() {
				r = m.run(t, "--smp", smp, "--cpus", "4", "--memory", "256M", "--stats", app(t, "overcommit"), "-for", long("1s", "10s"))
			})
			require.Equal(t, 0, r.status, "%s: %s%s", smp, r.stdout, r.stderr)
			t.Logf("%s: %s", smp, r.stdout)
			assert.Contains(t, r.stdout, "overcommit: all right\n")
			if m.name == "kvm-park" {
				yields := regexp.MustCompile(`(?m)^  yield: [1-9]`)
				assert.Equal(t, smp == "all" || smp == "lock", yields.MatchString(r.stderr), "who gives way: %s", r.stderr)
			}
		}
	})
}
