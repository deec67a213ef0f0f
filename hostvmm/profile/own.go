package profile

import (
	"bytes"
	"errors"
	"fmt"
	runtime "runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"

	pprof "github.com/google/pprof/profile"
)

// ErrBusy says that this process is being profiled already.
var ErrBusy = errors.New("the VMM is being profiled already: try again when that has ended")

// guestTime is the function whose time is the guest's: it is in the guest's samples.
const guestTime = "hostvmm/kvm.(*VCPU).Run"

// owner is set while somebody profiles this process: there is one profiler in it.
var owner atomic.Bool

// own is the profile of this process.
type own struct {
	running bool
	data    bytes.Buffer
}

func (o *own) start() error {
	if !owner.CompareAndSwap(false, true) {
		return ErrBusy
	}
	if err := runtime.StartCPUProfile(&o.data); err != nil {
		owner.Store(false)
		return fmt.Errorf("profile of the VMM: %w", err)
	}
	o.running = true
	return nil
}

// abandon ends the profile if it still runs.
func (o *own) abandon() {
	if o.running {
		runtime.StopCPUProfile()
		o.running = false
		owner.Store(false)
	}
}

// stop ends the profile and returns it without the guest's time.
func (o *own) stop(machine string) (*pprof.Profile, error) {
	o.abandon()
	p, err := pprof.Parse(&o.data)
	if err != nil {
		return nil, fmt.Errorf("profile of the VMM: %w", err)
	}
	return vmmOnly(p, machine), nil
}

// vmmOnly drops the samples of guest time and labels the others.
func vmmOnly(p *pprof.Profile, machine string) *pprof.Profile {
	p.Sample = slices.DeleteFunc(p.Sample, inGuest)
	for _, s := range p.Sample {
		s.Label = map[string][]string{labelMachine: {machine}, labelPart: {partVMM}}
	}
	return p.Compact()
}

func inGuest(s *pprof.Sample) bool {
	for _, l := range s.Location {
		for _, line := range l.Line {
			if line.Function != nil && strings.HasSuffix(line.Function.Name, guestTime) {
				return true
			}
		}
	}
	return false
}
