package tests

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Programs must not notice how many vCPUs they have, but for their number.
func TestSeveralVCPUs(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []int{2, 4} {
			n := fmt.Sprint(cpus)
			r := m.run(t, "--cpus", n, app(t, "hello"))
			r.ok(t)
			assert.Contains(t, r.stdout, n+" CPU, ")

			r = m.run(t, "--cpus", n, app(t, "threads"))
			r.ok(t)
			assert.Equal(t, "threads: 4 pairs, 2000 rounds each, every ball counted\n", r.stdout)

			r = m.run(t, "--cpus", n, "--memory", "32M", app(t, "gcstress"), "-for", long("4s", "5m"))
			r.ok(t)
			assert.Equal(t, "gcstress: no corruption\n", r.constant())
		}
	})
}

// The most vCPUs there may be, far more than the host has.
func TestManyVCPUs(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, "--cpus", "64", app(t, "hello"))
		r.ok(t)
		assert.Contains(t, r.stdout, "64 CPU, ")

		r = m.run(t, "--cpus", "64", app(t, "threads"), "-pairs", "64", "-rounds", long("100", "2000"))
		r.ok(t)
		assert.Equal(t, fmt.Sprintf("threads: 64 pairs, %s rounds each, every ball counted\n", long("100", "2000")), r.stdout)

		r = m.run(t, "--cpus", "64", app(t, "gcstress"), "-for", long("3s", "60s"))
		r.ok(t)
		assert.Equal(t, "gcstress: no corruption\n", r.constant())
	})
}
