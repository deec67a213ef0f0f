package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/qemu"
	"github.com/doze-vm/doze/hostvmm/vm"
)

const mib = 1 << 20

// mover is a machine that runs apps/balloon and whose memory can be moved from
// outside.
type mover struct {
	orders   io.Writer
	answers  *bufio.Scanner
	target   func(bytes uint64)
	actual   func() uint64        // bytes that it has now
	resident func() uint64        // bytes that the host has for it
	own      uint64               // bytes of these that may be the VMM's own, and grow with its work
	cost     func() time.Duration // CPU time that it took so far, or about
	vm       *hostvmm.Machine     // nil under QEMU
}

// order has the program do something and returns its answer.
func (m *mover) order(t *testing.T, text string) string {
	t.Helper()
	_, err := io.WriteString(m.orders, text+"\n")
	require.NoError(t, err)
	require.True(t, m.answers.Scan(), "the machine ended at %q", text)
	answer, ok := strings.CutPrefix(m.answers.Text(), text+": ")
	require.True(t, ok, "%s", m.answers.Text())
	return answer
}

// memory is what the program sees, in bytes.
func (m *mover) memory(t *testing.T) (total, free, limit uint64) {
	t.Helper()
	_, err := fmt.Sscanf(m.order(t, "memory"), "MemTotal=%d MemFree=%d limit=%d", &total, &free, &limit)
	require.NoError(t, err)
	return total << 10, free << 10, limit << 10
}

// small has the program use a little and drop it, and returns the resident size then.
func (m *mover) small(t *testing.T) (before uint64) {
	t.Helper()
	m.order(t, "use 1")
	m.order(t, "drop")
	return m.resident()
}

// awaitSmall waits until the host has back what the program has used since.
func (m *mover) awaitSmall(t *testing.T, before uint64) {
	t.Helper()
	bound := before + before/10 + m.own
	await(t, "resident size within 10 % of before", func() bool { return m.resident() <= bound })
}

// await looks until it is so, far longer than it should take.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	start := time.Now()
	for !so() {
		require.Less(t, time.Since(start), time.Minute, what)
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("%s: after %v", what, time.Since(start).Round(time.Millisecond))
}

// onMovers runs a test on each machine with a balloon.
func onMovers(t *testing.T, memory uint64, cpus int, test func(t *testing.T, m *mover)) {
	ran := false
	for _, c := range []struct {
		name, tier, missing string
		start               func(t *testing.T, memory, most uint64, cpus int) *mover
	}{
		{"kvm", "kvm", needsKVM(), startKVM},
		{"microvm", "qemu", needsQEMU(), startTCG},
		{"microvm-kvm", "kvm", needsQEMUWithKVM(qemu.MicroVM), startQEMUWithKVM},
	} {
		if tier := os.Getenv("DOZE_TIER"); c.missing != "" || tier != "" && tier != c.tier {
			continue
		}
		ran = true
		t.Run(c.name, func(t *testing.T) { test(t, c.start(t, memory, 0, cpus)) })
	}
	if !ran {
		t.Skip("neither KVM nor QEMU for this tier")
	}
}

// startKVM runs the program in a machine of this process.
func startKVM(t *testing.T, memory, most uint64, cpus int) *mover {
	im, err := loader.Open(app(t, "balloon"))
	require.NoError(t, err)
	defer im.Close()
	host, err := hostvmm.OpenHost()
	require.NoError(t, err)
	_ = im.Share()
	in, orders, err := os.Pipe()
	require.NoError(t, err)
	answers, out := io.Pipe()
	m, err := hostvmm.New(host, im, vm.Config{Image: "balloon", Memory: memory, MaxMemory: most, CPUs: cpus,
		Stdin: in, Stdout: out, Stderr: out}, hostvmm.Options{SmallPages: true})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := m.Run(ctx)
		out.Close()
		ended <- err
	}()
	t.Cleanup(func() {
		go io.Copy(io.Discard, answers)
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, m.Close())
		in.Close()
		orders.Close()
		host.Close()
	})
	r := &mover{orders: orders, answers: bufio.NewScanner(answers), vm: m}
	r.target = func(bytes uint64) { require.NoError(t, m.SetBalloon(bytes)) }
	r.actual = func() uint64 { return m.MemoryStatus().Actual }
	r.resident = func() uint64 { return m.MemoryStatus().Resident }
	r.cost = func() time.Duration { return time.Duration(m.Stats().Wakeups()) * 20 * time.Millisecond }
	r.begin(t)
	return r
}

