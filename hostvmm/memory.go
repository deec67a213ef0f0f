package hostvmm

import (
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// slotSize is how much memory is added at a time: a slot costs milliseconds and
// kernel memory once, whatever its size.
const slotSize = 64 << 20

// memory is what a machine has, and may have: docs/memory.md.
type memory struct {
	// all is as much of the host's address space as the machine may ever use;
	// what the guest can reach ends at present.
	all     []byte
	present atomic.Uint64

	boot, least uint64
	fixed       []loader.Range // the image's shared pages: not the guest's to give back

	// Under Machine.io.
	target  uint64
	slots   uint32
	refused uint64 // ranges that the guest gave back and could not
	asked   uint64 // sleeps of the machine when statistics were last asked for
}

// now is the memory that the guest can reach.
func (m *memory) now() virtio.RAM { return virtio.RAM(m.all[:m.present.Load()]) }

// Slice implements virtio.Memory.
func (m *memory) Slice(addr, length uint64) ([]byte, bool) { return m.now().Slice(addr, length) }

// newMemory maps the memory of a machine for an image.
func (m *Machine) newMemory(im *loader.Image, c vm.Config) (err error) {
	most := max(c.Memory, c.MaxMemory)
	if m.mapping, m.ram.all, err = loader.MapMemory(most); err != nil {
		return err
	}
	m.mem = m.ram.all[:c.Memory:c.Memory]
	m.ram.present.Store(c.Memory)
	m.ram.boot, m.ram.target, m.ram.slots = c.Memory, most, 1
	m.ram.least = im.Needs()
	m.ram.fixed = im.Shared()
	return nil
}

// max is the most memory the machine can have.
func (m *memory) max() uint64 { return uint64(len(m.all)) }

// grow adds a slot at the guest's request, and returns its size in pages: 0 if the
// machine has what it should have, or the host has no more.
func (m *Machine) grow() uint32 {
	m.io.Lock()
	defer m.io.Unlock()
	r := &m.ram
	start := r.present.Load()
	if start >= r.target {
		return 0
	}
	end := min(start+slotSize, r.max())
	if err := m.vm.SetMemory(r.slots, start, r.all[start:end]); err != nil {
		return 0
	}
	r.slots++
	r.present.Store(end)
	if end > r.target {
		m.inflate() // the rest of the slot is not for now
	}
	return uint32((end - start) / abi.PageSize)
}

// inflate tells the balloon what the target means for it.
func (m *Machine) inflate() {
	present := m.ram.present.Load()
	m.balloon.SetTarget(uint32((present - min(present, m.ram.target)) / abi.PageSize))
}

// release gives the host back what the guest says it does not use. The pages read as
// zero afterwards, which those of the image's file would not; those below LowEnd are
// shared with the VMM.
func (m *Machine) release(addr, length uint64) {
	r := &m.ram
	refuse := addr < abi.LowEnd
	for _, f := range r.fixed {
		refuse = refuse || addr < f.Start+f.Size && f.Start < addr+length
	}
	part, ok := r.Slice(addr, length)
	if refuse || !ok || unix.Madvise(part, unix.MADV_DONTNEED) != nil {
		r.refused++
	}
}

// SetBalloon says how much memory the machine should have, in bytes: the guest gives
// up the rest as far as it can, or may ask for more. Any goroutine may call it while
// the machine is not closed.
func (m *Machine) SetBalloon(target uint64) error {
	m.io.Lock()
	defer m.io.Unlock()
	if r := &m.ram; target < r.least || target > r.max() {
		return fmt.Errorf("a target of %d bytes: this machine can have %d (%d MiB) to %d (%d MiB)",
			target, r.least, r.least>>20, r.max(), r.max()>>20)
	}
	m.ram.target = (target + abi.PageSize - 1) &^ (abi.PageSize - 1)
	m.inflate()
	return nil
}

// How long MemoryStatus waits for the guest's statistics.
const (
	statsPatience = 100 * time.Millisecond
	statsLook     = time.Millisecond
)

// MemoryStatus says how much memory the machine has. A guest that ran since it last
// gave its statistics is asked for new ones; one that slept is left asleep. Any
// goroutine may call it while the machine is not closed.
func (m *Machine) MemoryStatus() vm.Memory {
	seen, wait := m.askStats()
	for end := time.Now().Add(statsPatience); wait && time.Now().Before(end); time.Sleep(statsLook) {
		m.io.Lock()
		_, now := m.balloon.Stats()
		m.io.Unlock()
		wait = now == seen
	}
	m.io.Lock()
	r := &m.ram
	present := r.present.Load()
	s := vm.Memory{Boot: r.boot, Max: r.max(), Target: r.target}
	s.Actual = present - min(present, uint64(m.balloon.Actual())*abi.PageSize)
	s.Guest, _ = m.balloon.Stats()
	m.io.Unlock()
	s.Resident = resident(r.all[:present])
	return s
}

// askStats asks for statistics if there may be news, and returns how many came so
// far.
func (m *Machine) askStats() (seen uint64, asked bool) {
	sleeps := m.sleeps()
	m.io.Lock()
	defer m.io.Unlock()
	_, seen = m.balloon.Stats()
	if !m.Running() || m.Paused() || m.closed || m.Parked() && seen > 0 && sleeps == m.ram.asked {
		return seen, false
	}
	// What the guest does to answer is one more sleep.
	m.ram.asked = sleeps + 1
	if !m.balloon.Started() {
		m.Raise(abi.EventDevice << balloonIndex) // then it starts, and gives some
		return seen, true
	}
	return seen, m.balloon.AskStats()
}

func (m *Machine) sleeps() (n uint64) {
	for c := range m.vcpus() {
		n += c.sleeper.Counts().Sleeps
	}
	return n
}

// resident is how many bytes of mem the host has pages for.
func resident(mem []byte) (bytes uint64) {
	const piece = 64 << 20
	var pages [piece / abi.PageSize]byte
	for ; len(mem) > 0; mem = mem[min(piece, len(mem)):] {
		n := min(piece, len(mem))
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(mem))), uintptr(n),
			uintptr(unsafe.Pointer(&pages)))
		if errno != 0 {
			return bytes
		}
		for _, p := range pages[:n/abi.PageSize] {
			bytes += uint64(p&1) * abi.PageSize
		}
	}
	return bytes
}
