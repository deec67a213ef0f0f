package tests

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNobodyIsForgottenInACall(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []string{"1", "2", "4"} {
			rounds := "300"
			if m.tier == "qemu" {
				rounds = "100"
			}
			r := m.run(t, "--cpus", cpus, app(t, "contend"), "-rounds", rounds)
			r.ok(t)
			assert.Contains(t, r.stdout, "contend: nobody was forgotten\n")
		}
	})
}

func TestCallsThatGoWrongOrWait(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "calls"))
		r.ok(t)
		assert.Equal(t, `calls: read to 0x123456789000: bad address, open: bad address
calls: read to 0x123456789abcdef0: bad address, open: bad address
calls: closed: bad file descriptor
calls: its twin: 3 <nil>
calls: the lowest is taken again: true
calls: another goroutine ran meanwhile: true
calls: read without access: runtime error: invalid memory address or nil pointer dereference
calls: read what is read-only: <nil>
calls: write what is read-only: runtime error: invalid memory address or nil pointer dereference
calls: mapped: the file's text
calls: write what is mapped to read: runtime error: invalid memory address or nil pointer dereference
calls: code mapped: permission denied, memory made code: permission denied
calls: pages that were never touched are free: true
calls: no tables are kept for what was unmapped: true
calls: no tables are kept for pages far apart: true
calls: 25000 guarded pages
calls: a file of 256 GiB: no space left on device, of size 0, memory kept: false
`, r.stdout)
	})
}
