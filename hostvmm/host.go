package hostvmm

import (
	"fmt"

	"github.com/doze-vm/doze/hostvmm/cpuid"
	"github.com/doze-vm/doze/hostvmm/kvm"
)

// Host is an open /dev/kvm with what is asked of it once.
type Host struct {
	sys   *kvm.System
	cpuid []kvm.CPUIDEntry // of vCPU 0
	xcr0  uint64
}

// OpenHost opens /dev/kvm.
func OpenHost() (*Host, error) {
	sys, err := kvm.Open()
	if err != nil {
		return nil, err
	}
	supported, err := sys.SupportedCPUID()
	if err != nil {
		sys.Close()
		return nil, err
	}
	h := &Host{sys: sys, xcr0: cpuid.XCR0(supported)}
	h.cpuid = cpuid.WithBrand(cpuid.Guest(supported, sys.Check(kvm.CapTSCDeadline) != 0), cpuid.HostBrand())
	if err := h.check(); err != nil {
		sys.Close()
		return nil, err
	}
	return h, nil
}

// Close closes /dev/kvm; machines live on.
func (h *Host) Close() error { return h.sys.Close() }

// needed are the capabilities without which no machine can run.
var needed = []struct {
	capability int
	name       string
}{
	{kvm.CapIRQChip, "an interrupt controller in the kernel"},
	{kvm.CapXcrs, "KVM_SET_XCRS"},
	{kvm.CapImmediateExit, "immediate_exit"},
}

func (h *Host) check() error {
	for _, n := range needed {
		if h.sys.Check(n.capability) == 0 {
			return fmt.Errorf("%s lacks %s: Linux 4.13 or newer is needed", kvm.Device, n.name)
		}
	}
	return nil
}
