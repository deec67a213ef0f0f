package tests

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each fault ends as it would on Linux, or, where it breaks the machine itself,
// in a crash report. Status 2 either way.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ kind, says string }{
		{"nil", "panic: runtime error: invalid memory address or nil pointer dereference"},
		{"divide", "panic: runtime error: integer divide by zero"},
		{"wild", "unexpected fault address 0x123456789000"},
		{"nucleus", "unexpected fault address 0x101000"},
		{"tables", "unexpected fault address 0x105000"},
		{"text", "unexpected fault address 0x4"},
		{"data", "unexpected fault address"},
		{"null", "panic: runtime error: invalid memory address or nil pointer dereference"},
		{"halt", "unexpected fault address 0x0"},
		{"undefined", "SIGILL: illegal instruction"},
		{"port", "unexpected fault address 0x0"},
		{"stack", "goroutine stack exceeds"},
		{"locked", "panic: runtime error: invalid memory address or nil pointer dereference"},
		{"high", "unexpected fault address 0x0"},
		{"heap", "unexpected fault address"},
		{"wrmsr", "unexpected fault address 0x0"},
		{"cli", "unexpected fault address 0x0"},
		{"cr3", "unexpected fault address 0x0"},
		{"trap", "SIGTRAP: trace trap"},
		{"sent", "SIGSEGV: segmentation violation"},
		{"lost", "machine crashed: fault while its signal is blocked"},
		{"gate", "machine crashed: "},
	} {
		t.Run(c.kind, func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				r := m.run(t, app(t, "faults"), c.kind)
				assert.Equal(t, 2, r.status)
				assert.Contains(t, r.stderr, c.says)
				assert.Regexp(t, `^about to .*\n`, r.stdout) // the nucleus reports its own faults on COM1 too
				assert.NotContains(t, r.stdout, "nothing happened")
			})
		})
	}
}

// A fault on one vCPU ends the machine, whatever the others do.
func TestFaultsOnSeveralVCPUs(t *testing.T) {
	for kind, says := range map[string]string{
		"locked": "panic: runtime error: invalid memory address or nil pointer dereference",
		"text":   "unexpected fault address 0x4",
		"stack":  "goroutine stack exceeds",
		"lost":   "machine crashed: fault while its signal is blocked",
		"gate":   "machine crashed: ",
	} {
		t.Run(kind, func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				r := m.run(t, "--cpus", "4", app(t, "faults"), kind)
				assert.Equal(t, 2, r.status)
				assert.Contains(t, r.stderr, says)
				assert.NotContains(t, r.stdout, "nothing happened")
			})
		})
	}
}

// A crash report names the registers.
func TestCrashReport(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "faults"), "gate")
		require.Equal(t, 2, r.status)
		for _, word := range []string{"rip ", "rsp ", "cr2 ", "vector "} {
			assert.Contains(t, r.stderr, word)
		}
	})
}

// A panic's text is whole where each of its lines has to wait: a file takes no write that
// must not wait.
func TestPanicIntoAFile(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, kind := range []string{"locked", "stack", "text"} {
			for range 4 {
				file, err := os.CreateTemp(t.TempDir(), "")
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				cmd := exec.CommandContext(ctx, doze, slices.Concat([]string{"run"}, m.flags, []string{"--cpus", "4", app(t, "faults"), kind})...)
				cmd.Stderr = file
				var exit *exec.ExitError
				require.ErrorAs(t, cmd.Run(), &exit)
				assert.Equal(t, 2, exit.ExitCode())
				text, err := os.ReadFile(file.Name())
				require.NoError(t, err)
				assert.Contains(t, string(text), "faults/main.go:")
				assert.Equal(t, byte('\n'), text[len(text)-1])
			}
		}
	})
}
