package tests

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// vCPUs come and go under a load of everything, and nobody notices.
func TestVCPUsComeAndGo(t *testing.T) {
	steps, err := strconv.Atoi(long("200", "1000"))
	require.NoError(t, err)
	for _, idle := range []string{vm.IdlePark, vm.IdleHLT} {
		t.Run(idle, func(t *testing.T) {
			v := startHosted(t, vm.Config{Image: app(t, "moving"), Memory: 128 << 20, CPUs: 2, MaxCPUs: 8, Idle: idle})
			require.Equal(t, 2, v.CPUStatus().Online)
			n, changes := 2, 0
			for range steps {
				n = 1 + rand.IntN(8)
				require.NoError(t, v.SetCPUs(n), "to %d: %s", n, v.out)
				changes++
				s := v.CPUStatus()
				require.Equal(t, [3]int{n, n, 8}, [3]int{s.Online, s.Target, s.Max}, "%+v", s)
				time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
			}
			r := v.end(t)
			t.Log(r.stdout)
			require.Equal(t, 0, r.status, r.stdout)
			assert.Equal(t, n, r.number(t, "online"))
			assert.Equal(t, n, r.number(t, "target"))
			assert.Equal(t, 8, r.number(t, "max"))
			// On a crowded host it may get no CPU in the second that it has to answer.
			assert.InDelta(t, changes, r.number(t, "changes"), float64(changes)/10, "the program was asked")
		})
	}
}

func TestAProgramMayVeto(t *testing.T) {
	v := startHosted(t, vm.Config{Image: app(t, "moving"), Memory: 128 << 20, CPUs: 1, MaxCPUs: 4, Args: []string{"-veto", "3"}})
	require.NoError(t, v.SetCPUs(2))
	require.ErrorIs(t, v.SetCPUs(3), hostvmm.ErrVetoed)
	s := v.CPUStatus()
	assert.Equal(t, [2]int{2, 2}, [2]int{s.Online, s.Target})
	require.NoError(t, v.SetCPUs(4))
	require.ErrorContains(t, v.SetCPUs(5), "1 to 4")
	require.ErrorContains(t, v.SetCPUs(0), "1 to 4")
	r := v.end(t)
	require.Equal(t, 0, r.status, r.stdout)
}

func TestMoreVCPUsAreRefusedByQEMU(t *testing.T) {
	out, err := exec.Command(doze, "run", "--vmm", "qemu", "--cpus", "2", "--max-cpus", "4", app(t, "hello")).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "QEMU's machines keep those they boot with: give them that many at once, with --cpus, or use --vmm kvm")
}

// A vCPU that is away costs nothing, and has no share in what happens.
func TestAVCPUThatIsAwaySleeps(t *testing.T) {
	v := startHosted(t, vm.Config{Image: app(t, "moving"), Memory: 128 << 20, CPUs: 3})
	require.NoError(t, v.SetCPUs(1))
	away := func() (run uint64) {
		for _, c := range v.CPUStatus().Each[1:] {
			require.Equal(t, vm.CPUOffline, c.State)
			run += c.Run
		}
		return run
	}
	before := away()
	time.Sleep(2 * time.Second)
	// The last that a thread does is to go to sleep.
	assert.Less(t, time.Duration(away()-before), 5*time.Millisecond, "CPU time of vCPUs that are away")
	require.Equal(t, 0, v.end(t).status, fmt.Sprint(v.out))
}
