package tests

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// strace runs a program under --strace on a machine, and returns what stderr got.
func strace(t *testing.T, m machine, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(doze, slices.Concat([]string{"run"}, m.flags, []string{"--strace", app(t, program)}, args)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Run(), "%s", stderr.String())
	return stderr.String()
}

// A line of strace: of a call, of the beginning or the end of one, or the end alone.
var straceLine = regexp.MustCompile(`^(\[pid \d+\] (\w+\(|<\.\.\. \w+ resumed>).*( = (\?|-?\d|0x).*| <unfinished \.\.\.>)|.*\) = .*)$`)

func TestStraceReadsAsStraceDoes(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		text := strace(t, m, "files")
		for _, want := range []string{
			`openat(AT_FDCWD, "/proc/self/comm", O_RDONLY|O_CLOEXEC) = `,
			`fstat(6, {st_mode=S_IFREG|0444, st_size=6, ...}) = 0`,
			`read(6, "files\n", 512) = 6`,
			`unlinkat(AT_FDCWD, `,
			`, AT_REMOVEDIR) = 0`,
			` = -1 ENOENT (No such file or directory)`,
			`FUTEX_WAKE|FUTEX_PRIVATE_FLAG, 1) = `,
			`exit_group(0) = ?`,
		} {
			assert.Contains(t, text, want)
		}
		for line := range strings.Lines(text) {
			assert.Regexp(t, straceLine, strings.TrimRight(line, "\r\n"))
		}
		assert.NotContains(t, text, "syscall_0x", "a call without a name")
		assert.GreaterOrEqual(t, strings.Count(text, " <unfinished ...>"), strings.Count(text, "<... "), "what ends has begun")
	})
}

// Tracing does not hold up the machine, and loses no line.
func TestStraceToALateReader(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		cmd := exec.Command(doze, slices.Concat([]string{"run"}, m.flags, []string{"--strace", app(t, "output"), "lines"})...)
		cmd.Stderr = w
		require.NoError(t, cmd.Start())
		w.Close()
		time.Sleep(time.Second)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, cmd.Wait())
		assert.Equal(t, 4*500, bytes.Count(text, []byte(" write(1, ")))
	})
}
