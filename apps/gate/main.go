// Command gate asks the nucleus for what it must refuse: page-table entries that
// would change the nucleus, the page tables or the image, and MSRs by which KVM would
// write anywhere. It prints each request that was granted and how many were refused.
// Outside a machine of Doze it crashes.
package main

import (
	"fmt"
	"os"
)

func gate(req uint32, a, b, c, d, e uintptr) uintptr

// Numbers of docs/nucleus.md.
const (
	reqWrmsr, reqRdmsr, reqMap = 1, 2, 3

	page, block  = 0x1000, 0x200000
	slot         = 1 << 39    // what one entry of the PML4 maps
	last         = 253 * slot // of those that the kernel may map
	readable     = 1<<0 | 1<<2
	writable     = readable | 1<<1
	huge         = 1 << 7
	nucleus      = 0x101000
	pml4         = 0x105000
	vcpuPage     = 0x160000
	image        = 0x400000
	free         = 0x3f00000 // somewhere in RAM, and no part of the image
	unused       = 0x50 * slot
	clock, steal = 0x200, 0x240
	refused      = ^uintptr(0)
)

type request struct {
	name          string
	req           uint32
	a, b, c, d, e uintptr
}

var hostile = []request{
	{"the first slot", reqMap, 0, free | writable, 1, 1, 0},
	{"the tables' own slots", reqMap, last + slot, free | writable, 1, 1, 0},
	{"the upper half", reqMap, 256 * slot, free | writable, 1, 1, 0},
	{"not a canonical address", reqMap, 1 << 60, free | writable, 1, 1, 0},
	{"pages beyond the last slot", reqMap, last + slot - page, free | writable, 2, 1, page},
	{"blocks beyond the last slot", reqMap, last + slot - block, free | writable | huge, 2, 2, block},
	{"tables beyond the last slot", reqMap, last, free | writable, 2, 4, 0},
	{"the slots of the tables", reqMap, slot, 0, 510, 4, 0},
	{"all slots", reqMap, slot, free | writable, 256, 4, 0},
	{"the nucleus, to write", reqMap, unused, nucleus | writable, 1, 1, 0},
	{"the nucleus, to read", reqMap, unused, nucleus | readable, 1, 1, 0},
	{"the PML4", reqMap, unused, pml4 | writable, 1, 1, 0},
	{"the PML4 as a table", reqMap, unused, pml4 | writable, 1, 4, 0},
	{"the lowest block", reqMap, unused, 0 | writable | huge, 1, 2, 0},
	{"the image, to write", reqMap, unused, image | writable, 1, 1, 0},
	{"the image as a table", reqMap, unused, image | readable, 1, 4, 0},
	{"steps into the image", reqMap, unused, (image - page) | writable, 2, 1, page},
	{"steps that wrap to the nucleus", reqMap, unused, (1<<52 - page) | writable, 0x103, 1, page},
	{"steps backwards", reqMap, unused, (image - page) | writable, 4, 1, refused - page + 1},
	{"no entry", reqMap, unused, free | writable, 0, 1, page},
	{"too many entries", reqMap, unused, free | writable, 4097, 1, page},
	{"level 0", reqMap, unused, free | writable, 1, 0, 0},
	{"level 5", reqMap, unused, free | writable, 1, 5, 0},
	{"EFER", reqWrmsr, 0xc0000080, 0x501, 0, 0, 0},
	{"the APIC's base", reqWrmsr, 0x1b, 0xfee00800, 0, 0, 0},
	{"LSTAR", reqRdmsr, 0xc0000082, 0, 0, 0, 0},
	{"kvmclock in the nucleus", reqWrmsr, 0x4b564d01, nucleus | 1, 0, 0, 0},
	{"kvmclock in another vCPU's page", reqWrmsr, 0x4b564d01, vcpuPage + 5*page + clock | 1, 0, 0, 0},
	{"kvmclock elsewhere in the page", reqWrmsr, 0x4b564d01, vcpuPage + steal | 1, 0, 0, 0},
	{"steal time in the tables", reqWrmsr, 0x4b564d03, pml4 | 1, 0, 0, 0},
	{"the wall clock in the image", reqWrmsr, 0x4b564d00, image, 0, 0, 0},
	{"an unknown request", 9, 0, 0, 0, 0, 0},
	{"a request far beyond", 1 << 31, 0, 0, 0, 0, 0},
}

func main() {
	n := 0
	for _, r := range hostile {
		if gate(r.req, r.a, r.b, r.c, r.d, r.e) == refused {
			n++
			continue
		}
		fmt.Println("granted:", r.name)
	}
	if gate(reqMap, unused, 0, 1, 4, 0) == refused { // an entry that is empty already
		fmt.Println("refused: a harmless request")
	}
	fmt.Println("refused:", n, "of", len(hostile))
	if n != len(hostile) {
		os.Exit(1)
	}
}
