package hostvmm

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/doze-vm/doze/drivers/pvclock"
	"github.com/doze-vm/doze/hostvmm/account"
	"github.com/doze-vm/doze/hostvmm/cpuid"
	"github.com/doze-vm/doze/hostvmm/device/virtio"
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
	account *account.VCPU
	sampled sampled
	ready   bool // it is made, and set to where it begins

	unfinished *virtio.MMIO // has more to do for the last access
}

// spares are vCPUs that the guest has not started yet, by number. What the host can
// refuse is done before the guest hears of them: a request for another vCPU can fail,
// a guest that starts one can't be told.
type spares struct {
	mu   sync.Mutex
	cpus map[int]*vcpu
}

// bootVCPUs makes the vCPUs that a machine boots with. The first one begins at entry
// with the registers given.
func (m *Machine) bootVCPUs(n int, entry uint64, r kvm.Regs) error {
	if err := m.makeVCPU(0, entry, r); err != nil {
		return err
	}
	m.cpus[0].Store(m.takeSpare(0))
	return m.makeVCPUs(n)
}

// makeVCPUs makes those of the first n vCPUs that the guest can start and that are not
// there yet.
func (m *Machine) makeVCPUs(n int) error {
	for i := 1; i < n; i++ {
		if err := m.makeVCPU(i, m.entryAP, kvm.Regs{RDI: uint64(i)}); err != nil {
			return err
		}
	}
	return nil
}

// makeVCPU makes spare vCPU n, or what is missing of it: the kernel makes each once,
// so that one that could not be completed is kept for the next try.
func (m *Machine) makeVCPU(n int, entry uint64, r kvm.Regs) error {
	s := &m.spares
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cpus[n]
	if m.cpus[n].Load() != nil || c != nil && c.ready {
		return nil
	}
	if c == nil {
		c = &vcpu{machine: m, number: n, account: account.New(m.stealArea(uint64(n)))}
		if s.cpus == nil {
			s.cpus = map[int]*vcpu{}
		}
		s.cpus[n] = c
	}
	if err := c.complete(entry, r); err != nil {
		return fmt.Errorf("vCPU %d: %w", n, err)
	}
	return nil
}

// takeSpare takes a vCPU that is ready to be started; nil if there is none.
func (m *Machine) takeSpare(n int) *vcpu {
	s := &m.spares
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cpus[n]
	if c == nil || !c.ready {
		return nil
	}
	delete(s.cpus, n)
	return c
}

// complete makes what there is not of a vCPU.
func (c *vcpu) complete(entry uint64, r kvm.Regs) (err error) {
	m, n := c.machine, c.number
	if c.sleeper == nil {
		wait := park.InPoller
		if m.ownThread {
			wait = park.OnThread
		}
		// The vCPU is there before anybody kicks it.
		if c.sleeper, err = park.New(m.shared(uint64(n)), park.Host{
			Now: m.now, Kick: func() { c.cpu.Kick() }, Interrupt: func() { _ = m.vm.Interrupt(uint8(n), abi.VectorKick) },
			Rest: c.rest, Resume: c.resume, Pause: func() { m.gate.wait() },
		}, wait); err != nil {
			return err
		}
	}
	if c.cpu == nil {
		if c.cpu, err = m.vm.CreateVCPU(n); err != nil {
			return err
		}
	}
	if err := c.cpu.SetCPUID(cpuid.WithAPICID(m.host.cpuid, uint32(n))); err != nil {
		return err
	}
	if err := c.enter(entry, r); err != nil {
		return err
	}
	c.ready = true
	return nil
}

// close frees what there is of the vCPU.
func (c *vcpu) close() error {
	var errs []error
	if c.sleeper != nil {
		errs = append(errs, c.sleeper.Close())
	}
	if c.cpu != nil {
		errs = append(errs, c.cpu.Close())
	}
	return errors.Join(errs...)
}

// closeVCPUs frees all, those that were never started too.
func (m *Machine) closeVCPUs() (errs []error) {
	for c := range m.vcpus() {
		errs = append(errs, c.close())
	}
	for _, c := range m.spares.cpus {
		errs = append(errs, c.close())
	}
	return errs
}

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

// startVCPU lets a further vCPU run, at the guest's request. The guest starts one after
// the other, each once, and none that it was not told of: an error is its fault.
func (m *Machine) startVCPU(n uint32) error {
	if n == 0 || uint64(n) >= uint64(len(m.cpus)) || m.cpus[n].Load() != nil {
		return fmt.Errorf("the guest starts vCPU %d of %d, or starts it twice", n, len(m.cpus))
	}
	c := m.takeSpare(int(n))
	if c == nil {
		return fmt.Errorf("the guest starts vCPU %d, which nobody asked for", n)
	}
	m.cpus[n].Store(c)
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
	c.account.Enter()
}

// rest gives the thread up: the vCPU sleeps, and others have work for it.
func (c *vcpu) rest() {
	c.account.Leave()
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
	t := c.account.Times()
	t.Parked = uint64(c.sleeper.Slept())
	return t
}

// stealArea is the struct kvm_steal_time of a vCPU, nil where KVM does not offer it.
func (m *Machine) stealArea(cpu uint64) []byte {
	if cpuid.KVMFeatures(m.host.cpuid)&abi.KVMSteal == 0 {
		return nil
	}
	at := abi.VCPUPage0 + cpu*abi.PageSize + abi.VCPUSteal
	return m.mem[at : at+pvclock.StealSize]
}
