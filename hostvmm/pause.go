package hostvmm

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/doze-vm/doze/hostvmm/park"
)

// PauseLimit is how long a vCPU may take to stop: far longer than any exit takes,
// unless what the guest prints goes to a pipe that nobody reads.
const PauseLimit = 10 * time.Second

// errGone is what is said of a machine that has ended, or is about to.
var errGone = errors.New("the machine has ended")

// gate is where the vCPUs of a paused machine wait.
type gate struct {
	one sync.Mutex // one pause or resume at a time

	mu     sync.Mutex
	open   chan struct{} // closed when the pause is over; nil: no pause
	halted int           // vCPUs that wait
	change chan struct{} // told when halted or the number of vCPUs changes
}

func newGate() gate { return gate{change: make(chan struct{}, 1)} }

// closed is the channel to wait for, nil if there is no pause.
func (g *gate) closed() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// wait returns when there is no pause, and how long that took.
func (g *gate) wait() time.Duration {
	g.mu.Lock()
	open := g.open
	if open == nil {
		g.mu.Unlock()
		return 0
	}
	g.halted++
	g.mu.Unlock()
	g.tell()
	start := time.Now()
	<-open
	g.mu.Lock()
	g.halted--
	g.mu.Unlock()
	return time.Since(start)
}

// tell wakes who waits in Pause.
func (g *gate) tell() {
	select {
	case g.change <- struct{}{}:
	default:
	}
}

// release ends a pause, if there is one.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
}

// Paused says whether the machine is paused, or about to be.
func (m *Machine) Paused() bool { return m.gate.closed() != nil }

// Pause stops all vCPUs, and returns when they have stopped: nothing of the guest
// runs and nothing of it changes until Resume. vCPUs that sleep are not woken for
// it; what becomes due meanwhile is found afterwards. The guest's clocks go on.
// The time is stolen time for a vCPU that ran. Any goroutine may call it.
func (m *Machine) Pause() error {
	g := &m.gate
	g.one.Lock()
	defer g.one.Unlock()
	if !m.Running() {
		return errGone
	}
	if g.closed() != nil {
		return nil
	}
	g.mu.Lock()
	g.open = make(chan struct{})
	g.mu.Unlock()
	for c := range m.vcpus() {
		c.sleeper.Request(park.Pause)
	}
	limit := time.NewTimer(PauseLimit)
	defer limit.Stop()
	for {
		if m.stopping.Load() { // the release of stop may have been before this pause
			g.release()
			return errGone
		}
		if m.allHalted() {
			return nil
		}
		select {
		case <-g.change:
		case <-limit.C:
			g.release()
			return fmt.Errorf("a vCPU has not stopped within %v: what the program prints is not read", PauseLimit)
		}
	}
}

func (m *Machine) allHalted() bool {
	n := 0
	for range m.vcpus() {
		n++
	}
	m.gate.mu.Lock()
	defer m.gate.mu.Unlock()
	return m.gate.halted == n
}

// Resume ends a pause. Without one it does nothing.
func (m *Machine) Resume() error {
	m.gate.one.Lock()
	defer m.gate.one.Unlock()
	if !m.Running() {
		return errGone
	}
	m.gate.release()
	return nil
}

// pausedAwake lets a pause pass for a vCPU that does not sleep.
func (c *vcpu) pausedAwake() {
	if d := c.machine.gate.wait(); d > 0 {
		c.account.Withheld(d)
	}
}
