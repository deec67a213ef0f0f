package hostvmm

import (
	"errors"
	"fmt"

	"github.com/doze-vm/doze/hostvmm/device"
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

// serve runs the vCPU until the machine ends: with errEnded or errStopped, or
// with an error that says why it crashed.
func (m *Machine) serve() error {
	for {
		m.cpu.ClearKick()
		if m.sleeper.Requests()&park.Stop != 0 {
			return errStopped
		}
		m.clock.enter()
		err := m.cpu.Run()
		if errors.Is(err, kvm.ErrInterrupted) {
			m.stats.add(exitSignal)
			continue
		}
		if err == nil {
			err = m.exit()
		}
		if err != nil {
			return err
		}
	}
}

// exit serves one exit.
func (m *Machine) exit() error {
	switch m.cpu.ExitReason() {
	case kvm.ExitIO:
		return m.port(m.cpu.IO())
	case kvm.ExitMMIO:
		return m.mmio(m.cpu.MMIO())
	case kvm.ExitIntr:
		m.stats.add(exitSignal)
		return nil
	}
	m.stats.add(exitOther)
	return errors.New(m.cpu.DescribeExit())
}

// mmio serves an access to a device's window.
func (m *Machine) mmio(a kvm.MMIO) error {
	i := (a.Addr - abi.VirtioBase) / abi.PageSize
	if a.Addr < abi.VirtioBase || i >= uint64(len(m.devices)) {
		m.stats.add(exitOther)
		return fmt.Errorf("access to guest-physical address %#x, where nothing is", a.Addr)
	}
	m.stats.add(exitConsole)
	if offset := a.Addr % abi.PageSize; a.Write {
		m.devices[i].Write(offset, a.Data)
	} else {
		m.devices[i].Read(offset, a.Data)
	}
	return nil
}

// crash makes a report of the vCPU's registers.
func (m *Machine) crash(why error) *vm.Crash {
	c := &vm.Crash{Text: why.Error()}
	r, err := m.cpu.Regs()
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
	if s, err := m.cpu.Sregs(); err == nil {
		c.PCs = trace(device.RAM(m.mem), s.CR3, r.RIP, r.RBP)
		c.Regs = append(c.Regs, vm.Reg{Name: "cr2", Value: s.CR2}, vm.Reg{Name: "cr3", Value: s.CR3},
			vm.Reg{Name: "cs", Value: uint64(s.CS.Selector)}, vm.Reg{Name: "gsbase", Value: s.GS.Base})
	}
	return c
}
