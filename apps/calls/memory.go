package main

import (
	"errors"
	"fmt"
	"os"
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

// places touches a page of memory in each of many places far apart, one after the other:
// no page table stays behind.
func places() {
	const page, step, rounds = 4096, 2 << 20, 600
	const access = syscall.PROT_READ | syscall.PROT_WRITE
	before := free()
	for i := range uintptr(rounds) {
		hint := uintptr(0x1000_0000_0000) + i*step
		r, _, e := syscall.Syscall6(syscall.SYS_MMAP, hint, page, access, syscall.MAP_ANON|syscall.MAP_PRIVATE, ^uintptr(0), 0)
		if e != 0 {
			check(e)
		}
		**(**byte)(unsafe.Pointer(&r)) = 'p'
		if _, _, e = syscall.Syscall(syscall.SYS_MUNMAP, r, page, 0); e != 0 {
			check(e)
		}
	}
	kept := before - free()
	const most = 256 << 10
	fmt.Printf("calls: no tables are kept for pages far apart: %v\n", kept <= most)
}

// guarded maps as many pages with a guard below each as Linux lets a process have.
func guarded() {
	const page, pairs = 4096, 25000 // two mappings each, of 65,530
	const size = 2 * page * pairs
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	check(err)
	for i := page; i < size; i += 2 * page {
		check(syscall.Mprotect(b[i:i+page], syscall.PROT_READ|syscall.PROT_WRITE))
	}
	b[size-1], b[page] = 'g', 'g'
	fmt.Printf("calls: %d guarded pages\n", pairs)
	check(syscall.Munmap(b))
}

// tooLarge asks for room for a file that nothing has room for: it gets none, and none is
// taken.
func tooLarge() {
	f, err := os.CreateTemp("", "calls")
	check(err)
	check(os.Remove(f.Name()))
	before := free()
	err = syscall.Fallocate(int(f.Fd()), 0, 0, 1<<38)
	st, e := f.Stat()
	check(e)
	fmt.Printf("calls: a file of 256 GiB: %v, of size %d, memory kept: %v\n", err, st.Size(), before-free() > 1<<20)
	check(f.Close())
}

// free is how much memory the machine has free, 0 in a process.
func free() int {
	m, err := pv.Memory()
	if err != nil && !errors.Is(err, pv.ErrNotVirtual) {
		check(err)
	}
	return int(m.Free)
}
