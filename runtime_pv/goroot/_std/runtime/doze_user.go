package runtime

// Memory of the program as the kernel reads and writes it for calls. All of it goes
// through here (ci/rules): an address that is not the program's ends the copy, and
// the call returns EFAULT.

import (
	goabi "internal/abi"
	"internal/runtime/doze/abi"
	"internal/runtime/doze/linux"
	"internal/runtime/doze/mmio"
	"unsafe"
)

// dozeTryCopy copies n bytes and returns how many are left because an address
// faulted. Page-wise first touches are served as everywhere.
func dozeTryCopy(dst, src, n uintptr) (left uintptr)

// dozeTryClear zeroes n bytes and returns how many are left.
func dozeTryClear(dst, n uintptr) (left uintptr)

// dozeTryLoad32 reads an aligned word at once.
func dozeTryLoad32(p uintptr) (v uint32, ok bool)

// The one instruction of each that touches the program's memory. A fault there
// goes on behind it, dozeRepSize further, with what is left in RCX; one of the
// last goes on at dozeLoadFailed.
func dozeRepMovsb(dst, src, n uintptr) (left uintptr)
func dozeRepStosb(dst, n uintptr) (left uintptr)
func dozeLoad32(p uintptr) (v uint32, ok bool)
func dozeLoadFailed(p uintptr) (v uint32, ok bool)

const dozeRepSize = 2

// dozeFixup returns where to go on after a fault at rip that is not served, 0
// if that is the end.
func dozeFixup(rip uintptr) uintptr {
	switch rip {
	case goabi.FuncPCABI0(dozeRepMovsb), goabi.FuncPCABI0(dozeRepStosb):
		return rip + dozeRepSize
	case goabi.FuncPCABI0(dozeLoad32):
		return goabi.FuncPCABI0(dozeLoadFailed)
	}
	return 0
}

// dozeUserPart returns how many of the n bytes at p a program may name: those in its
// image, and in what it maps, up to the first thread's stack. The rest is the
// kernel's, the nucleus's, or nobody's.
func dozeUserPart(p, n uintptr) uintptr {
	switch end := alignUp(firstmoduledata.end, dozePage); {
	case p >= dozeMmapLow && p < dozeMainStackHi:
		return min(n, dozeMainStackHi-p)
	case p >= abi.ImageBase && p < end:
		return min(n, end-p)
	}
	return 0
}

// dozeUserLimit is the first address that no Linux program can name
// (TASK_SIZE_MAX). Some calls refuse a range that reaches so far before they look
// at anything else.
const dozeUserLimit = 1<<47 - dozePage

// dozeRangeOK is Linux's access_ok: it looks at numbers alone.
func dozeRangeOK(p, n uintptr) bool { return p+n >= p && p+n <= dozeUserLimit }

// dozeUserWrite copies n bytes from the kernel's src to the program's p, and returns
// how many are left.
func dozeUserWrite(p, src, n uintptr) (left uintptr) {
	part := dozeUserPart(p, n)
	return n - part + dozeTryCopy(p, src, part)
}

// dozeUserRead copies n bytes from the program's p to the kernel's dst, and returns
// how many are left.
func dozeUserRead(dst, p, n uintptr) (left uintptr) {
	part := dozeUserPart(p, n)
	return n - part + dozeTryCopy(dst, p, part)
}

// dozeUserClear zeroes n bytes at the program's p, and returns how many are left.
func dozeUserClear(p, n uintptr) (left uintptr) {
	part := dozeUserPart(p, n)
	return n - part + dozeTryClear(p, part)
}

// dozeCopyOut writes n bytes from the kernel's src to the program's p.
func dozeCopyOut(p, src, n uintptr) bool { return dozeUserWrite(p, src, n) == 0 }

// dozeCopyIn reads n bytes of the program's p into the kernel's dst.
func dozeCopyIn(dst, p, n uintptr) bool { return dozeUserRead(dst, p, n) == 0 }

// dozeGet reads a value at the program's p.
func dozeGet[T any](p uintptr, to *T) bool { return dozeCopyIn(dozeAddr(to), p, unsafe.Sizeof(*to)) }

// dozePut writes a value to the program's p.
func dozePut[T any](p uintptr, from *T) bool {
	return dozeCopyOut(p, dozeAddr(from), unsafe.Sizeof(*from))
}

// dozePutOr writes a value to the program's p and returns a call's result: r, or
// EFAULT.
func dozePutOr[T any](p uintptr, from *T, r uintptr) uintptr {
	if !dozePut(p, from) {
		return dozeErr(linux.EFAULT)
	}
	return r
}

// dozeGetWord reads the aligned word at the program's p at once, while other
// threads change it.
func dozeGetWord(p uintptr) (v uint32, ok bool) {
	if dozeUserPart(p, 4) < 4 {
		return 0, false
	}
	return dozeTryLoad32(p)
}

// dozePathMax is the longest path with its zero (Linux limits.h).
const dozePathMax = 4096

// dozePaths hold the paths of the call being served; rename has two.
var dozePaths [2][dozePathMax]byte

// dozeCopyPath copies the path at p into dozePaths[i] and returns its address
// and its length without the zero, or the error of a bad one.
func dozeCopyPath(i int, p uintptr) (path, n uintptr, errno uintptr) {
	path = dozeAddr(&dozePaths[i][0])
	for n < dozePathMax {
		// A path may end right before a page that is not there.
		piece := min(dozePage-(p+n)&(dozePage-1), dozePathMax-n)
		if !dozeCopyIn(path+n, p+n, piece) {
			return 0, 0, linux.EFAULT
		}
		for end := n + piece; n < end; n++ {
			if mmio.Load8(path+n) == 0 {
				return path, n, 0
			}
		}
	}
	return 0, 0, linux.ENAMETOOLONG
}
