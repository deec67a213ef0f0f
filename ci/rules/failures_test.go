package rules

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What failed shows, whatever a program in a machine printed, and however much of it.
func TestFailuresAlwaysShow(t *testing.T) {
	var log strings.Builder
	log.WriteString("=== RUN   TestA/kvm\n=== RUN   TestB\n    b_test.go:1: of another\n=== NAME  TestA/kvm\n" +
		"    a_test.go:6: the reason\n=== NAME  TestB\n    b_test.go:2: of another\n--- PASS: TestB (0.00s)\n" +
		"=== RUN   TestA\n    a_test.go:7: why\x00 it \xff failed\n--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/kvm (0.00s)\n")
	for i := range 500 {
		fmt.Fprintf(&log, "=== RUN   Test%d\n--- PASS: Test%[1]d (0.00s)\n    noise %[1]d\n", i)
	}
	log.WriteString("    b_test.go:9: the last\x00 word\nFAIL\nFAIL\tgithub.com/x\t1s\n")
	name := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(name, []byte(log.String()), 0o600))
	out, err := exec.Command(filepath.Join(root, "ci/failures"), name).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, want := range []string{"--- FAIL: TestA (", "    --- FAIL: TestA/kvm (", "FAIL\tgithub.com/x", "the last? word",
		"--- what TestA/kvm printed:\n    a_test.go:6: the reason\n", "a_test.go:7: why? it \xff failed"} {
		assert.Contains(t, string(out), want)
	}
	assert.NotContains(t, string(out), "PASS")
	assert.NotContains(t, string(out), "of another")
	assert.NotContains(t, string(out), "inary file")
}

// Whoever looks into a log says -a to grep.
func TestGrepsOfLogsTakeThemForText(t *testing.T) {
	for _, name := range []string{"ci/tiers", "ci/failures"} {
		for line := range strings.Lines(string(read(t, name))) {
			if strings.Contains(line, "grep ") && (strings.Contains(line, `"$log"`) || strings.Contains(line, `"$1"`)) {
				assert.Regexp(t, `grep -[a-zA-Z0-9]*a`, line, name)
			}
		}
	}
}
