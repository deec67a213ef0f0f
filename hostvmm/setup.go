package hostvmm

import (
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
)

// rflags1 is the bit of RFLAGS that is always 1.
const rflags1 = 0x2

// tssAddr is where KVM may put three pages of its own on Intel CPUs, beside its
// default for a fourth at 0xfffbc000 (api.rst 4.40, 4.41): above the devices,
// where no machine has memory.
const tssAddr = 0xfffbd000

// buildVM makes the machine's KVM objects but for its vCPUs. The order matters: a
// memory slot made after the interrupt controller waits milliseconds for the
// kernel.
func buildVM(h *Host, mem []byte) (*kvm.VM, error) {
	vm, err := h.sys.CreateVM()
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		func() error { return vm.SetMemory(0, 0, mem) },
		func() error { return vm.SetTSSAddr(tssAddr) },
		vm.CreateIRQChip,
	} {
		if err := step(); err != nil {
			vm.Close()
			return nil, err
		}
	}
	return vm, nil
}

// enter64 sets a vCPU to the state of Entry64 and EntryAP; r holds the registers
// that carry something.
func enter64(c *kvm.VCPU, xcr0, entry uint64, r kvm.Regs) error {
	s, err := c.Sregs()
	if err != nil {
		return err
	}
	code := kvm.Segment{Limit: 0xffffffff, Selector: abi.SelKernelCode, Type: 11, Present: 1, S: 1, L: 1, G: 1}
	data := kvm.Segment{Limit: 0xffffffff, Selector: abi.SelKernelData, Type: 3, Present: 1, DB: 1, S: 1, G: 1}
	s.CS = code
	s.DS, s.ES, s.FS, s.GS, s.SS = data, data, data, data, data
	s.TR = kvm.Segment{Limit: 0x67, Type: 11, Present: 1} // busy TSS; the hardware wants one
	s.CR0, s.CR3, s.CR4, s.EFER = abi.EntryCR0, abi.TablesBase, abi.EntryCR4, abi.EntryEFER
	if err := c.SetSregs(&s); err != nil {
		return err
	}
	if err := c.SetXCR0(xcr0); err != nil {
		return err
	}
	r.RIP, r.RFLAGS = entry, rflags1
	if err := c.SetRegs(&r); err != nil {
		return err
	}
	return c.SetRunnable()
}
