package profile

import (
	"fmt"
	"strconv"
	"time"

	pprof "github.com/google/pprof/profile"

	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/kernel/abi"
)

// Functions that are in no image.
const (
	fnNucleus = "[nucleus]"
	fnUnknown = "[unknown]"
	fnFurther = "[further stacks]"
)

// builder makes the profile of one guest.
type builder struct {
	p         *pprof.Profile
	image     image
	mapping   *pprof.Mapping
	locations map[uint64]*pprof.Location
	functions map[function]*pprof.Function
}

// function is what tells functions apart: an image may have several of a name.
type function struct {
	name, file string
	entry      uint64
}

// guest makes a profile of what was sampled.
func guest(r sample.Result, im image, machine string) *pprof.Profile {
	b := builder{
		p: empty(r.Start, r.Duration, time.Second/time.Duration(max(r.Hz, 1))), image: im,
		locations: map[uint64]*pprof.Location{}, functions: map[function]*pprof.Function{},
		mapping: &pprof.Mapping{
			ID: 1, Start: abi.BlobBase, Limit: im.end, File: im.path, BuildID: im.buildID,
			HasFunctions: true, HasFilenames: true, HasLineNumbers: true,
		},
	}
	b.p.Mapping = []*pprof.Mapping{b.mapping}
	for _, stack := range r.Stacks {
		b.add(stack, machine)
	}
	b.comment(machine, r)
	return b.p
}

func (b *builder) add(stack sample.Stack, machine string) {
	s := &pprof.Sample{
		Value: []int64{stack.Count, int64(stack.Time)},
		Label: map[string][]string{
			labelMachine: {machine}, labelVCPU: {strconv.Itoa(stack.CPU)}, labelPart: {partGuest},
		},
	}
	for i, pc := range stack.PCs {
		if i > 0 {
			pc-- // a return address: the call is before it
		}
		s.Location = append(s.Location, b.location(pc))
	}
	if len(stack.PCs) == 0 {
		s.Location = []*pprof.Location{b.location(0)}
	}
	b.p.Sample = append(b.p.Sample, s)
}

func (b *builder) location(pc uint64) *pprof.Location {
	if l := b.locations[pc]; l != nil {
		return l
	}
	fn, line := b.place(pc)
	l := &pprof.Location{
		ID: uint64(len(b.p.Location) + 1), Address: pc, Mapping: b.mapping,
		Line: []pprof.Line{{Function: b.function(fn), Line: int64(line)}},
	}
	b.locations[pc] = l
	b.p.Location = append(b.p.Location, l)
	return l
}

// place names what is at pc; 0 is no address but where a stack should be.
func (b *builder) place(pc uint64) (function, int) {
	switch {
	case pc == 0:
		return function{name: fnFurther}, 0
	case pc < abi.ImageBase:
		return function{name: fnNucleus}, 0
	case b.image.syms == nil:
		return function{name: fnUnknown}, 0
	}
	f, ok := b.image.syms.Place(pc)
	if !ok {
		return function{name: fnUnknown}, 0
	}
	return function{f.Function, f.File, f.Entry}, f.Line
}

func (b *builder) function(key function) *pprof.Function {
	if f := b.functions[key]; f != nil {
		return f
	}
	f := &pprof.Function{
		ID: uint64(len(b.p.Function) + 1), Name: key.name, SystemName: key.name, Filename: key.file,
	}
	b.functions[key] = f
	b.p.Function = append(b.p.Function, f)
	return f
}

// comment says what is not in the samples.
func (b *builder) comment(machine string, r sample.Result) {
	say := func(format string, args ...any) {
		b.p.Comments = append(b.p.Comments, "machine "+machine+": "+fmt.Sprintf(format, args...))
	}
	if b.image.why != nil {
		say("no names: %v", b.image.why)
	}
	if r.Unsampled >= time.Millisecond {
		say("%v of CPU time after the last samples are not in this profile", r.Unsampled.Round(time.Millisecond))
	}
	if r.Lost > 0 {
		say("%d samples were late; their time is in the next ones", r.Lost)
	}
}
