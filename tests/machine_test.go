package tests

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/qemu"
)

// machine is a way to boot an image.
type machine struct {
	name, tier string
	flags      []string // of doze run
	needs      func() string
}

var all = []machine{
	{"kvm-park", "kvm", []string{"--vmm", "kvm"}, needsKVM},
	{"kvm-hlt", "kvm", []string{"--vmm", "kvm", "--idle", "hlt"}, needsKVM},
	{"microvm", "qemu", []string{"--vmm", "qemu", "--machine", "microvm", "--accel", "tcg"}, needsQEMU},
	{"q35", "qemu", []string{"--vmm", "qemu", "--machine", "q35", "--accel", "tcg"}, needsQEMU},
}

func needsKVM() string {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return "no KVM: " + err.Error()
	}
	f.Close()
	return ""
}

// needsQEMUWithKVM says why QEMU's KVM does not run guests in a machine, where our own
// VMM may run them.
func needsQEMUWithKVM(name string) string {
	if why := cmp.Or(needsKVM(), needsQEMU()); why != "" {
		return why
	}
	if err := qemu.ProbeKVM(context.Background(), qemu.Options{Machine: name}); err != nil {
		return err.Error()
	}
	return ""
}

func needsQEMU() string {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return "no QEMU: " + err.Error()
	}
	return ""
}

// onEach runs a test on every machine of the tier that is there.
func onEach(t *testing.T, test func(t *testing.T, m machine)) {
	var usable []machine
	var missing []string
	for _, m := range all {
		if tier := os.Getenv("DOZE_TIER"); tier != "" && tier != m.tier {
			continue
		}
		if why := m.needs(); why != "" {
			missing = append(missing, why)
			continue
		}
		usable = append(usable, m)
	}
	if len(usable) == 0 {
		t.Skip(strings.Join(slices.Compact(missing), "; "))
	}
	for _, m := range usable {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			test(t, m)
		})
	}
}

// asProcess returns what a program prints as a process of the host.
func asProcess(t *testing.T, name string) string {
	t.Helper()
	if os.Getenv("DOZE_IMAGES") != "" {
		t.Skip("no Go toolchain here to build with")
	}
	program := filepath.Join(t.TempDir(), name)
	out, err := exec.Command("go", "build", "-o", program, "../apps/"+name).CombinedOutput()
	require.NoError(t, err, "%s", out)
	printed, err := exec.Command(program).Output()
	require.NoError(t, err)
	return string(printed)
}

// result is what a machine left behind.
type result struct {
	stdout, stderr string
	status         int
}

// limit is how long a machine may take: far more than any needs, even on a busy
// host that emulates.
const limit = 3 * time.Minute

// run boots an image and waits for its end. Flags of doze run come first in
// args, then the image, then the program's arguments.
func (m machine) run(t *testing.T, args ...string) result {
	t.Helper()
	var out bytes.Buffer
	return m.stream(t, &out, args...).with(&out)
}

func (r result) with(out *bytes.Buffer) result {
	r.stdout = out.String()
	return r
}

// stream is run with stdout going somewhere as it comes.
func (m machine) stream(t *testing.T, stdout io.Writer, args ...string) (r result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, doze, slices.Concat([]string{"run"}, m.flags, args)...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	var machines []byte // when it did not end
	cmd.Cancel = func() error {
		machines, _ = exec.Command(doze, "stats").CombinedOutput()
		return cmd.Process.Signal(os.Interrupt) // so that it stops its QEMU
	}
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "%v did not end\nstdout: %s\nstderr: %s\nall machines:\n%s", cmd, stdout, &stderr, machines)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	t.Logf("host CPU of the whole run: %v", (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Round(time.Millisecond))
	return result{stderr: stderr.String(), status: cmd.ProcessState.ExitCode()}
}

// ok requires that a program ended well and said nothing on stderr.
func (r result) ok(t *testing.T) {
	t.Helper()
	require.Equal(t, 0, r.status, "stdout: %s\nstderr: %s", r.stdout, r.stderr)
	require.Empty(t, r.stderr)
}

var varying = regexp.MustCompile(`(?m)^(machine|time): .+\n`)

// constant is stdout without the lines that name the machine or a time.
func (r result) constant() string { return varying.ReplaceAllString(r.stdout, "") }

// number finds the line "name: N" of stdout.
func (r result) number(t *testing.T, name string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + `: (\d+)$`).FindStringSubmatch(r.stdout)
	require.NotNil(t, m, "no line %q in %s", name, r.stdout)
	n, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	return n
}

// long picks the second value when long tests were asked for.
func long(short, long string) string {
	if os.Getenv("DOZE_LONG") == "1" {
		return long
	}
	return short
}
