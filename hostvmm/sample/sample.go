// Package sample adds up what a sampled machine was doing: stacks of program
// counters, how often each was seen and the CPU time it stands for.
//
// It holds a bounded number of stacks, whatever a guest does, and never a sample
// by itself. It must never lose time: what has no room is added up under one
// stack without addresses.
package sample

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// Bounds. A stack of another program counter is another stack, so a program that
// does a lot of different things has some thousands.
const (
	MaxFrames = 64
	MaxStacks = 8192
)

// Reasons why a machine can't be sampled.
var (
	ErrBusy       = errors.New("the machine is being sampled already: try again when that has ended")
	ErrNotRunning = errors.New("the machine does not run")
)

// Options say how to sample.
type Options struct {
	Hz int // times a second
	// Caller, if not nil, is asked for each sample whether the function at pc has no
	// frame of its own (yet, or any more), so that the chain of frame pointers leaves
	// out who called it: the return address is then one of the words at the top of
	// the stack, or whatever Caller makes of them. The sampler's goroutine calls it.
	Caller func(pc uint64, top [TopWords]uint64) (ret uint64, ok bool)
}

// TopWords is the number of words of the stack's top that come with a sample.
const TopWords = 2

// Stack is one stack of one vCPU.
type Stack struct {
	CPU   int
	PCs   []uint64 // innermost first; empty for those that had no room
	Count int64
	Time  time.Duration // CPU time
}

// Set is the stacks seen so far. The zero value is ready; one goroutine uses it.
type Set struct {
	stacks map[string]*Stack
	rest   map[int]*Stack // what had no room, by vCPU
	key    []byte
}

// Add books one sample. Frames beyond MaxFrames are cut off.
func (s *Set) Add(cpu int, pcs []uint64, t time.Duration) {
	if s.stacks == nil {
		s.stacks, s.rest = map[string]*Stack{}, map[int]*Stack{}
	}
	pcs = pcs[:min(len(pcs), MaxFrames)]
	s.key = binary.LittleEndian.AppendUint32(s.key[:0], uint32(cpu))
	for _, pc := range pcs {
		s.key = binary.LittleEndian.AppendUint64(s.key, pc)
	}
	stack := s.stacks[string(s.key)]
	switch {
	case stack != nil:
	case len(s.stacks) < MaxStacks:
		stack = &Stack{CPU: cpu, PCs: slices.Clone(pcs)}
		s.stacks[string(s.key)] = stack
	default:
		if stack = s.rest[cpu]; stack == nil {
			stack = &Stack{CPU: cpu}
			s.rest[cpu] = stack
		}
	}
	stack.Count++
	stack.Time += t
}

// List returns the stacks, the longest time first.
func (s *Set) List() []Stack {
	var list []Stack
	for _, stack := range s.stacks {
		list = append(list, *stack)
	}
	for _, stack := range s.rest {
		list = append(list, *stack)
	}
	slices.SortFunc(list, func(a, b Stack) int {
		if a.Time != b.Time {
			return int(min(max(b.Time-a.Time, -1), 1))
		}
		if a.CPU != b.CPU {
			return a.CPU - b.CPU
		}
		return slices.Compare(a.PCs, b.PCs)
	})
	return list
}

// Result is what came of sampling a machine.
type Result struct {
	Start    time.Time
	Duration time.Duration
	Hz       int
	Stacks   []Stack
	// Unsampled is the time of vCPUs after their last sample.
	Unsampled time.Duration
	// Lost counts samples that found no room on their way; their time is in the
	// sample that came next.
	Lost uint64
}
