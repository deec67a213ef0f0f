package main

import (
	"syscall"
	"unsafe"
)

const page = 4096

// A place is an address that no call may read, write, or either.
type place struct {
	name     string
	p        uintptr
	readable bool
}

// places are addresses of each kind. Those that are the kernel's in a machine
// (kernel/abi, doze_layout.go) are nobody's in a process.
func places() []place {
	gone := mapped(2, syscall.PROT_READ|syscall.PROT_WRITE)
	_, e := raw(syscall.SYS_MUNMAP, gone, 2*page)
	must(e)
	end := mapped(2, syscall.PROT_READ|syscall.PROT_WRITE)
	_, e = raw(syscall.SYS_MUNMAP, end+page, page)
	must(e)
	return []place{
		{"nil", 0, false},
		{"nil page", 8, false},
		{"gate", 0x103000, false},
		{"machine page", 0x104000, false},
		{"ring-0 page", 0x120000, false},
		{"vCPU page", 0x160000, false},
		{"device", 0xfea00000, false},
		{"memory's books", 0x7e80_0000_0000, false},
		{"thread's page", 0x7e88_0000_0000, false},
		{"descriptors", 0x7e98_0000_0000, false},
		{"page tables", 0x7f00_0000_0000, false},
		{"last page", 0x7fff_ffff_f000, false},
		{"above 1<<47", 1 << 47, false},
		{"not canonical", 0x1234_5678_9abc_def0, false},
		{"minus one", ^uintptr(0), false},
		{"unmapped", gone, false},
		{"end of a mapping", end + page - 1, false},
		{"no access", mapped(1, syscall.PROT_NONE), false},
		{"read-only", mapped(1, syscall.PROT_READ), true},
		{"text", text(), true},
	}
}

// mapped maps pages at a place where nothing is before or behind.
func mapped(pages uintptr, prot int) uintptr {
	b, e := raw(syscall.SYS_MMAP, 0, (pages+2)*page, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE, -1, 0)
	must(e)
	p := uintptr(b) + page
	_, e = raw(syscall.SYS_MPROTECT, p, pages*page, prot)
	must(e)
	return p
}

// text is an address in the program's own instructions.
func text() uintptr {
	f := name
	return **(**uintptr)(unsafe.Pointer(&f)) &^ 15
}
