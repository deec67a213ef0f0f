package tests

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A VMM that had much to do is as small afterwards as one that had nothing to do: what
// it allocated for input goes back when its machine sleeps.
func TestTheVMMStaysSmall(t *testing.T) {
	const input, more = 256 << 20, 4 << 20
	onEach(t, func(t *testing.T, m machine) {
		if m.name != "kvm-park" {
			t.Skip("a machine that halts in KVM does not say when it rests, and QEMU's memory is QEMU's")
		}
		cmd := exec.CommandContext(t.Context(), doze, slices.Concat([]string{"run"}, m.flags, []string{app(t, "cat")})...)
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		copied := func(n int) {
			go func() {
				piece := bytes.Repeat([]byte("y\n"), 32<<10)
				for left := n; left > 0; left -= len(piece) {
					if _, err := in.Write(piece[:min(left, len(piece))]); err != nil {
						return
					}
				}
			}()
			got, err := io.CopyN(io.Discard, out, int64(n))
			require.NoError(t, err, "after %d bytes", got)
		}
		copied(2)
		idle := anonymous(t, cmd.Process.Pid)
		copied(input)
		assert.Eventually(t, func() bool { return anonymous(t, cmd.Process.Pid) < idle+more }, limit, 100*time.Millisecond,
			"%d KiB when it was idle, %d KiB after %d MiB of input", idle>>10, anonymous(t, cmd.Process.Pid)>>10, input>>20)
		require.NoError(t, in.Close())
		require.NoError(t, cmd.Wait())
	})
}

// anonymous is what a VMM has resident of memory that is neither a file's nor its
// guest's, which is mapped without a reservation (VmFlags nr: proc(5)).
func anonymous(t *testing.T, pid int) (bytes int) {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	require.NoError(t, err)
	defer maps.Close()
	var file bool
	var rss int
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case !strings.HasSuffix(fields[0], ":"): // a mapping: address, rights, offset, device, inode, name
			file = len(fields) > 5 && strings.HasPrefix(fields[5], "/")
		case fields[0] == "Rss:":
			rss, err = strconv.Atoi(fields[1])
			require.NoError(t, err)
		case fields[0] == "VmFlags:" && !file && !slices.Contains(fields, "nr"):
			bytes += rss << 10
		}
	}
	return bytes
}
