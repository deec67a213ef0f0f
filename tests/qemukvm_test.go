package tests

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The same images run under QEMU with KVM. A few programs say so: the guest is
// the one of the kvm tier, and each byte on QEMU's serial port is an exit.
func TestQEMUWithKVM(t *testing.T) {
	if tier := os.Getenv("DOZE_TIER"); tier != "" && tier != "kvm" {
		t.Skip("the kvm tier tests QEMU with KVM")
	}
	for _, name := range []string{"microvm", "q35"} {
		t.Run(name, func(t *testing.T) {
			if why := needsQEMUWithKVM(name); why != "" {
				t.Skip(why)
			}
			m := machine{name: name, tier: "kvm", flags: []string{"--vmm", "qemu", "--machine", name, "--accel", "kvm"}}
			r := m.run(t, app(t, "hello"), "a", "b c")
			r.ok(t)
			assert.Contains(t, r.stdout, `args: ["a" "b c"]`)
			assert.Contains(t, r.stdout, "clock kvmclock")

			assert.Equal(t, 7, m.run(t, app(t, "exit"), "7").status)
			m.run(t, app(t, "nilrecover")).ok(t)

			r = m.run(t, "--memory", "32M", app(t, "gcstress"), "-for", "4s")
			r.ok(t)
			assert.Equal(t, "gcstress: no corruption\n", r.constant())

			r = m.run(t, app(t, "idle"), "-settle", "2s", "-tick", "1s", "-for", "6s")
			r.ok(t)
			assert.LessOrEqual(t, r.number(t, "wakeups"), r.number(t, "ticks")+wakeUpsBesides)

			r = m.run(t, "--cpus", "2", app(t, "gcstress"), "-for", "6s")
			r.ok(t)
			assert.Equal(t, "gcstress: no corruption\n", r.constant())
		})
	}
}
