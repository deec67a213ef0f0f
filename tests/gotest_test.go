package tests

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testOutput runs a command in the module of testdata.
func testOutput(t *testing.T, name string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "testdata/gotest"
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "%v did not end: %s%s", cmd, &out, &errs)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// What differs from run to run: times, what a benchmark measured and on what,
// and how many CPUs there were.
var changing = []struct {
	re *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`\d+\.\d+s`), "Ts"},
	{regexp.MustCompile(`"Time":"[^"]*"`), `"Time":""`},
	{regexp.MustCompile(`"Elapsed":[0-9.e-]+`), `"Elapsed":0`},
	{regexp.MustCompile(`(?m)^cpu: .*$`), "cpu:"},
	{regexp.MustCompile(`(?m)^(Benchmark\w+?)(-\d+)? *\t.*$`), "$1"},
	{regexp.MustCompile(`[^ \t"\n]*/src/`), "GOROOT/src/"}, // where the derived GOROOT is
}

func unchanging(text string) string {
	for _, c := range changing {
		text = c.re.ReplaceAllString(text, c.to)
	}
	return text
}

// doze test prints, line by line, what go test prints.
func TestGoTestsOutput(t *testing.T) {
	if os.Getenv("DOZE_IMAGES") != "" {
		t.Skip("no Go toolchain here to build with")
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"list of packages", []string{"./..."}},
		{"folder", nil},
		{"verbose", []string{"-v", "-short", "."}},
		{"chosen", []string{"-run", "Sum|Passes", "-skip", "of_2", "./ok", "."}},
		{"nothing chosen", []string{"-run", "xxx", "./ok"}},
		{"benchmark", []string{"-run", "xxx", "-bench", ".", "-benchtime", "2x", "."}},
		{"events", []string{"-json", "-run", "Passes|Skips|Fails", "."}},
		{"names", []string{"-list", ".", "."}},
		{"arguments", []string{"-run", "Passes", "-count", "2", "-cpu", "1,2", "-v", ".", "-args", "x", "y z"}},
		{"failing fast", []string{"-failfast", "-run", "Fails|Skips", "-v", "."}},
		{"no such package", []string{"./nowhere"}},
		{"wrong flag", []string{"-cpu", "x", "./ok"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				want, wantErr, wantStatus := testOutput(t, "go", append([]string{"test", "-count=1"}, c.args...)...)
				got, gotErr, status := testOutput(t, doze, slices.Concat([]string{"test"}, m.flags, c.args)...)
				assert.Equal(t, unchanging(want), unchanging(got), "stderr: %s", gotErr)
				assert.Equal(t, sorted(wantErr), sorted(gotErr))
				assert.Equal(t, wantStatus, status)
			})
		})
	}
}

// sorted are the lines of several commands' messages, whose order is not given.
func sorted(text string) []string {
	lines := strings.Split(unchanging(text), "\n")
	sort.Strings(lines)
	return lines
}

// A test that hangs is ended by its time limit, one that panics by itself; both
// with a trace, and the machine is gone.
func TestGoTestEnds(t *testing.T) {
	if os.Getenv("DOZE_IMAGES") != "" {
		t.Skip("no Go toolchain here to build with")
	}
	for _, c := range []struct {
		name, env string
		says      []string
	}{
		{"hangs", "HANG=1", []string{"panic: test timed out after 2s", "TestHangs (", "gotest.TestHangs(", "gotest_test.go:"}},
		{"panics", "PANIC=1", []string{"panic: asked to", "--- FAIL: TestPanics", "gotest.TestPanics("}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				out, _, status := testOutput(t, doze, slices.Concat([]string{"test"}, m.flags,
					[]string{"--env", c.env, "-timeout", "2s", "-run", "Hangs|Panics", "."})...)
				assert.Equal(t, 1, status)
				for _, text := range c.says {
					assert.Contains(t, out, text)
				}
				assert.Regexp(t, `(?m)^FAIL\texample\.test/gotest\t`, out)
			})
		})
	}
}
