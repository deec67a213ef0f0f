package tests

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A signal ends the machine with the shell's status for it, and nothing is left
// behind.
func TestSignalEndsTheMachine(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				cmd, out := m.start(t, app(t, "idle"), "-settle", "0s")
				waitFor(t, out, "ready")
				children := childrenOf(t, cmd.Process.Pid)
				require.NoError(t, cmd.Process.Signal(sig))
				_ = cmd.Wait() // a status that is not 0 is an error, too
				assert.Equal(t, 128+int(sig), cmd.ProcessState.ExitCode())
				for _, pid := range children {
					assert.Eventually(t, func() bool { return !runs(pid) }, limit, 10*time.Millisecond, "process %s is left", pid)
				}
			})
		})
	}
}

// start begins a machine that is waited for by the caller and ended by the test.
func (m machine) start(t *testing.T, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), doze, slices.Concat([]string{"run"}, m.flags, args)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	guard := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { guard.Stop() })
	return cmd, bufio.NewScanner(out)
}

func waitFor(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	for lines.Scan() {
		if lines.Text() == want {
			return
		}
	}
	require.Fail(t, "the machine ended", "without printing %q", want)
}

// childrenOf lists the process's children: QEMU, where there is one.
func childrenOf(t *testing.T, pid int) (children []string) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err == nil {
			children = append(children, strings.Fields(string(text))...)
		}
	}
	return children
}

// runs tells whether a process is there and no zombie.
func runs(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
