package runtime

// Memory of the program as the kernel reads and writes it for calls: an address
// that is not the program's ends the copy, and the call returns EFAULT.

import (
	goabi "internal/abi"
	"internal/runtime/doze/mmio"
)

// dozeTryCopy copies n bytes and returns how many are left because an address
// faulted. Page-wise first touches are served as everywhere.
func dozeTryCopy(dst, src, n uintptr) (left uintptr)

// dozeTryClear zeroes n bytes and returns how many are left.
func dozeTryClear(dst, n uintptr) (left uintptr)

// The one instruction of each that touches the program's memory. A fault there
// goes on behind it, dozeRepSize further, with what is left in RCX.
func dozeRepMovsb(dst, src, n uintptr) (left uintptr)
func dozeRepStosb(dst, n uintptr) (left uintptr)

const dozeRepSize = 2

// dozeFixup returns where to go on after a fault at rip that is not served, 0
// if that is the end.
func dozeFixup(rip uintptr) uintptr {
	if rip == goabi.FuncPCABI0(dozeRepMovsb) || rip == goabi.FuncPCABI0(dozeRepStosb) {
		return rip + dozeRepSize
	}
	return 0
}

// dozeCopyOut writes n bytes from the kernel's src to the program's dst.
func dozeCopyOut(dst, src, n uintptr) bool { return dozeTryCopy(dst, src, n) == 0 }

// dozeCopyIn reads n bytes of the program's src into the kernel's dst.
func dozeCopyIn(dst, src, n uintptr) bool { return dozeTryCopy(dst, src, n) == 0 }

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
			return 0, 0, dozeEFAULT
		}
		for end := n + piece; n < end; n++ {
			if mmio.Load8(path+n) == 0 {
				return path, n, 0
			}
		}
	}
	return 0, 0, dozeENAMETOOLONG
}
