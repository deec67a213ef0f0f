package hostvmm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/clock"
	"github.com/doze-vm/doze/hostvmm/cmdline"
	"github.com/doze-vm/doze/hostvmm/control"
	"github.com/doze-vm/doze/hostvmm/device/balloon"
	"github.com/doze-vm/doze/hostvmm/device/console"
	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/park"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// balloonIndex is the balloon's place among the devices: behind the consoles.
const balloonIndex = 2

// firstGSI is the interrupt line of the first device; those below belong to PCs.
const firstGSI = 5

// Machine is a virtual machine.
type Machine struct {
	host         *Host
	ownThread    bool
	mapping, mem []byte // mem is what the machine booted with
	ram          memory
	vm           *kvm.VM
	entryAP      uint64
	clock        *clock.Wall
	stats        counters
	running      atomic.Bool
	ended        atomic.Bool
	stopping     atomic.Bool
	gate         gate
	hotplug      hotplug
	sampling     sampling

	// The first vCPU is there from the beginning, the others from when the guest
	// starts them: cpus[i] is written once, before it is seen.
	cpus    []atomic.Pointer[vcpu]
	spares  spares
	threads sync.WaitGroup // of the further vCPUs
	ends    chan error     // why the first vCPU that ended did

	io       sync.Mutex // what follows: one goroutine at a time, and never while it waits for the host
	devices  []*virtio.MMIO
	consoles [2]*console.Console // standard output and error, two of them
	balloon  *balloon.Balloon    // one of them
	control  control.Parser
	closed   bool // neither input nor output any more: the memory may go

	printing printing
	input    input
}

// Options are for those who run many machines.
type Options struct {
	// SmallPages keeps the host from backing the machine's memory with huge pages,
	// and from backing any before it is touched. Booting takes more page faults
	// then, but a machine that touches little memory costs what it touches.
	SmallPages bool
	// OwnThread is for a Run that is called on a locked thread: sleeping blocks it.
	OwnThread bool
}

