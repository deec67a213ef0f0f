package hostvmm

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/fault"
	"github.com/doze-vm/doze/hostvmm/guesttest"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// starter is a guest that starts vCPU 1 at its first event, whatever that is, and says
// that it did; vCPU 1 prints a letter.
func starter() *guesttest.Code {
	const apart = abi.EntryAP - abi.Entry64
	ap := new(guesttest.Code).Out8(abi.PortCOM1, 'A').Halt()
	c := new(guesttest.Code).Jump(apart + len(ap.Bytes())).Pad(apart).Append(ap)
	wait := c.Here()
	c.Store(abi.VCPUPage0+abi.ParkDue, abi.NoDeadline).Out8(abi.PortPark, 0).Exchange0(abi.VCPUPage0 + abi.ParkPending).JumpZero(wait)
	c.Out32(abi.PortStart, 1).
		Store32(abi.MachinePage+abi.MachineVerdict, abi.VerdictDone).
		Store32(abi.MachinePage+abi.MachineAnswers, 1)
	rest := c.Here()
	return c.Store(abi.VCPUPage0+abi.ParkDue, abi.NoDeadline).Out8(abi.PortPark, 0).Jump(rest)
}

// lockedBuffer is what a machine prints, while it runs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A host that has no room for another vCPU fails the request, not the machine; when
// there is room the same request succeeds.
func TestAVCPUThatTheHostRefuses(t *testing.T) {
	guesttest.NeedKVM(t)
	im, err := loader.Open(guesttest.WriteImage(t, starter().Bytes()))
	require.NoError(t, err)
	defer im.Close()
	h, err := OpenHost()
	require.NoError(t, err)
	defer h.Close()
	var out lockedBuffer
	m, err := New(h, im, vm.Config{Image: "test", Memory: testMemory, CPUs: 1, MaxCPUs: 2, Stdout: &out}, Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	stop := started(t, m)
	require.Eventually(t, m.Parked, limit, time.Millisecond)
	before := m.Stats().Park.Parks
	for _, step := range []string{"timerfd_create", "KVM_CREATE_VCPU", "mmap kvm_run", "KVM_SET_CPUID2", "KVM_SET_SREGS", "KVM_SET_REGS"} {
		end := fault.Ask(func(s string) error {
			if s == step {
				return unix.EMFILE
			}
			return nil
		})
		err := m.SetCPUs(2)
		end()
		require.ErrorIs(t, err, unix.EMFILE, step)
		require.ErrorContains(t, err, "the host has no room for another vCPU", step)
		require.True(t, m.Running(), step)
		require.Equal(t, before, m.Stats().Park.Parks, "%s: the guest was told", step)
	}
	require.NoError(t, m.SetCPUs(2))
	require.Eventually(t, func() bool { return out.String() == "A" }, limit, time.Millisecond)
	require.Equal(t, vm.Interrupted(t.Context()), stop().ExitCode)
}

// A guest that starts what it was not told of made the mistake itself.
func TestAVCPUThatNobodyAskedFor(t *testing.T) {
	guesttest.NeedKVM(t)
	res, _, _ := runCode(t, new(guesttest.Code).Out32(abi.PortStart, 1))
	require.Contains(t, res.Crash.Text, "starts vCPU 1 of 1, or starts it twice")
}
