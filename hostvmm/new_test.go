package hostvmm

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/fault"
	"github.com/doze-vm/doze/hostvmm/guesttest"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// held is what this process has of its system: the targets of its descriptors, and
// its address space in KiB.
func held(t *testing.T) (descriptors []string, kib int) {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, n := range names {
		// The folder that is being read is gone.
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", n.Name())); err == nil {
			descriptors = append(descriptors, n.Name()+" "+target)
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(status), "VmSize:")
	kib, err = strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return descriptors, kib
}

// failAt makes the step of that number fail, counted from 0, and returns what steps
// there were.
func failAt(t *testing.T, n int, why error) (steps func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	stop := fault.Ask(func(step string) error {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, step)
		if len(seen)-1 == n {
			return why
		}
		return nil
	})
	return func() []string { stop(); return seen }
}

// Whatever step of making a machine fails, New says so, and nothing of it stays.
func TestNothingStaysOfAMachineThatCouldNotBeMade(t *testing.T) {
	guesttest.NeedKVM(t)
	// An address space that a leak of shows, whatever Go's heap does meanwhile.
	const memory, noise = 512 << 20, 128 << 10
	readOnly := guesttest.Segment{Addr: abi.ImageBase, Data: make([]byte, 4*abi.HugePageSize)}
	name := filepath.Join(t.TempDir(), "test.doze")
	require.NoError(t, os.WriteFile(name, guesttest.Image(end(new(guesttest.Code), "exit 0").Bytes(), readOnly), 0o600))
	im, err := loader.Open(name)
	require.NoError(t, err)
	defer im.Close()
	require.NoError(t, im.Share())
	h, err := OpenHost()
	require.NoError(t, err)
	defer h.Close()
	build := func(c vm.Config) (*Machine, error) {
		c.Image, c.Memory, c.CPUs = name, memory, 3
		return New(h, im, c, Options{})
	}
	steps := failAt(t, -1, nil)
	m, err := build(vm.Config{})
	all := steps()
	require.NoError(t, err)
	require.NoError(t, m.Close())
	for _, want := range []string{"mmap memory", "mmap image", "KVM_CREATE_VM", "KVM_SET_USER_MEMORY_REGION", "KVM_SET_TSS_ADDR",
		"KVM_CREATE_IRQCHIP", "timerfd_create", "KVM_CREATE_VCPU", "mmap kvm_run", "KVM_SET_CPUID2", "KVM_SET_SREGS", "KVM_SET_REGS"} {
		require.Contains(t, all, want)
	}
	descriptors, kib := held(t)
	unharmed := func(what string) {
		now, nowKiB := held(t)
		assert.Equal(t, descriptors, now, what)
		assert.Less(t, nowKiB-kib, noise, what)
	}
	for i, step := range all {
		steps := failAt(t, i, unix.ENOMEM)
		m, err := build(vm.Config{})
		steps()
		assert.Nil(t, m, step)
		assert.ErrorIs(t, err, unix.ENOMEM, "%d: %s", i, step)
		unharmed(step)
	}
	for what, c := range map[string]vm.Config{
		"a variable without a value": {Env: []string{"FOO"}},
		"too many arguments":         {Args: []string{strings.Repeat("x", 66_000)}},
		"a relative folder":          {Dir: "rel"},
		"more than there can be":     {MaxMemory: 1 << 50},
	} {
		m, err := build(c)
		assert.Nil(t, m, what)
		assert.Error(t, err, what)
		unharmed(what)
	}
}
