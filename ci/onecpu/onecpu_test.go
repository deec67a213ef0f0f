package onecpu

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allowed is the list of CPUs of a process started now.
func allowed(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("sed", "-n", `s/^Cpus_allowed_list:\s*//p`, "/proc/self/status").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func TestFirst(t *testing.T) {
	before := allowed(t)
	var during string
	require.NoError(t, First(func() { during = allowed(t) }))
	first, _, _ := strings.Cut(strings.NewReplacer("-", ",").Replace(before), ",")
	assert.Equal(t, first, during)
	assert.Equal(t, before, allowed(t), "afterwards as before")
}
