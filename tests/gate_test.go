package tests

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The nucleus refuses what would change it, the page tables or the image, and every
// address that KVM should write to but the vCPU's own (docs/nucleus.md 4).
func TestGateRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "gate"))
		r.ok(t)
		assert.NotContains(t, r.stdout, "granted")
	})
}
