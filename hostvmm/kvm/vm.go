package kvm

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/fault"
	"github.com/doze-vm/doze/kernel/abi"
)

// VM is a virtual machine.
type VM struct {
	fd       int
	mmapSize int

	// half are vCPUs whose structure could not be mapped, by id: the kernel makes
	// each once, so that the next try has to go on with them. Who makes vCPUs makes
	// one at a time.
	half map[int]int
}

// Close gives up the machine; the kernel frees it once its vCPUs are closed too.
func (v *VM) Close() error {
	var errs []error
	for _, fd := range v.half {
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(append(errs, unix.Close(v.fd))...)
}

// userspaceMemoryRegion is struct kvm_userspace_memory_region.
type userspaceMemoryRegion struct {
	slot            uint32
	_               uint32 // flags
	guestPhys, size uint64
	userspaceAddr   uint64
}

// SetMemory puts mem, which must be mapped page-aligned and stay mapped as long
// as the machine lives, at a guest-physical address.
func (v *VM) SetMemory(slot uint32, guestPhys uint64, mem []byte) error {
	r := userspaceMemoryRegion{slot: slot, guestPhys: guestPhys, size: uint64(len(mem)),
		userspaceAddr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem))))}
	if err := ioctlPtr(v.fd, ioSetUserMemoryRegion, &r); err != nil {
		return fmt.Errorf("KVM_SET_USER_MEMORY_REGION of %d bytes at %#x: %w", len(mem), guestPhys, err)
	}
	return nil
}

// SetTSSAddr reserves three pages for KVM on Intel CPUs (api.rst 4.40).
func (v *VM) SetTSSAddr(addr uint64) error {
	if _, err := ioctl(v.fd, ioSetTSSAddr, uintptr(addr)); err != nil {
		return fmt.Errorf("KVM_SET_TSS_ADDR: %w", err)
	}
	return nil
}

// CreateIRQChip makes the interrupt controllers in the kernel: a LAPIC per vCPU,
// an IOAPIC, two 8259s. No PIT.
func (v *VM) CreateIRQChip() error {
	if _, err := ioctl(v.fd, ioCreateIRQChip, 0); err != nil {
		return fmt.Errorf("KVM_CREATE_IRQCHIP: %w", err)
	}
	return nil
}

// Flags of ClockData.
const (
	ClockTSCStable = 1 << 1
	ClockRealtime  = 1 << 2 // Realtime was read together with Clock
	ClockHostTSC   = 1 << 3
)

// ClockData is struct kvm_clock_data.
type ClockData struct {
	Clock    uint64 // kvmclock, ns
	Flags    uint32
	_        uint32
	Realtime uint64 // Unix time, ns
	HostTSC  uint64
	_        [4]uint32
}

// Clock reads the machine's kvmclock. Any goroutine may.
func (v *VM) Clock() (ClockData, error) {
	var c ClockData
	if err := ioctlPtr(v.fd, ioGetClock, &c); err != nil {
		return c, fmt.Errorf("KVM_GET_CLOCK: %w", err)
	}
	return c, nil
}

// msi is struct kvm_msi.
type msi struct {
	addrLo, _, data, _ uint32 // the blank ones: addrHi, flags
	_                  [16]uint8
}

// msiAddress is where message-signalled interrupts go; the destination APIC is
// in bits 12 to 19 (Intel SDM 3A, 11.11.1).
const msiAddress = abi.LAPICBase

// Interrupt sends an edge-triggered, fixed interrupt to a vCPU. Any goroutine may.
func (v *VM) Interrupt(apicID, vector uint8) error {
	m := msi{addrLo: msiAddress | uint32(apicID)<<12, data: uint32(vector)}
	if err := ioctlPtr(v.fd, ioSignalMSI, &m); err != nil {
		return fmt.Errorf("KVM_SIGNAL_MSI: %w", err)
	}
	return nil
}

// CreateVCPU makes a vCPU; id is its APIC id. One that could not be made can be tried
// again; one that was closed can't.
func (v *VM) CreateVCPU(id int) (*VCPU, error) {
	fd, ok := v.half[id]
	if !ok {
		made, err := ioctl(v.fd, ioCreateVCPU, uintptr(id))
		if err != nil {
			return nil, fmt.Errorf("KVM_CREATE_VCPU %d: %w", id, err)
		}
		fd = int(made)
	}
	err := fault.At("mmap kvm_run")
	var mem []byte
	if err == nil {
		mem, err = unix.Mmap(fd, 0, v.mmapSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		if v.half == nil {
			v.half = map[int]int{}
		}
		v.half[id] = fd
		return nil, fmt.Errorf("map kvm_run of vCPU %d: %w", id, err)
	}
	delete(v.half, id)
	return &VCPU{fd: fd, mem: mem}, nil
}
