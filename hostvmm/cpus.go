package hostvmm

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/doze-vm/doze/hostvmm/control"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// Refusals of SetCPUs.
var (
	ErrVetoed      = errors.New("the program does not want that number of vCPUs")
	errNoMemory    = errors.New("the guest has no memory for another vCPU")
	errUnanswered  = errors.New("the guest did not answer")
	errReplaced    = errors.New("another request came in between")
	errImpossible  = errors.New("the guest can't have so many vCPUs")
	errNotReported = errors.New("the guest's answer makes no sense")
)

// HotplugLimit is how long a guest may take to change its vCPUs: its program may
// think for a second, and a busy host takes its time to run them all.
const HotplugLimit = 15 * time.Second

// hotplug is the state of changes of the number of vCPUs.
type hotplug struct {
	one    sync.Mutex // one change at a time
	target atomic.Int32
}

// answers are the words in the machine page by which the kernel answers. The guest
// can write anything there: it only fools whoever asked.
func (m *Machine) answers() (online *atomic.Uint64, moves, verdict *atomic.Uint32) {
	page := unsafe.Pointer(&m.mem[abi.MachinePage])
	return (*atomic.Uint64)(unsafe.Add(page, abi.MachineOnline)),
		(*atomic.Uint32)(unsafe.Add(page, abi.MachineAnswers)), (*atomic.Uint32)(unsafe.Add(page, abi.MachineVerdict))
}

// SetCPUs changes how many vCPUs run threads, from 1 to the machine's most, and
// returns when they do. Any goroutine may call it.
func (m *Machine) SetCPUs(n int) error {
	if n < 1 || n > len(m.cpus) {
		return fmt.Errorf("%d vCPUs: this machine can have 1 to %d", n, len(m.cpus))
	}
	v := &m.hotplug
	v.one.Lock()
	defer v.one.Unlock()
	if !m.Running() {
		return errGone
	}
	if m.Paused() {
		return errors.New("the machine is paused: resume it first")
	}
	if err := m.makeVCPUs(n); err != nil {
		return fmt.Errorf("the host has no room for another vCPU: %w", err)
	}
	_, moves, verdict := m.answers()
	before := moves.Load()
	m.tell(control.CPUsLine(n))
	for start := time.Now(); moves.Load() == before; time.Sleep(time.Millisecond) {
		if !m.Running() {
			return errGone
		}
		if time.Since(start) > HotplugLimit {
			return fmt.Errorf("%w within %v", errUnanswered, HotplugLimit)
		}
	}
	switch verdict.Load() {
	case abi.VerdictDone:
		v.target.Store(int32(n))
		return nil
	case abi.VerdictVetoed:
		return ErrVetoed
	case abi.VerdictNoMemory:
		return errNoMemory
	case abi.VerdictReplaced:
		return errReplaced
	case abi.VerdictImpossible:
		return errImpossible
	}
	return errNotReported
}

// CPUStatus says what the vCPUs do and where their time went. Any goroutine may
// call it while the machine is not closed.
func (m *Machine) CPUStatus() vm.CPUs {
	online, _, _ := m.answers()
	mask := online.Load()
	s := vm.CPUs{Max: len(m.cpus), Target: int(m.hotplug.target.Load())}
	for i := range m.cpus {
		c := m.cpus[i].Load()
		if c == nil {
			mask &^= 1 << i
			continue
		}
		one := c.times()
		one.Number, one.State = i, vm.CPURunning
		switch {
		case mask>>i&1 == 0:
			one.State = vm.CPUOffline
		case m.Paused():
			one.State = vm.CPUPaused
		case c.sleeper.Parked():
			one.State = vm.CPUParked
		}
		s.Each = append(s.Each, one)
	}
	s.Online = bits.OnesCount64(mask)
	return s
}
