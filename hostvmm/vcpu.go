package hostvmm

import (
	"errors"
	"fmt"
	"iter"
	"runtime"

	"github.com/doze-vm/doze/hostvmm/device"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/hostvmm/park"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// vcpu is one vCPU of a machine and the goroutine that runs it.
type vcpu struct {
	machine *Machine
	number  int
	cpu     *kvm.VCPU
	sleeper *park.Sleeper
	account *account
	probe   probe

	unfinished *device.MMIO // has more to do for the last access
}

// addVCPU makes vCPU n.
func (m *Machine) addVCPU(n int) (*vcpu, error) {
	cpu, err := m.vm.CreateVCPU(n)
	if err != nil {
		return nil, err
	}
	c := &vcpu{machine: m, number: n, cpu: cpu, account: newAccount(m, uint64(n))}
	if err := cpu.SetCPUID(withAPICID(m.host.cpuid, uint32(n))); err != nil {
		cpu.Close()
		return nil, err
	}
	wait := park.InPoller
	if m.ownThread {
		wait = park.OnThread
	}
	c.sleeper, err = park.New(m.shared(uint64(n)), park.Host{
		Now: m.now, Kick: cpu.Kick, Interrupt: func() { _ = m.vm.Interrupt(uint8(n), abi.VectorKick) },
		Rest: c.rest, Resume: c.resume, Pause: func() { m.gate.wait() },
	}, wait)
	if err != nil {
		cpu.Close()
		return nil, err
	}
	m.cpus[n].Store(c)
	return c, nil
}

func (c *vcpu) close() error { return errors.Join(c.sleeper.Close(), c.cpu.Close()) }

// vcpus are those there are, the first one first.
func (m *Machine) vcpus() iter.Seq[*vcpu] {
	return func(yield func(*vcpu) bool) {
		for i := range m.cpus {
			if c := m.cpus[i].Load(); c != nil && !yield(c) {
				return
			}
		}
	}
}

// startVCPU makes a further vCPU and lets it run, at the guest's request. The guest
// starts one after the other, each once.
func (m *Machine) startVCPU(n uint32) error {
	if n == 0 || uint64(n) >= uint64(len(m.cpus)) || m.cpus[n].Load() != nil {
		return fmt.Errorf("the guest starts vCPU %d of %d, or starts it twice", n, len(m.cpus))
	}
	c, err := m.addVCPU(int(n))
	if err != nil {
		return err
	}
	if err := c.enter(m.entryAP, kvm.Regs{RDI: uint64(n)}); err != nil {
		return err
	}
	if m.stopping.Load() { // stop may have passed before it was there
		c.sleeper.Request(park.Stop)
	}
	if m.Paused() { // so may Pause
		c.sleeper.Request(park.Pause)
	}
	m.threads.Go(c.run)
	return nil
}

// enter sets the vCPU to an entry of the blob.
func (c *vcpu) enter(entry uint64, r kvm.Regs) error {
	return enter64(c.cpu, c.machine.host.xcr0, entry, r)
}

// resume makes the thread that the goroutine is on the vCPU's.
func (c *vcpu) resume() {
	runtime.LockOSThread()
	c.account.enter()
}

// rest gives the thread up: the vCPU sleeps, and others have work for it.
func (c *vcpu) rest() {
	c.account.leave()
	runtime.UnlockOSThread()
}

// run runs the vCPU until the machine ends, and ends the others with it.
func (c *vcpu) run() {
	c.resume()
	why := c.serve()
	c.rest()
	select {
	case c.machine.ends <- why:
	default: // another one was first
	}
	c.machine.stop()
}

// kernelStats adds up KVM's own counters over the vCPUs; nil on kernels that do
// not tell.
func (m *Machine) kernelStats() map[string]uint64 {
	var sum map[string]uint64
	for c := range m.vcpus() {
		one, err := c.cpu.Stats(kernelNames)
		if err != nil {
			return nil
		}
		if sum == nil {
			sum = one
			continue
		}
		for name, v := range one {
			sum[name] += v
		}
	}
	return sum
}

// times is where the vCPU's time went.
func (c *vcpu) times() vm.CPU {
	t := c.account.times()
	t.Parked = uint64(c.sleeper.Slept())
	return t
}
