package pv

import (
	"syscall"
	"unsafe"

	"github.com/doze-vm/doze/kernel/abi"
)

const (
	maxCPUs  = abi.MaxVCPUs
	opTimes  = abi.PVTimes
	opClock  = abi.PVClock
	opMemory = abi.PVMemory
	opCPUs   = abi.PVCPUs
	opExits  = abi.PVExits
	opChange = abi.PVChange
	opAnswer = abi.PVAnswer
	opWatch  = abi.PVWatch
)

// ask fills words with the kernel's answer and returns how many of them it
// filled. Linux refuses the option without a look at the rest.
func ask(op uintptr, words []uint64) (int, error) {
	p := unsafe.Pointer(unsafe.SliceData(words))
	n, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, abi.PVPrctl, op, uintptr(p), uintptr(len(words)), 0, 0)
	if errno != 0 {
		return 0, ErrNotVirtual
	}
	return min(int(n), len(words)), nil
}
