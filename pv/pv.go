// Package pv tells a program what its Doze machine tells of itself: time that the
// host gave to others, the clock, memory, vCPUs, and what left the guest.
//
// Built into an image it asks the kernel beneath the Go runtime; nothing leaves
// the guest. In a program that plain Go built, or on another system, everything
// returns zeros and ErrNotVirtual, so that a program may use it wherever it runs.
//
// The package must never import more than the standard library, never start a
// goroutine that nobody asked for, and never change what it reads.
package pv

import (
	"errors"
	"time"
)

// ErrNotVirtual says that the program does not run in a Doze machine.
var ErrNotVirtual = errors.New("pv: not in a Doze machine")

// Times is where the time of a vCPU went since it came in. They add up to that
// time.
type Times struct {
	CPU   int           // the vCPU's number
	Run   time.Duration // the program had a physical CPU
	Idle  time.Duration // the program wanted none
	Steal time.Duration // the program wanted one, and the host gave it to others
}

// StealTimes is an account of time.
type StealTimes struct {
	// Offered says whether the host tells what it steals. Where it does not, Steal
	// is 0 and stolen time counts as Run.
	Offered bool
	Total   time.Duration // stolen from all vCPUs
	CPUs    []Times       // of each vCPU that is online
}

// Steal returns the account of time of each vCPU.
func Steal() (StealTimes, error) {
	var words [1 + 4*maxCPUs]uint64
	n, err := ask(opTimes, words[:])
	if err != nil {
		return StealTimes{}, err
	}
	s := StealTimes{Offered: words[0] != 0}
	for w := words[1:n]; len(w) >= 4; w = w[4:] {
		t := Times{CPU: int(w[0]), Run: time.Duration(w[1]), Idle: time.Duration(w[2]), Steal: time.Duration(w[3])}
		s.Total += t.Steal
		s.CPUs = append(s.CPUs, t)
	}
	return s, nil
}

// ClockState is the machine's clock.
type ClockState struct {
	Source string // "kvmclock", or "tsc" if the kernel measured the counter's rate itself
	Stable bool   // all vCPUs read the same clock
	Timer  string // "tsc-deadline", "x2apic" or "xapic"
	// Monotonic is the time since the clock began, Wall the time of day, both read
	// at once.
	Monotonic time.Duration
	Wall      time.Time
}

// Clock returns the clock's state.
func Clock() (ClockState, error) {
	var w [5]uint64
	if _, err := ask(opClock, w[:]); err != nil {
		return ClockState{}, err
	}
	c := ClockState{Source: "tsc", Stable: w[1] == 0, Monotonic: time.Duration(w[3]), Wall: time.Unix(0, int64(w[4]))}
	if w[0] != 0 {
		c.Source = "kvmclock"
	}
	if timers := [...]string{"tsc-deadline", "x2apic", "xapic"}; w[2] < uint64(len(timers)) {
		c.Timer = timers[w[2]]
	}
	return c, nil
}

// MemoryState is the machine's memory, in bytes.
type MemoryState struct {
	Total   uint64 // that the kernel has, in use or free
	Free    uint64
	Boot    uint64 // Total when the machine booted
	Max     uint64 // what Total can grow to
	Target  uint64 // what the host wants it to be
	Balloon uint64 // given to the host
}

// Memory returns the memory's state.
func Memory() (MemoryState, error) {
	var w [6]uint64
	_, err := ask(opMemory, w[:])
	return MemoryState{w[0], w[1], w[2], w[3], w[4], w[5]}, err
}

// CPUState is how many vCPUs there are.
type CPUState struct {
	Online int // they run the program
	Max    int // there can be
	Target int // the host wants
}

// CPUs returns how many vCPUs there are.
func CPUs() (CPUState, error) {
	var w [3]uint64
	_, err := ask(opCPUs, w[:])
	return CPUState{int(w[0]), int(w[1]), int(w[2])}, err
}

// ExitCounts are events of the machine since it booted.
type ExitCounts struct {
	Wakeups      uint64 // times a sleeping vCPU went on
	Timers       uint64 // timer interrupts
	Requests     uint64 // of the kernel to ring 0: clocks and timers armed, page tables edited
	UnknownCalls uint64 // system calls answered with ENOSYS
}

// Exits returns what happened between the program and the host.
func Exits() (ExitCounts, error) {
	var w [4]uint64
	_, err := ask(opExits, w[:])
	return ExitCounts{w[0], w[1], w[2], w[3]}, err
}
