package main

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/doze-vm/doze/pv"
)

// untouched maps memory as the heap does, in pieces of a size that the machine
// may fill as a whole, writes two pages of each piece, and gives one of them back.
// The machine has no reason then to keep the rest of the piece.
func untouched() {
	const (
		page, piece = 4096, 2 << 20
		pieces      = 4
		flags       = syscall.MAP_ANON | syscall.MAP_PRIVATE
		access      = syscall.PROT_READ | syscall.PROT_WRITE
	)
	room, err := syscall.Mmap(-1, 0, (pieces+1)*piece, access, flags)
	check(err)
	start := -uintptr(unsafe.Pointer(unsafe.SliceData(room))) & (piece - 1)
	b := room[start:][:pieces*piece]
	_, _, e := syscall.Syscall6(syscall.SYS_MMAP, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), access, flags|syscall.MAP_FIXED, ^uintptr(0), 0)
	if e != 0 {
		check(e)
	}
	before := free()
	for i := range pieces {
		b[i*piece+300*page] = 'k'
		b[i*piece+100*page] = 'g'
	}
	for i := range pieces {
		check(syscall.Madvise(b[i*piece+100*page:][:page], syscall.MADV_DONTNEED))
	}
	kept := before - free()
	for i := range b {
		if want := i%piece == 300*page; want != (b[i] == 'k') || !want && b[i] != 0 {
			check(fmt.Errorf("byte %#x of the mapping is %#x", i, b[i]))
		}
	}
	const most = pieces*32*page + 64<<10 // 16 pages around each one written, and page tables
	fmt.Printf("calls: pages that were never touched are free: %v\n", kept <= most)
	if kept > most {
		fmt.Printf("calls: %d KiB are kept for %d pages\n", kept>>10, pieces)
	}
	check(syscall.Munmap(room))
}

// tables touches a page in each of many places and gives them back, some in
// pieces: the machine keeps no page tables for them, and finds no old pages there.
func tables() {
	const (
		page, step, size = 4096, 2 << 20, 512 << 20
		access           = syscall.PROT_READ | syscall.PROT_WRITE
	)
	before := free()
	for range 3 {
		b, err := syscall.Mmap(-1, 0, size, access, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		check(err)
		for i := 0; i < size; i += step {
			for _, p := range []int{0, 77 * page, step - 1} {
				if b[i+p] != 0 {
					check(fmt.Errorf("a fresh page holds %#x", b[i+p]))
				}
				b[i+p] = 'x'
			}
		}
		check(syscall.Mprotect(b[step:2*step], syscall.PROT_READ))
		check(syscall.Mprotect(b[3*step:4*step], syscall.PROT_NONE))
		check(syscall.Madvise(b[page:size/2], syscall.MADV_DONTNEED))
		if b[0] != 'x' || b[size/2] != 'x' || b[size/2-1] != 0 {
			check(fmt.Errorf("pages given back or kept by mistake: %#x %#x %#x", b[0], b[size/2], b[size/2-1]))
		}
		check(syscall.Munmap(b))
	}
	kept := before - free()
	const most = 256 << 10
	fmt.Printf("calls: no tables are kept for what was unmapped: %v\n", kept <= most)
	if kept > most {
		fmt.Printf("calls: %d KiB are kept\n", kept>>10)
	}
}

// free is how much memory the machine has free, 0 in a process.
func free() int {
	m, err := pv.Memory()
	if err != nil && !errors.Is(err, pv.ErrNotVirtual) {
		check(err)
	}
	return int(m.Free)
}
