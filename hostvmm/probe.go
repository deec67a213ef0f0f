package hostvmm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/cpuid"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/probe"
	"github.com/doze-vm/doze/kernel/abi"
)

// Facts are what this host's KVM offers.
type Facts struct {
	Backend    string // kernel module behind it: kvm_intel, kvm_amd, kvm_pvm, or unknown
	APIVersion int
	// What can make a difference, in the order to print.
	Capabilities []Capability
	Guest        GuestFacts
	Boot         time.Duration // time to make a machine and run the probe in it
}

// Capability is a capability of KVM with its value, 0 if it is absent.
type Capability struct {
	Name  string
	Value int
}

// GuestFacts are what reaches a guest's ring 3 on this KVM.
type GuestFacts = probe.Facts

// Probe runs a small guest, the nucleus and a program in ring 3, and looks what of
// KVM's reaches it. The error says why this host's KVM can't be used.
func Probe() (Facts, error) {
	h, err := OpenHost()
	if err != nil {
		return Facts{}, err
	}
	defer h.Close()
	f := Facts{Backend: backend(), APIVersion: h.sys.APIVersion()}
	for _, c := range []struct {
		name string
		nr   int
	}{
		{"memory slots", kvm.CapNrMemSlots}, {"TSC-deadline timer", kvm.CapTSCDeadline},
		{"halt polling control", kvm.CapHaltPoll}, {"flags of KVM_GET_CLOCK", kvm.CapAdjustClock},
	} {
		f.Capabilities = append(f.Capabilities, Capability{c.name, h.sys.Check(c.nr)})
	}
	start := time.Now()
	if f.Guest, err = h.tryGuest(); err != nil {
		return f, fmt.Errorf("%s does not run guests: %w", kvm.Device, err)
	}
	f.Boot = time.Since(start)
	return f, nil
}

// backend finds the module behind /dev/kvm.
func backend() string {
	for _, name := range []string{"kvm_intel", "kvm_amd", "kvm_pvm"} {
		if _, err := os.Stat(filepath.Join("/sys/module", name)); err == nil {
			return name
		}
	}
	return "unknown"
}

// tryGuest boots the probe in the lowest 2 MiB.
func (h *Host) tryGuest() (GuestFacts, error) {
	mapping, mem, err := loader.MapMemory(abi.HugePageSize)
	if err != nil {
		return GuestFacts{}, err
	}
	defer unix.Munmap(mapping)
	probe.Write(mem, cpuid.KVMFeatures(h.cpuid))
	writeMachinePage(mem, h.cpuid)
	machine, err := buildVM(h, mem)
	if err != nil {
		return GuestFacts{}, err
	}
	defer machine.Close()
	cpu, err := machine.CreateVCPU(0)
	if err != nil {
		return GuestFacts{}, err
	}
	defer cpu.Close()
	if err := cpu.SetCPUID(h.cpuid); err != nil {
		return GuestFacts{}, err
	}
	if err := enter64(cpu, h.xcr0, abi.BlobBase+abi.Entry64, kvm.Regs{}); err != nil {
		return GuestFacts{}, err
	}
	if err := probeRun(cpu); err != nil {
		return GuestFacts{}, err
	}
	return probe.Read(mem, h.cpuid)
}

// probeLimit is how long the probe may take, on any host.
const probeLimit = 10 * time.Second

func probeRun(cpu *kvm.VCPU) error {
	late := time.AfterFunc(probeLimit, cpu.Kick)
	defer late.Stop()
	deadline := time.Now().Add(probeLimit)
	for {
		err := cpu.Run()
		switch {
		case errors.Is(err, kvm.ErrInterrupted) && time.Now().Before(deadline):
			continue
		case errors.Is(err, kvm.ErrInterrupted):
			return fmt.Errorf("the probe did not end within %v", probeLimit)
		case err != nil:
			return err
		case cpu.ExitReason() == kvm.ExitIO && cpu.IO().Port == abi.PortExit:
			return nil
		}
		return errors.New(cpu.DescribeExit())
	}
}
