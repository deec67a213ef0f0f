package main

import (
	"context"
	"fmt"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/qemu"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/spf13/pflag"
)

// Values of --vmm.
const (
	vmmAuto = "auto"
	vmmKVM  = "kvm"
	vmmQEMU = "qemu"
)

// backendFlags say what runs the machine.
type backendFlags struct{ vmm, machine, accel string }

func (f *backendFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.vmm, "vmm", vmmAuto, "what runs the machine: kvm (Doze's own VMM), qemu, or auto")
	flags.StringVar(&f.machine, "machine", "", "QEMU's machine: microvm or q35")
	flags.StringVar(&f.accel, "accel", "", "QEMU's accelerator: kvm or tcg")
}

// backend is a chosen way to run a machine, and why it was chosen.
type backend struct {
	vmm  string
	qemu qemu.Options
	why  string
}

// run runs a machine. attach is for Doze's own VMM.
func (b backend) run(ctx context.Context, c vm.Config, attach ...func(*hostvmm.Machine) func()) (vm.Result, error) {
	if b.vmm == vmmKVM {
		return runHostvmm(ctx, c, attach...)
	}
	return qemu.Run(ctx, c, b.qemu)
}

func (b backend) String() string {
	if b.vmm == vmmKVM {
		return "kvm"
	}
	return fmt.Sprintf("qemu --machine %s --accel %s", b.qemu.Machine, b.qemu.Accel)
}

func (f backendFlags) choose() (backend, error) { return f.chooseOn(thisHost{}) }

// host answers what this machine offers; nil means usable.
type host interface {
	kvm() error     // Doze's own VMM runs a guest
	kvmOpen() error // /dev/kvm can be opened
}

// chooseOn applies the flags to what the host offers. Flags that only QEMU has
// choose QEMU.
func (f backendFlags) chooseOn(h host) (backend, error) {
	forQEMU := f.machine != "" || f.accel != ""
	switch f.vmm {
	case vmmKVM:
		if forQEMU {
			return backend{}, fmt.Errorf("--machine and --accel belong to QEMU: use --vmm qemu")
		}
		if err := h.kvm(); err != nil {
			return backend{}, fmt.Errorf("--vmm kvm: %w: use --vmm qemu, or see doze doctor", err)
		}
		return backend{vmm: vmmKVM, why: "asked for"}, nil
	case vmmQEMU:
		return f.qemu(h, "asked for"), nil
	case vmmAuto:
	default:
		return backend{}, fmt.Errorf("--vmm %q: use %s, %s or %s", f.vmm, vmmAuto, vmmKVM, vmmQEMU)
	}
	if forQEMU {
		return f.qemu(h, "--machine and --accel belong to QEMU"), nil
	}
	err := h.kvm()
	if err == nil {
		return backend{vmm: vmmKVM, why: "a probe guest runs on /dev/kvm"}, nil
	}
	return f.qemu(h, err.Error()), nil
}

// qemu completes what the flags leave open: KVM where Doze's own probe runs on
// it or at least a machine may, else TCG.
func (f backendFlags) qemu(h host, why string) backend {
	o := qemu.Options{Machine: f.machine, Accel: f.accel}
	if o.Machine == "" {
		o.Machine = qemu.MicroVM
	}
	if o.Accel == "" {
		o.Accel = qemu.TCG
		if h.kvmOpen() == nil && h.kvm() == nil {
			o.Accel = qemu.KVM
		}
	}
	return backend{vmm: vmmQEMU, qemu: o, why: why}
}