func (m *mover) begin(t *testing.T) {
	require.True(t, m.answers.Scan())
	require.Equal(t, "ready", m.answers.Text())
}

func startTCG(t *testing.T, memory, _ uint64, cpus int) *mover {
	return startQEMU(t, memory, cpus, "tcg")
}

// startQEMUWithKVM is for a balloon that is served beside the vCPUs: under TCG it is
// done when its doorbell returns.
func startQEMUWithKVM(t *testing.T, memory, _ uint64, cpus int) *mover {
	return startQEMU(t, memory, cpus, "kvm")
}

// startQEMU runs the program under `doze run`, and speaks QMP with its QEMU: doze
// starts a script in its place, which knows where.
func startQEMU(t *testing.T, memory uint64, cpus int, accel string) *mover {
	dir := t.TempDir()
	real, err := exec.LookPath("qemu-system-x86_64")
	require.NoError(t, err)
	script := fmt.Sprintf("#!/bin/sh\necho $$ >%[2]s/pid\nexec %[1]s -qmp unix:%[2]s/qmp,server=on,wait=off \"$@\"\n", real, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "qemu-system-x86_64"), []byte(script), 0o700))

	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, doze, "run", "--vmm", "qemu", "--machine", "microvm", "--accel", accel,
		"--memory", fmt.Sprintf("%dM", memory/mib), "--cpus", strconv.Itoa(cpus), app(t, "balloon"))
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stderr = os.Stderr
	orders, err := cmd.StdinPipe()
	require.NoError(t, err)
	answers, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	r := &mover{orders: orders, answers: bufio.NewScanner(answers)}
	r.begin(t)
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	require.NoError(t, err)
	proc := "/proc/" + strings.TrimSpace(string(pid))
	q := dialQMP(t, filepath.Join(dir, "qmp"))
	r.target = func(bytes uint64) { q.call(t, "balloon", map[string]any{"value": bytes}, nil) }
	r.actual = func() uint64 {
		var info struct{ Actual uint64 }
		q.call(t, "query-balloon", nil, &info)
		return info.Actual
	}
	r.own = 8 * mib
	r.resident = func() uint64 { // without the pages of QEMU's program file
		_, rest, _ := strings.Cut(read(t, proc+"/status"), "\nRssAnon:")
		kib, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
		require.NoError(t, err)
		return kib << 10
	}
	r.cost = func() time.Duration {
		_, rest, _ := strings.Cut(read(t, proc+"/stat"), ") ")
		fields := strings.Fields(rest) // from the state on, field 3 of proc(5)
		sum := 0
		for _, f := range fields[11:13] {
			n, err := strconv.Atoi(f)
			require.NoError(t, err)
			sum += n
		}
		return time.Duration(sum) * time.Second / 100
	}
	return r
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// qmp is a connection to QEMU's monitor (QEMU docs/interop/qmp-spec.txt).
type qmp struct {
	out *json.Encoder
	in  *json.Decoder
}

func dialQMP(t *testing.T, socket string) *qmp {
	t.Helper()
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(limit)))
	q := &qmp{out: json.NewEncoder(c), in: json.NewDecoder(c)}
	var greeting map[string]any
	require.NoError(t, q.in.Decode(&greeting))
	q.call(t, "qmp_capabilities", nil, nil)
	return q
}

// call executes a command and decodes what it returns.
func (q *qmp) call(t *testing.T, command string, args map[string]any, into any) {
	t.Helper()
	request := map[string]any{"execute": command}
	if args != nil {
		request["arguments"] = args
	}
	require.NoError(t, q.out.Encode(request))
	for {
		var answer struct {
			Return json.RawMessage
			Error  json.RawMessage
		}
		require.NoError(t, q.in.Decode(&answer))
		require.Nil(t, answer.Error, "%s: %s", command, answer.Error)
		if answer.Return == nil {
			continue // an event
		}
		if into != nil {
			require.NoError(t, json.Unmarshal(answer.Return, into))
		}
		return
	}
}
