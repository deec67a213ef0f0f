package loader

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/fault"
	"github.com/doze-vm/doze/kernel/abi"
)

// MapMemory maps size bytes of zeroed, private memory for a machine, aligned to
// 2 MiB. Unmap the first slice; the machine's memory is the second.
func MapMemory(size uint64) (mapping, mem []byte, err error) { return mapAligned(size) }

func mapAligned(size uint64) (mapping, mem []byte, err error) {
	if err = fault.At("mmap memory"); err != nil {
		return nil, nil, fmt.Errorf("map %d MiB: %w", size/mib, err)
	}
	mapping, err = unix.Mmap(-1, 0, int(size)+abi.HugePageSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, fmt.Errorf("map %d MiB: %w", size/mib, err)
	}
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(mapping))) & hugeMask
	return mapping, mapping[skip : skip+uintptr(size)], nil
}

// mapFixed replaces part, which must be page-aligned and part of a mapping of
// ours, by a part of the file. The address stays part of the same Go slice, which
// is why MAP_FIXED is right here and unix.Mmap, which keeps books, is not.
func mapFixed(part []byte, flags int, fd int, offset uint64) error {
	if err := fault.At("mmap image"); err != nil {
		return fmt.Errorf("map %d KiB of the image: %w", len(part)>>10, err)
	}
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	_, _, errno := unix.Syscall6(unix.SYS_MMAP, addr, uintptr(len(part)), unix.PROT_READ|unix.PROT_WRITE,
		uintptr(flags|unix.MAP_FIXED|unix.MAP_NORESERVE), uintptr(fd), uintptr(offset))
	if errno != 0 {
		return fmt.Errorf("map %d KiB of the image: %w", len(part)>>10, errno)
	}
	return nil
}
