package tests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	pprof "github.com/google/pprof/profile"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/api"
)

// fleet is a folder of machines that the tests' doze alone sees.
type fleet struct {
	t   *testing.T
	dir string
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	if tier := os.Getenv("DOZE_TIER"); tier != "" && tier != "kvm" {
		t.Skip("the API is hostvmm's: the kvm tier tests it")
	}
	if why := needsKVM(); why != "" {
		t.Skip(why)
	}
	dir, err := os.MkdirTemp("/tmp", "doze-fleet-") // a short path: sockets need one
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &fleet{t, dir}
}

func (f *fleet) command(args ...string) *exec.Cmd {
	cmd := exec.Command(doze, args...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+f.dir)
	return cmd
}

// do runs a command that must go well, and returns what it prints.
func (f *fleet) do(args ...string) string {
	f.t.Helper()
	cmd := f.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(f.t, err, "doze %v: %s", args, &stderr)
	assert.Empty(f.t, stderr.String(), "doze %v", args)
	return string(out)
}

// fails runs a command that must not, and returns its error.
func (f *fleet) fails(args ...string) string {
	f.t.Helper()
	out, err := f.command(args...).CombinedOutput()
	require.Error(f.t, err, "doze %v: %s", args, out)
	require.Equal(f.t, 125, err.(*exec.ExitError).ExitCode())
	return string(out)
}

