// Package kvm is a typed binding of /dev/kvm, as much of it as hostvmm needs
// (Linux Documentation/virt/kvm/api.rst). Types have the kernel's layout; tests
// compare their sizes and offsets with the ABI's.
//
// It retries what a signal interrupted: the Go runtime sends SIGURG to its own
// threads, so any ioctl may return EINTR. It must never keep policy: what a
// machine is made of is hostvmm's business. All calls on a VCPU belong to the
// goroutine that runs it, since they wait for KVM_RUN to end; Kick and
// Thread are the exceptions.
package kvm

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/fault"
)

// Device is where the kernel offers KVM.
const Device = "/dev/kvm"

// apiVersion is the only version there is since Linux 2.6.22.
const apiVersion = 12

// ioctl numbers (uapi/linux/kvm.h): direction and size in the upper half, type
// 0xAE and number in the lower.
const (
	ioGetAPIVersion       = 0xae00
	ioCreateVM            = 0xae01
	ioCheckExtension      = 0xae03
	ioGetVCPUMmapSize     = 0xae04
	ioGetSupportedCPUID   = 0xc008ae05
	ioCreateVCPU          = 0xae41
	ioSetUserMemoryRegion = 0x4020ae46
	ioSetTSSAddr          = 0xae47
	ioCreateIRQChip       = 0xae60
	ioGetClock            = 0x8030ae7c
	ioSignalMSI           = 0x4020aea5
	ioRun                 = 0xae80
	ioGetRegs             = 0x8090ae81
	ioSetRegs             = 0x4090ae82
	ioGetSregs            = 0x8138ae83
	ioSetSregs            = 0x4138ae84
	ioSetCPUID2           = 0x4008ae90
	ioSetXcrs             = 0x4188aea7
	ioGetMPState          = 0x8004ae98
	ioSetMPState          = 0x4004ae99
)

// Capabilities asked for (uapi/linux/kvm.h).
const (
	CapIRQChip       = 0
	CapXcrs          = 56
	CapTSCDeadline   = 72
	CapImmediateExit = 136
	CapHaltPoll      = 182
	CapNrMemSlots    = 10
	CapAdjustClock   = 39 // its value: flags of ClockData
)

// Exit reasons (kvm_run.exit_reason).
const (
	ExitUnknown       = 0
	ExitException     = 1
	ExitIO            = 2
	ExitHypercall     = 3
	ExitDebug         = 4
	ExitHLT           = 5
	ExitMMIO          = 6
	ExitShutdown      = 8
	ExitFailEntry     = 9
	ExitIntr          = 10
	ExitInternalError = 17
	ExitSystemEvent   = 24
)

var exitNames = map[uint32]string{
	ExitUnknown: "unknown", ExitException: "exception", ExitIO: "io", ExitHypercall: "hypercall",
	ExitDebug: "debug", ExitHLT: "hlt", ExitMMIO: "mmio", ExitShutdown: "shutdown",
	ExitFailEntry: "fail entry", ExitIntr: "signal", ExitInternalError: "internal error",
	ExitSystemEvent: "system event",
}

// ExitName is the name of an exit reason.
func ExitName(reason uint32) string {
	if name, ok := exitNames[reason]; ok {
		return name
	}
	return fmt.Sprintf("exit %d", reason)
}

// ioctl calls the kernel until no signal interrupts it. EAGAIN from KVM_RUN is
// dealt with in VCPU.Run.
func ioctl(fd int, request, arg uintptr) (uintptr, error) {
	if err := refused(request); err != nil {
		return 0, err
	}
	for {
		r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg)
		switch errno {
		case 0:
			return r, nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// ioctlPtr is ioctl with a structure. The conversion stands in the call itself,
// so that the structure stays where it is (unsafe.Pointer, rule 4).
func ioctlPtr[T any](fd int, request uintptr, arg *T) error {
	if err := refused(request); err != nil {
		return err
	}
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(arg)))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}

// refused asks a test whether a request shall fail.
func refused(request uintptr) error {
	if !fault.Asked() {
		return nil
	}
	if name := stepNames[request]; name != "" {
		return fault.At(name)
	}
	return nil
}

// stepNames are the requests that make a machine: those that a test can refuse.
var stepNames = map[uintptr]string{
	ioCreateVM: "KVM_CREATE_VM", ioSetUserMemoryRegion: "KVM_SET_USER_MEMORY_REGION", ioSetTSSAddr: "KVM_SET_TSS_ADDR",
	ioCreateIRQChip: "KVM_CREATE_IRQCHIP", ioCreateVCPU: "KVM_CREATE_VCPU", ioSetCPUID2: "KVM_SET_CPUID2",
	ioGetSregs: "KVM_GET_SREGS", ioSetSregs: "KVM_SET_SREGS", ioSetXcrs: "KVM_SET_XCRS", ioSetRegs: "KVM_SET_REGS",
	ioSetMPState: "KVM_SET_MP_STATE",
}

// System is an open /dev/kvm.
type System struct {
	fd       int
	mmapSize int
}

// openError says in words what its cause says in fewer.
type openError struct {
	text  string
	cause error
}

func (e *openError) Error() string { return Device + " " + e.text }
func (e *openError) Unwrap() error { return e.cause }

// Open opens /dev/kvm. Its errors say what to do.
func Open() (*System, error) {
	fd, err := unix.Open(Device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, &openError{"is missing: load kvm_intel or kvm_amd, or switch on virtualization in the firmware", os.ErrNotExist}
	case errors.Is(err, unix.EACCES):
		return nil, &openError{"may not be opened: add yourself to the group that owns it", os.ErrPermission}
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", Device, err)
	}
	s := &System{fd: fd}
	version, err := ioctl(fd, ioGetAPIVersion, 0)
	if err != nil || version != apiVersion {
		s.Close()
		return nil, fmt.Errorf("%s has API version %d (%v), but %d is needed", Device, version, err, apiVersion)
	}
	size, err := ioctl(fd, ioGetVCPUMmapSize, 0)
	if err != nil || size < runSize {
		s.Close()
		return nil, fmt.Errorf("%s: kvm_run of %d bytes: %w", Device, size, err)
	}
	s.mmapSize = int(size)
	return s, nil
}

// Close closes /dev/kvm; machines made from it live on.
func (s *System) Close() error { return unix.Close(s.fd) }

// APIVersion is the version that Open checked.
func (s *System) APIVersion() int { return apiVersion }

// Check is the value of a capability, 0 if it is absent.
func (s *System) Check(capability int) int {
	r, err := ioctl(s.fd, ioCheckExtension, uintptr(capability))
	if err != nil {
		return 0
	}
	return int(r)
}

// CreateVM makes an empty virtual machine.
func (s *System) CreateVM() (*VM, error) {
	fd, err := ioctl(s.fd, ioCreateVM, 0)
	if err != nil {
		return nil, fmt.Errorf("KVM_CREATE_VM: %w", err)
	}
	return &VM{fd: int(fd), mmapSize: s.mmapSize}, nil
}
