package tests

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/qemu"

	"github.com/doze-vm/doze/ci/onecpu"
)

// reading is a line of apps/steal, in seconds since its first one.
type reading struct {
	Passed  float64 `json:"passed"`
	Run     float64 `json:"run"`
	Idle    float64 `json:"idle"`
	Steal   float64 `json:"steal"`
	CPUs    int     `json:"cpus"`
	Rusage  float64 `json:"rusage"`
	Clock   float64 `json:"process_clock"`
	PSUser  float64 `json:"gopsutil_user"`
	PSIdle  float64 `json:"gopsutil_idle"`
	PSSteal float64 `json:"gopsutil_steal"`
	PSSelf  float64 `json:"gopsutil_process"`
	Offered bool    `json:"offered"`
}

// near is how far readings of one moment may be apart: /proc counts hundredths of a
// second, and a busy host lets time pass between two questions.
const near = 0.25

// agree requires that all ways to ask say the same, and that the account adds up.
func (r reading) agree(t *testing.T) {
	t.Helper()
	assert.InDelta(t, r.Passed*float64(r.CPUs), r.Run+r.Idle+r.Steal, near, "run, idle and steal add up to the time that passed")
	for name, v := range map[string]float64{"getrusage": r.Rusage, "the process clock": r.Clock, "gopsutil's user time": r.PSUser, "gopsutil's process time": r.PSSelf} {
		assert.InDelta(t, r.Run, v, near, name)
	}
	assert.InDelta(t, r.Idle, r.PSIdle, near, "gopsutil's idle time")
	assert.InDelta(t, r.Steal, r.PSSteal, near, "gopsutil's steal time")
}

func TestTimeIsAccountedWhole(t *testing.T) {
	var alone sync.Mutex // two machines at a time would steal from each other
	for _, c := range []struct{ cpus, busy int }{{1, 0}, {1, 1}, {2, 1}, {2, 3}} {
		t.Run(fmt.Sprintf("%d busy of %d", c.busy, c.cpus), func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				alone.Lock()
				defer alone.Unlock()
				idle := hostIdle(t)
				r := m.run(t, "--cpus", fmt.Sprint(c.cpus), app(t, "steal"), "-busy", fmt.Sprint(c.busy), "-for", "3s")
				r.ok(t)
				t.Log(r.stdout)
				var got reading
				require.NoError(t, json.Unmarshal([]byte(r.stdout), &got))
				got.agree(t)
				assert.Equal(t, c.cpus, got.CPUs)
				busy := float64(min(c.busy, c.cpus))
				assert.LessOrEqual(t, got.Run, busy*got.Passed+near)
				// A loop is never idle. A vCPU with little to do is stolen from, too, but only
				// where the host is busy: there it waits for its turn each time.
				assert.GreaterOrEqual(t, got.Run+got.Steal, 0.9*busy*got.Passed-near)
				if idle = hostIdle(t) - idle; idle > got.Passed/2 {
					assert.LessOrEqual(t, got.Run+got.Steal, busy*got.Passed+0.1*got.Passed+near)
				}
				t.Logf("the host's CPUs were idle for %.1f s", idle)
			})
		})
	}
}

// hostIdle is how long the host's CPUs were idle since it started, in seconds.
func hostIdle(t *testing.T) float64 {
	t.Helper()
	times, err := cpu.Times(false)
	require.NoError(t, err)
	return times[0].Idle
}

// With competitors for its physical CPU a guest is told what they take, as the
// kernel of the host counts it for the thread that runs the vCPU, and what it pays
// for is what it had.
func TestStolenTimeIsTheHosts(t *testing.T) {
	length := long("10s", "30s")
	for _, competitors := range []int{1, 2, 3} {
		t.Run(fmt.Sprintf("%d competitors", competitors), func(t *testing.T) {
			onEachKVM(t, func(t *testing.T, m machine) {
				if competitors > 1 && m.name != "kvm-park" && os.Getenv("DOZE_LONG") != "1" {
					t.Skip("one competitor shows it here; DOZE_LONG=1 has all")
				}
				s := startSteal(t, m, length)
				for range competitors {
					spin(t)
				}
				// The two sides are not asked at the same moment, so what the host counted is
				// scaled to the guest's time: shares have to be steady from the first reading.
				for range 2 {
					r, _ := s.next(t)
					require.NotNil(t, r)
				}
				first, hostFirst := s.next(t)
				last, hostLast := first, hostFirst
				for r, h := s.next(t); r != nil; r, h = s.next(t) {
					if h.thread == hostFirst.thread { // it ends with the guest, right after the last line
						last, hostLast = r, h
					}
				}
				require.True(t, last.Offered)
				last.agree(t)
				steal, clock := last.Steal-first.Steal, last.Clock-first.Clock
				scale := (last.Passed - first.Passed) / (hostLast.cpu + hostLast.delay - hostFirst.cpu - hostFirst.delay)
				hostSteal, hostCPU := (hostLast.delay-hostFirst.delay)*scale, (hostLast.cpu-hostFirst.cpu)*scale
				t.Logf("steal: guest %.3f s, host %.3f s; CPU time: guest %.3f s, host %.3f s; billed by the clock it would be %.2f times as much",
					steal, hostSteal, clock, hostCPU, (last.Passed-first.Passed)/hostCPU)
				more := onOneCPU
				if m.name == "qemu" {
					more *= 3 // its vCPU waits for QEMU's other threads, too, and no host books that
				}
				assert.InDelta(t, hostSteal, steal, math.Max(0.010, 0.01*hostSteal)+more, "steal")
				assert.InDelta(t, hostCPU, clock, 0.02*hostCPU+more, "CPU time")
			})
		})
	}
}

