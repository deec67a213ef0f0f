package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/kernel/linux"
)

const root = "../.."

func TestPageIsUpToDate(t *testing.T) {
	want, err := pageOf(root)
	require.NoError(t, err)
	have, err := os.ReadFile(filepath.Join(root, pageName))
	require.NoError(t, err)
	assert.True(t, string(want) == string(have), "%s is old: go run ./ci/compat", pageName)
}

func TestCallsAreFound(t *testing.T) {
	all, err := calls(root)
	require.NoError(t, err)
	found := map[string]call{}
	last := -1
	for _, c := range all {
		assert.Greater(t, int(c.number), last, "%s is not in the order of the numbers", c.name)
		last = int(c.number)
		found[c.name] = c
		assert.False(t, c.refusal != "" && c.note == "", "%s is refused without a reason", c.name)
		assert.True(t, linux.CallOf(c.number).Known, "%s: package linux does not know its arguments", c.name)
	}
	assert.Contains(t, found, "futex")
	assert.Equal(t, "EINVAL", found["splice"].refusal)
	assert.Equal(t, "ENOSYS", found["fork"].refusal)
	assert.Equal(t, "", found["read"].refusal)
	assert.NotContains(t, found, "reboot")
}

// notFuzzed are the served calls that apps/fuzzcalls must not make at random: they would
// end or replace what makes them.
var notFuzzed = []string{"clone", "exit", "exit_group", "mprotect", "munmap", "mremap", "rt_sigreturn"}

// Random calls are made of all that is served.
func TestServedCallsAreFuzzed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "apps/fuzzcalls/calls.go"))
	require.NoError(t, err)
	all, err := calls(root)
	require.NoError(t, err)
	for _, c := range all {
		if c.refusal == "" && !slices.Contains(notFuzzed, c.name) {
			assert.Contains(t, string(text), fmt.Sprintf("{name: %q, nr: %d", c.name, c.number))
		}
	}
}

// notProbed are calls whose pointers no bad address reaches: a process's groups, which
// getgroups would write, are the host's affair.
var notProbed = []string{"getgroups"}

// Bad pointers of each kind are tried for each call that takes one.
func TestPointersOfServedCallsAreProbed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "apps/probes/pointers.go"))
	require.NoError(t, err)
	all, err := calls(root)
	require.NoError(t, err)
	for _, c := range all {
		pointers := 0
		for _, a := range linux.CallOf(c.number).Args {
			if a.Reads() || a.Writes() {
				pointers++
			}
		}
		if c.refusal != "" || pointers == 0 || slices.Contains(notProbed, c.name) {
			continue
		}
		asked := regexp.MustCompile(fmt.Sprintf(`\bSYS_%s\b|[(]%d,|\(%s, `, strings.ToUpper(c.name), c.number, c.name))
		assert.Regexp(t, asked, string(text), "%s: no bad pointers for it", c.name)
	}
}