// start runs a machine until the program prints a line, or just until it is listed.
func (f *fleet) start(name string, args ...string) *exec.Cmd {
	f.t.Helper()
	cmd := f.command(append([]string{"run", "--vmm", "kvm", "--name", name}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(f.t, err)
	cmd.Stderr = os.Stderr
	require.NoError(f.t, cmd.Start())
	f.t.Cleanup(func() { _ = cmd.Process.Kill(); _, _ = cmd.Process.Wait() })
	r := bufio.NewReader(out)
	_, err = r.ReadString('\n')
	require.NoError(f.t, err)
	go func() { _, _ = io.Copy(io.Discard, r) }()
	return cmd
}

func (f *fleet) status(name string) api.Status {
	f.t.Helper()
	var all []api.Status
	require.NoError(f.t, json.Unmarshal([]byte(f.do("ps", "-o", "json")), &all))
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	require.Fail(f.t, "no machine", name)
	return api.Status{}
}

// ended waits for a machine's process.
func ended(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
		return cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		require.Fail(t, "the machine did not end")
		return 0
	}
}

// The life of machines as their user sees it.
func TestMachinesAreListedAndSteered(t *testing.T) {
	f := newFleet(t)
	assert.Equal(t, 1, strings.Count(f.do("ps"), "\n"), "the head alone")
	assert.Empty(t, f.do("ps", "-q"))
	web := f.start("web", "--cpus", "1", "--max-cpus", "3", "--memory", "128M", app(t, "moving"))
	s := f.status("web")
	assert.Equal(t, api.StateRunning, s.State)
	assert.Equal(t, [3]int{1, 1, 3}, [3]int{s.CPUs.Online, s.CPUs.Target, s.CPUs.Max})
	assert.Equal(t, web.Process.Pid, s.PID)
	assert.True(t, filepath.IsAbs(s.Image))
	assert.Regexp(t, `(?m)^[0-9a-f]{12}  web   running  1/3 +[0-9.]+M/128M +\d+s +moving(\.doze)?$`, f.do("ps"))

	assert.Contains(t, f.fails("run", "--vmm", "kvm", "--name", "web", app(t, "hello")), `name "web": another machine has that name`)
	assert.Contains(t, f.fails("pause", "nobody"), `no machine "nobody"`)

	f.do("cpus", "web", "3")
	assert.Equal(t, 3, f.status("web").CPUs.Online)
	assert.Contains(t, f.fails("cpus", s.ID[:6], "4"), "4 vCPUs: this machine can have 1 to 3")
	f.do("cpus", s.ID[:6], "1")
	assert.Equal(t, 1, f.status("web").CPUs.Online)

	f.do("balloon", "web", "64M")
	assert.LessOrEqual(t, f.status("web").Memory.Actual, uint64(64<<20))
	assert.Contains(t, f.fails("balloon", "web", "1G"), "a target of 1073741824 bytes: this machine can have")

	assert.Equal(t, "web\n", f.do("pause", "web"))
	assert.Equal(t, api.StatePaused, f.status("web").State)
	assert.Equal(t, "web\n", f.do("resume", "web"))
	assert.Equal(t, api.StateRunning, f.status("web").State)
	assert.Equal(t, "web\n", f.do("stop", "web"))
	assert.Equal(t, 0, ended(t, web), "the program ended well")
	assert.Empty(t, f.do("ps", "-q"))
	left, err := os.ReadDir(filepath.Join(f.dir, "doze"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestStopKillsWhoDoesNotEnd(t *testing.T) {
	f := newFleet(t)
	cmd := f.start("deaf", app(t, "signals"), "-stubborn")
	start := time.Now()
	f.do("stop", "-t", "0.5", "deaf")
	assert.GreaterOrEqual(t, time.Since(start), 500*time.Millisecond)
	assert.Equal(t, 128+int(syscall.SIGKILL), ended(t, cmd))
}

// The VMM that is killed leaves its socket, which nobody trips over.
func TestAKilledMachineIsForgotten(t *testing.T) {
	f := newFleet(t)
	cmd := f.start("gone", app(t, "moving"))
	require.NoError(t, cmd.Process.Kill())
	ended(t, cmd)
	assert.Empty(t, f.do("ps", "-q"))
	f.start("gone", app(t, "moving"))
	assert.NotEmpty(t, f.do("ps", "-q"))
}

func TestMetricsOfAMachine(t *testing.T) {
	f := newFleet(t)
	f.start("m", app(t, "paused"))
	c := f.client("m")
	time.Sleep(time.Second)
	body, err := c.Metrics(t.Context())
	require.NoError(t, err)
	defer body.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(body)
	require.NoError(t, err)
	for _, name := range []string{"exits_total", "vcpu_seconds_total", "memory_bytes", "guest_memory_bytes", "sleeps_total", "timer_lateness_seconds", "queue_requests_total"} {
		assert.Contains(t, families, "doze_"+name)
	}
	for _, m := range families["doze_timer_lateness_seconds"].Metric {
		assert.NotZero(t, m.Histogram.GetSampleCount(), "apps/paused has 200 timers")
	}
	n := 0
	enough := context.Canceled
	assert.ErrorIs(t, c.Watch(t.Context(), 200*time.Millisecond, func(s api.Stats) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	}), enough)
}

func (f *fleet) client(name string) *api.Client {
	return api.NewClient(filepath.Join(f.dir, "doze", f.status(name).ID+".sock"))
}

func TestTopAndStats(t *testing.T) {
	f := newFleet(t)
	f.start("busy", app(t, "moving"))
	f.start("quiet", app(t, "paused"), "-over", "1h")
	lines := strings.Split(strings.TrimSpace(f.do("top", "--sort", "name")), "\n")
	require.Len(t, lines, 3)
	for i, name := range []string{"NAME", "busy", "quiet"} {
		assert.Contains(t, lines[i], name)
		assert.LessOrEqual(t, len(lines[i]), 80)
	}
	assert.NotContains(t, strings.Join(lines, ""), "\x1b", "no control characters in a pipe")
	busy := regexp.MustCompile(`1/1 +(\d+\.\d)`).FindStringSubmatch(lines[1])
	require.NotNil(t, busy, lines[1])
	assert.NotEqual(t, "0.0", busy[1])
	text := f.do("stats", "quiet")
	assert.Regexp(t, `(?m)^quiet +1/1 +\d+\.\d\ds +\d+\.\d\ds +\d+\.\d\ds +[\d.]+M/128M +\d+ +\d+$`, text)
	assert.Contains(t, f.fails("top", "--sort", "x"), "use cpu, exits, memory, name, steal, wake-ups")
}

// Watching a machine that sleeps must not wake it.
func TestASleepingMachineIsNotWokenByWhoWatches(t *testing.T) {
	f := newFleet(t)
	f.start("asleep", app(t, "idle"))
	c := f.client("asleep")
	time.Sleep(time.Second)
	_, err := c.Stats(t.Context()) // the first one asks the guest for its memory
	require.NoError(t, err)
	time.Sleep(time.Second)
	before, err := c.Stats(t.Context())
	require.NoError(t, err)
	for range 10 {
		f.do("ps")
		f.do("stats")
		body, err := c.Metrics(t.Context())
		require.NoError(t, err)
		body.Close()
	}
	after, err := c.Stats(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before.Exits, after.Exits)
	assert.Equal(t, before.Sleeps, after.Sleeps)
	assert.Equal(t, before.CPUs.Each[0].Run, after.CPUs.Each[0].Run)
}

func TestProfileCommand(t *testing.T) {
	f := newFleet(t)
	f.start("hot", app(t, "moving"))
	out := filepath.Join(t.TempDir(), "p")
	said := f.do("profile", "-o", out, "--seconds", "2")
	assert.Contains(t, said, "machines 1, samples ")
	file, err := os.Open(out)
	require.NoError(t, err)
	defer file.Close()
	p, err := pprof.Parse(file)
	require.NoError(t, err)
	assert.Contains(t, p.String(), "main.compute")
	assert.Contains(t, f.fails("profile", "--seconds", "0"), "--seconds: 0 is out of range")
}

// A socket of one's own works with any HTTP client.
func TestTheAPIAtAPath(t *testing.T) {
	f := newFleet(t)
	socket := filepath.Join(f.dir, "s")
	cmd := f.start("own", "--api", socket, app(t, "paused"))
	assert.Empty(t, f.do("ps", "-q"))
	c := api.NewClient(socket)
	s, err := c.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "own", s.Name)
	info, err := os.Stat(socket)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	_, err = c.SetBalloon(t.Context(), 1)
	var refused *api.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, http.StatusBadRequest, refused.Status)
	assert.Equal(t, "target_bytes", refused.Field)
	_, err = c.Stop(t.Context(), "", time.Minute)
	require.NoError(t, err)
	assert.Equal(t, 0, ended(t, cmd))
	assert.NoFileExists(t, socket)
	assert.Contains(t, f.fails("run", "--api", "none", "--name", "x", app(t, "hello")), "a machine without an API has no name")
}
