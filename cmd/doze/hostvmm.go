package main

import (
	"context"
	"os"
	"sync"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// thisHost probes the machine that doze runs on.
type thisHost struct{}

func (thisHost) kvm() error { return probe() }

func (thisHost) qemuKVM(machine string) error { return probeQEMU(machine) }

// probe runs the two-instruction guest once.
var probe = sync.OnceValue(func() error {
	_, err := hostvmm.Probe()
	return err
})

func (thisHost) kvmOpen() error {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	return err
}

func runHostvmm(ctx context.Context, c vm.Config, attach ...func(*hostvmm.Machine) func()) (vm.Result, error) {
	noCollections()
	return hostvmm.Run(ctx, c, attach...)
}
