package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

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
	// instead is what the user should know: that it is not what they may think.
	instead string
}

// tell says on stderr what was chosen in place of what the user may think.
func (b backend) tell() {
	if b.instead != "" {
		warn(errors.New(b.instead))
	}
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
	kvm() error                   // Doze's own VMM runs a guest
	kvmOpen() error               // /dev/kvm can be opened
	qemuKVM(machine string) error // QEMU's KVM runs a guest in that machine
}

// lacksKVM says whether there is no /dev/kvm, or not for this user. Any other error is
// one that the user should hear of: with QEMU in its place nobody would.
func lacksKVM(h host) error {
	err := h.kvmOpen()
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.EACCES) {
		return err
	}
	return nil
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
		return f.qemu(h, "asked for").orSlow(), nil
	case vmmAuto:
	default:
		return backend{}, fmt.Errorf("--vmm %q: use %s, %s or %s", f.vmm, vmmAuto, vmmKVM, vmmQEMU)
	}
	if forQEMU {
		return f.qemu(h, "--machine and --accel belong to QEMU").orSlow(), nil
	}
	if err := lacksKVM(h); err != nil {
		b := f.qemu(h, err.Error())
		b.instead = fmt.Sprintf("QEMU emulates this machine, which has no API: %s", oneLine(err))
		return b.backend, nil
	}
	if err := h.kvm(); err != nil {
		return backend{}, fmt.Errorf("--vmm %s: %w: use --vmm %s, or see doze doctor", vmmAuto, err, vmmQEMU)
	}
	return backend{vmm: vmmKVM, why: "a probe guest runs on /dev/kvm"}, nil
}

// chosenQEMU is QEMU, and why it emulates if it does so unasked.
type chosenQEMU struct {
	backend
	slow error
}

// orSlow is the backend that says so if it emulates unasked.
func (c chosenQEMU) orSlow() backend {
	if c.slow != nil {
		c.instead = "QEMU emulates this machine: " + oneLine(c.slow) + " (--accel tcg asks for that, without this line)"
	}
	return c.backend
}

// qemu completes what the flags leave open: KVM where QEMU's own KVM runs a guest, else
// TCG. What Doze's own VMM makes of KVM says nothing about QEMU.
func (f backendFlags) qemu(h host, why string) chosenQEMU {
	o := qemu.Options{Machine: f.machine, Accel: f.accel}
	if o.Machine == "" {
		o.Machine = qemu.MicroVM
	}
	var slow error
	if o.Accel == "" {
		o.Accel = qemu.KVM
		if slow = h.kvmOpen(); slow == nil {
			slow = h.qemuKVM(o.Machine)
		}
		if slow != nil {
			o.Accel = qemu.TCG
		}
	}
	return chosenQEMU{backend{vmm: vmmQEMU, qemu: o, why: why}, slow}
}
