// Package park lets a vCPU sleep without a host thread and wakes it without a
// race (docs/nucleus.md 6).
//
// The vCPU's goroutine decides everything; others set bits and wake it. An event
// is ORed into a word of guest memory before the state is read, and the state is
// stored before the word is read, so one side always sees the other. Only the
// winner of the change from parked to running wakes the sleeper.
//
// The package must never believe state kept in guest memory: the guest can break
// its own sleep, not another's.
package park

import (
	"sync"
	"sync/atomic"
	"time"
)

// Shared are the words of a vCPU page that guest and VMM share.
type Shared struct {
	Pending *atomic.Uint64 // events; anyone ORs, the guest exchanges with 0
	Due     *atomic.Uint64 // deadline, kvmclock ns, all ones = none
	Want    *atomic.Uint32 // 1: interrupt the vCPU when an event comes while it runs
}

// Host is what a sleeper needs of its machine. Any goroutine may call these.
type Host struct {
	Now       func() uint64 // kvmclock, ns
	Kick      func()        // makes the vCPU leave the guest
	Interrupt func()        // sends the vCPU an interrupt

	// Rest and Resume are called by the vCPU's goroutine around a sleep that needs
	// no thread, so that it may give up the one it is locked to. Nil: nothing to do.
	Rest, Resume func()

	// Pause is called by the vCPU's goroutine when Pause was requested of a vCPU that
	// sleeps, and returns when that is over. Its guest is not woken. Nil: pauses are
	// never requested.
	Pause func()
}

// Requests to a vCPU's goroutine.
const (
	Stop = 1 << iota
	Pause
)

// Counts of a sleeper; read them at any time.
type Counts struct {
	Parks     uint64 // times the guest asked to sleep
	Sleeps    uint64 // times it did: nothing was pending or due
	Events    uint64 // sleeps ended by an event
	Deadlines uint64 // sleeps ended by their deadline
	Rechecks  uint64 // times the VMM looked at the clock without waking the guest
	Late      Late   // of Deadlines
}

// Add adds another sleeper's counts.
func (c *Counts) Add(o Counts) {
	c.Parks += o.Parks
	c.Sleeps += o.Sleeps
	c.Events += o.Events
	c.Deadlines += o.Deadlines
	c.Rechecks += o.Rechecks
	c.Late.add(o.Late)
}

// The state holds a generation above its lowest bit, so that a raiser that was
// delayed cannot end a later park.
const (
	parked     = 1
	generation = 2
)

// Sleeper is the sleeping side of one vCPU.
type Sleeper struct {
	Shared
	host     Host
	timer    *timer
	wait     Wait
	state    atomic.Uint64
	requests atomic.Uint32

	parks, sleeps, events, deadlines, rechecks atomic.Uint64
	late                                       lateness

	sleeping sync.Mutex    // what follows
	slept    time.Duration // in sleeps that ended
	began    time.Time     // of the sleep that lasts, else zero
}

// Wait is how a sleeper waits.
type Wait int

const (
	// InPoller waits without a thread: for many vCPUs in a process.
	InPoller Wait = iota
	// OnThread blocks the goroutine's thread. For a goroutine that is locked to
	// its thread anyway that is the cheaper way: a wake-up takes less than half
	// the CPU time, since no other thread must hand over.
	OnThread
)

// New makes a sleeper.
func New(shared Shared, host Host, wait Wait) (*Sleeper, error) {
	t, err := newTimer(wait)
	if err != nil {
		return nil, err
	}
	return &Sleeper{Shared: shared, host: host, timer: t, wait: wait}, nil
}

// Close frees it. Nobody may sleep or raise any more.
func (s *Sleeper) Close() error { return s.timer.close() }

// Raise tells the guest of events.
func (s *Sleeper) Raise(events uint64) {
	s.Pending.Or(events)
	if !s.wake() && s.Want.Load() != 0 {
		s.host.Interrupt()
	}
}

// Request asks something of the vCPU's goroutine, whatever its guest does.
func (s *Sleeper) Request(requests uint32) {
	s.requests.Or(requests)
	s.host.Kick()
	s.wake()
}

// Requests returns what was requested and forgets it. The vCPU's goroutine calls
// it after it cleared the kick and before it enters the guest.
func (s *Sleeper) Requests() uint32 { return s.requests.Swap(0) }

// Parked says whether the vCPU sleeps.
func (s *Sleeper) Parked() bool { return s.state.Load()&parked != 0 }

// Counts returns the counts so far.
func (s *Sleeper) Counts() Counts {
	return Counts{s.parks.Load(), s.sleeps.Load(), s.events.Load(), s.deadlines.Load(), s.rechecks.Load(), s.late.load()}
}

// wake ends a park, and reports whether there was one.
func (s *Sleeper) wake() bool {
	old := s.state.Load()
	if old&parked == 0 || !s.state.CompareAndSwap(old, old&^parked) {
		return false
	}
	s.timer.fire()
	return true
}

// Park sleeps until an event or a request other than Pause is pending, or the
// deadline has passed. Only the vCPU's goroutine calls it.
func (s *Sleeper) Park() {
	due := s.Due.Load()
	mine := s.begin()
	s.parks.Add(1)
	for slept := false; ; {
		if s.paused() {
			mine = s.begin()
		}
		now := s.host.Now()
		event, requests := s.Pending.Load() != 0, s.requests.Load()
		if requests == Pause {
			continue
		}
		if event || requests != 0 || due <= now {
			s.state.Store(mine &^ parked) // a waker that was faster stored the same
			if slept && !event && due <= now {
				s.late.add(now - due)
			}
			s.count(slept, event, due <= now)
			return
		}
		if !slept {
			s.sleeps.Add(1)
		} else {
			s.rechecks.Add(1)
		}
		s.timer.arm(due, now)
		// Whoever woke us before the timer was armed fired it in vain.
		if s.state.Load() == mine {
			s.rest()
		}
		slept = true
		if s.state.Load() != mine && s.requests.Load() != Pause {
			s.count(true, s.Pending.Load() != 0, false)
			return
		}
	}
}

// begin makes the vCPU a sleeping one, of a new generation.
func (s *Sleeper) begin() (mine uint64) {
	mine = (s.state.Load()|parked)&^parked + generation | parked
	s.state.Store(mine)
	return mine
}

// paused lets a pause pass if one was requested, and reports whether it was. Until
// the sleep begins anew, who wakes the vCPU finds it awake; what they raised is
// found afterwards.
func (s *Sleeper) paused() bool {
	if s.requests.And(^uint32(Pause))&Pause == 0 {
		return false
	}
	s.host.Pause()
	return true
}

// rest waits for the timer.
func (s *Sleeper) rest() {
	s.sleeping.Lock()
	s.began = time.Now()
	s.sleeping.Unlock()
	if s.wait == InPoller && s.host.Rest != nil {
		s.host.Rest()
		s.timer.wait()
		s.host.Resume()
	} else {
		s.timer.wait()
	}
	s.sleeping.Lock()
	s.slept += time.Since(s.began)
	s.began = time.Time{}
	s.sleeping.Unlock()
}

// Slept is how long the vCPU has slept in all, the sleep that lasts included.
func (s *Sleeper) Slept() time.Duration {
	s.sleeping.Lock()
	defer s.sleeping.Unlock()
	if s.began.IsZero() {
		return s.slept
	}
	return s.slept + time.Since(s.began)
}

// count books what ended a sleep.
func (s *Sleeper) count(slept, event, due bool) {
	switch {
	case !slept:
	case event:
		s.events.Add(1)
	case due:
		s.deadlines.Add(1)
	}
}
