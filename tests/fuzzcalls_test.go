package tests

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A machine survives calls with arguments of every kind. The seeds are fixed: make
// fuzz-calls tries others.
func TestRandomCallsLeaveTheMachineAlone(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []string{"1", "4"} {
			for seed := range 2 {
				calls := "50000" // a million in all on kvm
				if m.tier == "qemu" {
					calls = "4000"
				}
				r := m.run(t, "--cpus", cpus, app(t, "fuzzcalls"), "-n", calls, "-seed", strconv.Itoa(seed))
				r.ok(t)
				t.Log(r.stdout)
				assert.Contains(t, r.stdout, "kinds went well at least once")
			}
		}
	})
}
