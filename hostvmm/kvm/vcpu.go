package kvm

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrInterrupted is what Run returns when a kick or a signal ended it. Nothing
// else of the exit is valid then: exit_reason still holds the one before.
var ErrInterrupted = errors.New("interrupted")

// VCPU is a virtual CPU. Its methods belong to one goroutine, but for Kick and Thread.
type VCPU struct {
	fd  int
	mem []byte       // struct kvm_run and the pages behind it
	tid atomic.Int32 // thread that is in KVM_RUN or about to be, 0 = none
}

// Close gives up the vCPU. It must not be running.
func (c *VCPU) Close() error {
	return errors.Join(unix.Munmap(c.mem), unix.Close(c.fd))
}

// immediateExit is the byte at offset 1 of kvm_run, reached through the aligned
// word at 0; the other three bytes of it stay 0 with an in-kernel irqchip.
func (c *VCPU) immediateExit() *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(unsafe.SliceData(c.mem)))
}

const immediateExitBit = 1 << 8

// ClearKick forgets the kicks made so far. The caller looks at what was
// requested after this and before Run; a kick in between makes Run return.
func (c *VCPU) ClearKick() { c.immediateExit().Store(0) }

// Kick makes Run return ErrInterrupted, now or when it is called next. Any
// goroutine may kick. SIGURG is the runtime's own, harmless signal.
func (c *VCPU) Kick() {
	c.immediateExit().Store(immediateExitBit)
	if tid := c.tid.Load(); tid != 0 {
		// The thread may have left KVM_RUN meanwhile: then the signal is a
		// spurious one, which every caller must bear anyway.
		_ = unix.Tgkill(os.Getpid(), int(tid), unix.SIGURG)
	}
}

// Thread is the thread that is in KVM_RUN or about to be, 0 = none. Any goroutine
// may ask.
func (c *VCPU) Thread() int { return int(c.tid.Load()) }

// Run enters the guest until it exits, or returns ErrInterrupted.
func (c *VCPU) Run() error {
	runtime.LockOSThread()
	c.tid.Store(int32(unix.Gettid()))
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(c.fd), ioRun, 0)
	c.tid.Store(0)
	runtime.UnlockOSThread()
	switch errno {
	case 0:
		return nil
	case unix.EINTR, unix.EAGAIN: // EAGAIN: an AP before its SIPI
		return ErrInterrupted
	}
	return fmt.Errorf("KVM_RUN: %w", errno)
}

// States of a vCPU, KVM_MP_STATE_RUNNABLE and KVM_MP_STATE_HALTED.
const (
	mpStateRunnable = 0
	mpStateHalted   = 3
)

// Halted says whether the vCPU waits in a HLT for an interrupt.
func (c *VCPU) Halted() (bool, error) {
	var state uint32
	err := c.get("KVM_GET_MP_STATE", ioctlPtr(c.fd, ioGetMPState, &state))
	return state == mpStateHalted, err
}

// SetRunnable makes a vCPU run that otherwise waits for a SIPI: all but the
// first.
func (c *VCPU) SetRunnable() error {
	state := uint32(mpStateRunnable)
	return c.get("KVM_SET_MP_STATE", ioctlPtr(c.fd, ioSetMPState, &state))
}

func (c *VCPU) get(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Regs reads the general registers.
func (c *VCPU) Regs() (Regs, error) {
	var r Regs
	return r, c.get("KVM_GET_REGS", ioctlPtr(c.fd, ioGetRegs, &r))
}

// SetRegs writes the general registers.
func (c *VCPU) SetRegs(r *Regs) error {
	return c.get("KVM_SET_REGS", ioctlPtr(c.fd, ioSetRegs, r))
}

// Sregs reads segments and control registers.
func (c *VCPU) Sregs() (Sregs, error) {
	var s Sregs
	return s, c.get("KVM_GET_SREGS", ioctlPtr(c.fd, ioGetSregs, &s))
}

// SetSregs writes segments and control registers.
func (c *VCPU) SetSregs(s *Sregs) error {
	return c.get("KVM_SET_SREGS", ioctlPtr(c.fd, ioSetSregs, s))
}

// SetXCR0 chooses the state components that XSAVE keeps.
func (c *VCPU) SetXCR0(value uint64) error {
	x := xcrs{nr: 1}
	x.list[0] = xcr{index: 0, value: value}
	return c.get(fmt.Sprintf("KVM_SET_XCRS %#x", value), ioctlPtr(c.fd, ioSetXcrs, &x))
}

// SetCPUID says what the CPUID instruction returns. Before the first Run.
func (c *VCPU) SetCPUID(entries []CPUIDEntry) error {
	var list cpuidList
	if len(entries) > len(list.entries) {
		return fmt.Errorf("KVM_SET_CPUID2: %d entries are too many", len(entries))
	}
	list.n = uint32(copy(list.entries[:], entries))
	return c.get("KVM_SET_CPUID2", ioctlPtr(c.fd, ioSetCPUID2, &list))
}
