package density

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/fault"
	"github.com/doze-vm/doze/hostvmm/guesttest"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/kernel/abi"
)

const workerArg = "density-worker"

// fullEnv makes a worker find no room for more than fullMachines.
const (
	fullEnv      = "DOZE_TEST_FULL"
	fullMachines = 2
)

// fullAfter has the host find no room for a vCPU after n.
func fullAfter(n int32) (stop func()) {
	var made atomic.Int32
	return fault.Ask(func(step string) error {
		if step == "KVM_CREATE_VCPU" && made.Add(1) > n {
			return unix.ENOMEM
		}
		return nil
	})
}

// This binary is its own worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerArg {
		if os.Getenv(fullEnv) != "" {
			fullAfter(fullMachines)
		}
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// sleeper is a guest that sleeps for ever and takes what it is told.
func sleeper() []byte {
	c := new(guesttest.Code)
	start := c.Here()
	c.Store(abi.VCPUPage0+abi.ParkDue, abi.NoDeadline).Out8(abi.PortPark, 0)
	return c.Exchange0(abi.VCPUPage0 + abi.ParkPending).Jump(start).Bytes()
}

func options(t *testing.T, code []byte, n int) Options {
	exe, err := os.Executable()
	require.NoError(t, err)
	return Options{Image: guesttest.WriteImage(t, code), N: n, Duration: time.Second, Memory: 4 << 20,
		WorkerCommand: []string{exe, workerArg}}
}

func checkReport(t *testing.T, r Report, err error, n int) {
	t.Helper()
	require.NoError(t, err)
	require.NoError(t, r.Failed())
	require.Equal(t, n, r.Alive)
	require.Equal(t, n, r.Asleep)
	require.Equal(t, n, r.Answered)
	require.Zero(t, r.Wakeups)
	require.Zero(t, r.LeftBehind)
	require.NotEmpty(t, r.Parts)
	var table, text bytes.Buffer
	require.NoError(t, r.Table(&table))
	t.Log("\n" + table.String())
	require.NoError(t, r.JSON(&text))
	var back Report
	require.NoError(t, json.Unmarshal(text.Bytes(), &back))
	require.Equal(t, r, back)
}

func TestInThisProcess(t *testing.T) {
	guesttest.NeedKVM(t)
	r, err := Run(t.Context(), options(t, sleeper(), 5))
	checkReport(t, r, err, 5)
	require.Equal(t, 1, r.Processes)
}

func TestInWorkers(t *testing.T) {
	guesttest.NeedKVM(t)
	o := options(t, sleeper(), 5)
	o.PerWorker = 2
	r, err := Run(t.Context(), o)
	checkReport(t, r, err, 5)
	require.Equal(t, 4, r.Processes)
}

// A host that is full gives what it can, and the report says what it could not.
func TestAHostThatIsFull(t *testing.T) {
	guesttest.NeedKVM(t)
	for name, c := range map[string]struct{ n, perWorker, want int }{"here": {5, 5, 2}, "workers": {8, 4, 4}} {
		t.Run(name, func(t *testing.T) {
			o := options(t, sleeper(), c.n)
			o.PerWorker, o.Parallel = c.perWorker, 1
			if c.n > c.perWorker {
				t.Setenv(fullEnv, "1")
			} else {
				defer fullAfter(fullMachines)()
			}
			r, err := Run(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, []int{c.want, c.want, c.want, c.want}, []int{r.Started, r.Alive, r.Asleep, r.Answered})
			require.Zero(t, r.LeftBehind)
			require.Positive(t, r.HoldTime)
			for _, want := range []string{"KVM_CREATE_VCPU 0: cannot allocate memory", "holds 2:", "MiB available"} {
				require.ErrorContains(t, r.Failed(), want)
			}
			require.ErrorContains(t, r.Failed(), fmt.Sprintf("%d of %d machines could not be started", c.n-c.want, c.n))
			var table bytes.Buffer
			require.NoError(t, r.Table(&table))
			require.Contains(t, table.String(), "not started")
		})
	}
}

func TestAHostWithoutRoom(t *testing.T) {
	guesttest.NeedKVM(t)
	defer fullAfter(0)()
	_, err := Run(t.Context(), options(t, sleeper(), 3))
	require.ErrorContains(t, err, "KVM_CREATE_VCPU 0: cannot allocate memory")
}

