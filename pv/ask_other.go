//go:build !(linux && amd64)

package pv

const (
	maxCPUs = 1
	opTimes = iota
	opClock
	opMemory
	opCPUs
	opExits
	opChange
	opAnswer
	opWatch
)

// ask has nobody to ask here.
func ask(uintptr, []uint64) (int, error) { return 0, ErrNotVirtual }