// New makes a machine that is ready to run. The image may be closed afterwards. If it
// fails nothing of the machine is left.
func New(h *Host, im *loader.Image, c vm.Config, o Options) (*Machine, error) {
	if err := checkConfig(im, c); err != nil {
		return nil, err
	}
	m := &Machine{
		host: h, ownThread: o.OwnThread, entryAP: im.EntryAP(),
		input: input{from: c.Stdin, signals: c.Signals},
		cpus:  make([]atomic.Pointer[vcpu], max(c.CPUs, c.MaxCPUs, 1)), ends: make(chan error, 1), gate: newGate(),
		sampling: sampling{ended: make(chan struct{})},
	}
	if err := m.build(im, c, o); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// build makes all that a machine is made of. Close frees what there is of it, whichever
// step failed.
func (m *Machine) build(im *loader.Image, c vm.Config, o Options) error {
	if err := m.newMemory(im, c); err != nil {
		return err
	}
	if o.SmallPages {
		_ = unix.Madvise(m.mapping, unix.MADV_NOHUGEPAGE) // fails where there are none
	}
	if err := im.Load(m.mem); err != nil {
		return err
	}
	writeMachinePage(m.mem, m.host.cpuid)
	if !o.SmallPages {
		warm(m.mem, im)
	}
	startInfo, err := m.startInfo(c)
	if err != nil {
		return err
	}
	if m.vm, err = buildVM(m.host, m.mem); err != nil {
		return err
	}
	if err := m.bootVCPUs(max(c.CPUs, 1), im.Entry64(), kvm.Regs{RBX: startInfo}); err != nil {
		return err
	}
	m.hotplug.target.Store(int32(max(c.CPUs, 1)))
	m.clock = clock.New(m.mem, m.vm, func() bool { return m.Parked() || m.Paused() })
	return nil
}

func checkConfig(im *loader.Image, c vm.Config) error {
	switch {
	case max(c.CPUs, c.MaxCPUs) > abi.MaxVCPUs:
		return fmt.Errorf("%d vCPUs: at most %d", max(c.CPUs, c.MaxCPUs), abi.MaxVCPUs)
	case c.MaxCPUs != 0 && c.MaxCPUs < c.CPUs:
		return fmt.Errorf("%d vCPUs of at most %d", c.CPUs, c.MaxCPUs)
	case c.Memory > loader.MaxMemory:
		return fmt.Errorf("memory of %d MiB: at most %d MiB fit below the devices", c.Memory>>20, uint64(loader.MaxMemory)>>20)
	case c.Memory%abi.PageSize != 0:
		return fmt.Errorf("memory of %d bytes: give a multiple of %d", c.Memory, abi.PageSize)
	case c.MaxMemory == 0:
	case c.MaxMemory > loader.MaxMemory:
		return fmt.Errorf("a ceiling of %d MiB: at most %d MiB fit below the devices", c.MaxMemory>>20, uint64(loader.MaxMemory)>>20)
	case c.MaxMemory < c.Memory:
		return fmt.Errorf("memory up to %d MiB, of which there are %d MiB at once: give it less at once, or more at most", c.MaxMemory>>20, c.Memory>>20)
	case c.MaxMemory%abi.PageSize != 0:
		return fmt.Errorf("memory up to %d bytes: give a multiple of %d", c.MaxMemory, abi.PageSize)
	}
	return im.Fits(c.Memory)
}

// startInfo makes the devices and writes the tables that announce them.
func (m *Machine) startInfo(c vm.Config) (uint64, error) {
	line := cmdline.FromConfig(c, "hostvmm", "kvm")
	m.printing = newPrinting(m, c)
	for i := range m.consoles {
		var asked func(int)
		if i == consoleStdin {
			asked = m.input.ask
		}
		m.consoles[i] = console.New(&m.ram, m.printing[i].console.ready, asked, func() { m.Raise(abi.EventDevice << i) })
		m.devices = append(m.devices, m.consoles[i].MMIO)
		line.Devices = append(line.Devices, cmdline.Device{
			Size: abi.PageSize, Base: abi.VirtioBase + uint64(i)*abi.PageSize, GSI: firstGSI + uint32(i)})
	}
	m.balloon = balloon.New(&m.ram, m.release, func() { m.Raise(abi.EventDevice << balloonIndex) })
	m.devices = append(m.devices, m.balloon.MMIO)
	line.Devices = append(line.Devices, cmdline.Device{
		Size: abi.PageSize, Base: abi.VirtioBase + balloonIndex*abi.PageSize, GSI: firstGSI + balloonIndex})
	text, err := line.Encode(cmdline.HostLimit)
	if err != nil {
		return 0, err
	}
	return loader.WriteStartInfo(m.mem, text)
}

// shared are the park words in a vCPU's page. Guest memory is mapped as long as
// the machine lives, and the offsets are aligned.
func (m *Machine) shared(cpu uint64) park.Shared {
	page := unsafe.Pointer(&m.mem[abi.VCPUPage0+cpu*abi.PageSize])
	return park.Shared{
		Pending: (*atomic.Uint64)(unsafe.Add(page, abi.ParkPending)),
		Due:     (*atomic.Uint64)(unsafe.Add(page, abi.ParkDue)),
		Want:    (*atomic.Uint32)(unsafe.Add(page, abi.ParkWant)),
	}
}

// now is kvmclock. It cannot fail on a VM that exists.
func (m *Machine) now() uint64 {
	c, err := m.vm.Clock()
	if err != nil {
		panic(err)
	}
	return c.Clock
}

// Raise tells the guest of events (abi.EventKick and others). Any goroutine may.
func (m *Machine) Raise(events uint64) { m.cpus[0].Load().sleeper.Raise(events) }

// Parked says whether the machine sleeps: all its vCPUs do.
func (m *Machine) Parked() bool { return m.parkedBut(nil) }

// parkedBut says whether all vCPUs sleep, whatever one of them does.
func (m *Machine) parkedBut(one *vcpu) bool {
	for c := range m.vcpus() {
		if c != one && !c.sleeper.Parked() {
			return false
		}
	}
	return true
}

// Answered says whether the guest has taken all events that were raised, and
// sleeps again.
func (m *Machine) Answered() bool {
	return m.cpus[0].Load().sleeper.Pending.Load() == 0 && m.Parked()
}

// Running says whether Run has neither ended nor failed to start.
func (m *Machine) Running() bool { return m.running.Load() && !m.ended.Load() }

// OnRest has f called whenever all vCPUs go to sleep and no deadline is near, by the last
// of them: f must be quick. Before Run.
func (m *Machine) OnRest(f func()) { m.clock.OnRest(f) }

// Memory is the machine's memory, for those who account for it.
func (m *Machine) Memory() []byte { return m.mem }

// Run runs the machine to its end. The end of ctx ends it too. Run can be called
// once.
func (m *Machine) Run(ctx context.Context) (vm.Result, error) {
	requested := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { m.stop(); close(requested) })
	defer func() {
		if !stop() {
			<-requested // it must not touch a machine that is being closed
		}
	}()
	defer m.startInput()()
	m.running.Store(true)
	defer m.sampling.end()
	defer m.ended.Store(true)
	defer m.clock.Stop()
	m.cpus[0].Load().run()
	m.threads.Wait()
	m.printing.end(ctx)
	res, err := m.result(ctx, <-m.ends)
	stats := m.Stats()
	stats.Kernel = m.kernelStats()
	res.Stats = stats.List()
	m.printing.judge(&res)
	return res, err
}

// stop asks all vCPUs to end.
func (m *Machine) stop() {
	m.stopping.Store(true)
	for c := range m.vcpus() {
		c.sleeper.Request(park.Stop)
	}
	m.gate.release()
	m.gate.tell()
}

// result puts together what the guest said and how it ended.
func (m *Machine) result(ctx context.Context, why error) (vm.Result, error) {
	switch {
	case errors.Is(why, errStopped):
		return vm.Result{ExitCode: vm.Interrupted(ctx)}, nil
	case errors.Is(why, errEnded) || m.control.Spoke():
		return m.control.Result()
	}
	crash := &vm.Crash{Text: why.Error()}
	if c := (*crashed)(nil); errors.As(why, &c) {
		crash = c.report
	}
	return vm.Result{ExitCode: crashStatus, Crash: crash}, nil
}

// Close frees the machine. It must not be running.
func (m *Machine) Close() error {
	var errs []error
	if m.clock != nil {
		m.clock.Stop()
	}
	errs = append(errs, m.closeVCPUs()...)
	if m.vm != nil {
		errs = append(errs, m.vm.Close())
	}
	if m.mapping != nil {
		errs = append(errs, unix.Munmap(m.mapping))
	}
	return errors.Join(errs...)
}
