package hostvmm

import (
	"errors"
	"fmt"

	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/hostvmm/guestmem"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/hostvmm/park"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// Ends of a run that are no crash.
var (
	errEnded   = errors.New("the guest ended the machine")
	errStopped = errors.New("the machine was stopped")
)

// crashStatus is the exit status of a machine that crashed: a Go program's for a
// fatal error.
const crashStatus = 2

// crashed is an end that the guest did not report itself.
type crashed struct {
	report *vm.Crash
}

func (c *crashed) Error() string { return c.report.Text }

// serve runs the vCPU until the machine ends: with errEnded or errStopped, or
// with an error that says why it crashed.
func (c *vcpu) serve() error {
	m := c.machine
	for {
		c.cpu.ClearKick()
		switch r := c.sleeper.Requests(); {
		case r&park.Stop != 0:
			return errStopped
		case r&park.Pause != 0:
			c.pausedAwake()
			continue
		}
		if c.unfinished != nil {
			m.proceed(c)
			continue
		}
		m.clock.Enter()
		c.sampled.enter()
		err := c.cpu.Run()
		if c.sampled.leave() {
			c.answer()
		}
		if errors.Is(err, kvm.ErrInterrupted) {
			m.stats.add(exitSignal)
			continue
		}
		if err == nil {
			err = c.exit()
		}
		switch {
		case err == nil:
		case errors.Is(err, errEnded):
			return err
		default:
			return &crashed{c.crash(err)}
		}
	}
}

// exit serves one exit.
func (c *vcpu) exit() error {
	switch c.cpu.ExitReason() {
	case kvm.ExitIO:
		return c.port(c.cpu.IO())
	case kvm.ExitMMIO:
		return c.mmio(c.cpu.MMIO())
	case kvm.ExitIntr:
		c.machine.stats.add(exitSignal)
		return nil
	}
	c.machine.stats.add(exitOther)
	return errors.New(c.cpu.DescribeExit())
}

// mmio serves an access to a device's window.
func (c *vcpu) mmio(a kvm.MMIO) error {
	m := c.machine
	i := (a.Addr - abi.VirtioBase) / abi.PageSize
	if a.Addr < abi.VirtioBase || i >= uint64(len(m.devices)) {
		m.stats.add(exitOther)
		return fmt.Errorf("access to guest-physical address %#x, where nothing is", a.Addr)
	}
	if i == balloonIndex {
		m.stats.add(exitBalloon)
	} else {
		m.stats.add(exitConsole)
	}
	if m.access(m.devices[i], a) {
		c.unfinished = m.devices[i]
	}
	m.print(i)
	return nil
}

// access lets a device serve an access to its window. It reports whether the device has
// more to do for it: the guest goes on when that is done.
func (m *Machine) access(d *virtio.MMIO, a kvm.MMIO) (unfinished bool) {
	m.io.Lock()
	defer m.io.Unlock()
	if offset := a.Addr % abi.PageSize; a.Write {
		d.Write(offset, a.Data)
	} else {
		d.Read(offset, a.Data)
	}
	return d.Unfinished()
}

// proceed does the next piece of what a vCPU's last access asked for.
func (m *Machine) proceed(c *vcpu) {
	m.io.Lock()
	defer m.io.Unlock()
	if c.unfinished.Continue(); !c.unfinished.Unfinished() {
		c.unfinished = nil
	}
}

// crash makes a report of the vCPU's registers.
func (v *vcpu) crash(why error) *vm.Crash {
	c := &vm.Crash{Text: why.Error()}
	r, err := v.cpu.Regs()
	if err != nil {
		return c
	}
	c.Regs = []vm.Reg{
		{Name: "rip", Value: r.RIP}, {Name: "rsp", Value: r.RSP}, {Name: "rflags", Value: r.RFLAGS},
		{Name: "rax", Value: r.RAX}, {Name: "rbx", Value: r.RBX}, {Name: "rcx", Value: r.RCX},
		{Name: "rdx", Value: r.RDX}, {Name: "rsi", Value: r.RSI}, {Name: "rdi", Value: r.RDI},
		{Name: "rbp", Value: r.RBP}, {Name: "r8", Value: r.R8}, {Name: "r9", Value: r.R9},
		{Name: "r10", Value: r.R10}, {Name: "r11", Value: r.R11}, {Name: "r12", Value: r.R12},
		{Name: "r13", Value: r.R13}, {Name: "r14", Value: r.R14}, {Name: "r15", Value: r.R15},
	}
	c.PCs = []uint64{r.RIP}
	if s, err := v.cpu.Sregs(); err == nil {
		c.PCs = guestmem.Trace(v.machine.ram.now(), s.CR3, r.RIP, r.RBP)
		c.Regs = append(c.Regs, vm.Reg{Name: "cr2", Value: s.CR2}, vm.Reg{Name: "cr3", Value: s.CR3},
			vm.Reg{Name: "cs", Value: uint64(s.CS.Selector)}, vm.Reg{Name: "gsbase", Value: s.GS.Base})
	}
	return c
}