// onOneCPU, seconds, is for what the asking itself takes of the one CPU, while the
// guest's line is on its way.
const onOneCPU = 0.05

func TestTwoGuestsOnOneCPU(t *testing.T) {
	length := long("10s", "30s")
	onEachKVM(t, func(t *testing.T, m machine) {
		two := []*stealing{startSteal(t, m, length), startSteal(t, m, length)}
		var both sync.WaitGroup
		var shares, waited [2]float64 // of the time: stolen as the guest says, and as the host does
		for i, s := range two {
			both.Go(func() {
				first, hostFirst := s.next(t)
				last, hostLast := first, hostFirst
				for r, h := s.next(t); r != nil; r, h = s.next(t) {
					if h.thread == hostFirst.thread { // it ends with the guest, right after the last line
						last, hostLast = r, h
					}
				}
				if assert.NotNil(t, last) {
					shares[i] = (last.Steal - first.Steal) / (last.Passed - first.Passed)
					delay, cpu := hostLast.delay-hostFirst.delay, hostLast.cpu-hostFirst.cpu
					waited[i] = delay / (delay + cpu)
				}
			})
		}
		both.Wait()
		t.Logf("stolen: %.1f %% and %.1f %%; the host says %.1f %% and %.1f %%",
			100*shares[0], 100*shares[1], 100*waited[0], 100*waited[1])
		for i := range shares {
			// Each has half of the CPU, less what others on the host want of it.
			assert.Greater(t, shares[i], 0.45)
			if m.name != "qemu" { // whose vCPU waits for QEMU's other threads, too, and no host books that
				assert.InDelta(t, waited[i], shares[i], 0.05)
			}
		}
	})
}

// onEachKVM is onEach for what TCG can't have, one machine after the other: they
// would be each other's competitors.
func onEachKVM(t *testing.T, test func(t *testing.T, m machine)) {
	if tier := os.Getenv("DOZE_TIER"); tier != "" && tier != "kvm" {
		t.Skip("emulation steals no time")
	}
	if why := needsKVM(); why != "" {
		t.Skip(why)
	}
	for _, m := range all {
		if m.tier == "kvm" {
			t.Run(m.name, func(t *testing.T) { test(t, m) })
		}
	}
	t.Run("qemu", func(t *testing.T) {
		if why := needsQEMUWithKVM(qemu.MicroVM); why != "" {
			t.Skip(why)
		}
		test(t, machine{"qemu", "kvm", []string{"--vmm", "qemu", "--accel", "kvm"}, needsQEMU})
	})
}

// stealing is a machine with apps/steal on one physical CPU.
type stealing struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startSteal(t *testing.T, m machine, length string) *stealing {
	t.Helper()
	cmd := exec.Command(doze, slices.Concat([]string{"run"}, m.flags, []string{app(t, "steal"), "-busy", "1", "-every", "1s", "-for", length})...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	startPinned(t, cmd)
	return &stealing{cmd, bufio.NewScanner(out)}
}

// startPinned starts a command on the first physical CPU there is.
func startPinned(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	onFirstCPU(t, func() { require.NoError(t, cmd.Start()) })
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// onFirstCPU calls f on the first physical CPU there is; what f starts stays there.
func onFirstCPU(t *testing.T, f func()) {
	t.Helper()
	require.NoError(t, onecpu.First(f))
}

// spin starts a process that does nothing but take CPU time.
func spin(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), spinVariable+"=1")
	startPinned(t, cmd)
}

// spinVariable makes this program a competitor.
const spinVariable = "DOZE_TEST_SPIN"

func spinForever() {
	runtime.GOMAXPROCS(1)
	for start := time.Now(); time.Since(start) < 10*time.Minute; {
	}
}

// scheduled is what the host counted for the thread that runs the vCPU, s.
type scheduled struct {
	thread     string
	cpu, delay float64
}

// next waits for the guest's next line and asks the host then; nil at its end.
func (s *stealing) next(t *testing.T) (*reading, scheduled) {
	t.Helper()
	if !s.lines.Scan() {
		return nil, scheduled{}
	}
	host := busiest(s.cmd.Process.Pid)
	r := new(reading)
	if err := json.Unmarshal(s.lines.Bytes(), r); err != nil {
		t.Errorf("line %q: %v", s.lines.Text(), err)
		return nil, host
	}
	return r, host
}

// busiest is the thread with the most CPU time of a process and its children: the
// vCPU's.
func busiest(pid int) (most scheduled) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f) // a thread may have ended
		var cpu, delay float64
		if n, _ := fmt.Sscan(strings.TrimSpace(string(text)), &cpu, &delay); n == 2 && cpu > most.cpu*1e9 {
			most = scheduled{f, cpu / 1e9, delay / 1e9}
		}
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range lists {
		text, _ := os.ReadFile(f)
		for _, child := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				if b := busiest(n); b.cpu > most.cpu {
					most = b
				}
			}
		}
	}
	return most
}