// A worker that is killed takes its own machines with it, and no other's.
func TestAWorkerThatIsKilled(t *testing.T) {
	guesttest.NeedKVM(t)
	o := options(t, sleeper(), 6)
	o.PerWorker = 2
	o.Progress = func(text string) {
		if strings.HasPrefix(text, "holding") {
			require.NoError(t, unix.Kill(child(t), unix.SIGKILL))
		}
	}
	r, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, []int{6, 4, 4, 4}, []int{r.Started, r.Alive, r.Asleep, r.Answered})
	require.Zero(t, r.Wakeups)
	require.Len(t, r.Lost, 1)
	require.Regexp(t, `worker \d, which held 2 machines, ended at Measure: signal: killed`, r.Failed())
}

// child is a worker's process.
func child(t *testing.T) int {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	if len(lists) == 0 {
		t.Skip("this kernel lists no children (CONFIG_PROC_CHILDREN)")
	}
	for _, name := range lists {
		text, _ := os.ReadFile(name)
		if f := strings.Fields(string(text)); len(f) > 0 {
			pid, err := strconv.Atoi(f[0])
			require.NoError(t, err)
			return pid
		}
	}
	require.Fail(t, "no worker runs")
	return 0
}

func TestMachineThatEnds(t *testing.T) {
	guesttest.NeedKVM(t)
	code := new(guesttest.Code).Text(abi.PortControl, "exit 3\n").Out8(abi.PortExit, 0).Bytes()
	_, err := Run(t.Context(), options(t, code, 2))
	require.ErrorContains(t, err, "a machine ended before it slept: exit status 3")
}

func TestCancel(t *testing.T) {
	guesttest.NeedKVM(t)
	for name, perWorker := range map[string]int{"here": 10, "workers": 1} {
		t.Run(name, func(t *testing.T) {
			spin := new(guesttest.Code)
			o := options(t, spin.Jump(spin.Here()).Bytes(), 2)
			o.PerWorker = perWorker
			ctx, cancel := context.WithCancelCause(t.Context())
			stop := fmt.Errorf("stop it")
			time.AfterFunc(300*time.Millisecond, func() { cancel(stop) })
			_, err := Run(ctx, o)
			require.ErrorIs(t, err, stop)
		})
	}
}

func TestBadOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"0 instances":      {Duration: 1},
		"duration of 0s":   {N: 1},
		"251 instances ne": {N: 251, Duration: 1},
	} {
		_, err := Run(t.Context(), o)
		require.ErrorContains(t, err, want)
	}
	_, err := Run(t.Context(), Options{N: 1, Duration: 1, Image: "/nonexistent"})
	require.Error(t, err)
}

func TestReportOfLosses(t *testing.T) {
	r := Report{Instances: 3, Started: 3, Answered: 3}
	require.NoError(t, r.Failed())
	r.Answered = 2
	require.ErrorContains(t, r.Failed(), "1 of 3 machines did not answer")
	r.EndedEarly = []string{"exit status 1"}
	require.ErrorContains(t, r.Failed(), "1 of 3 machines ended early")
	require.ErrorContains(t, (&Report{LeftBehind: 2}).Failed(), "left behind")
	require.ErrorContains(t, (&Report{Instances: 3, Started: 2, NotStarted: []string{"why"}}).Failed(), "1 of 3 machines could not be started: why")
}

func TestDifference(t *testing.T) {
	total, most := difference([]uint64{5, 1, 9}, []uint64{6, 1, 20})
	require.EqualValues(t, 12, total)
	require.EqualValues(t, 11, most)
}

func TestCountPages(t *testing.T) {
	_, mem, err := loader.MapMemory(4 << 20)
	require.NoError(t, err)
	pagemap, err := os.Open("/proc/self/pagemap")
	require.NoError(t, err)
	defer pagemap.Close()
	_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE)
	count := map[string]int64{}
	mem[0x1000], mem[0x150000] = 1, 1
	mem[0x200000], mem[0x3ff000] = 1, 1
	shared, err := countPages(pagemap, mem, 0x500000, count)
	require.NoError(t, err)
	require.Zero(t, shared)
	require.Equal(t, map[string]int64{ownerTables: 2, ownerRAM: 2}, count)
	require.Equal(t, ownerData, owner(abi.ImageBase, 0x500000))
	require.Equal(t, ownerRAM, owner(0x500000, 0x500000))
}
