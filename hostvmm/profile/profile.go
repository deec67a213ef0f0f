// Package profile makes pprof profiles of machines: what their vCPUs executed, by
// the names in their images, and what the VMM used for them (docs/profile.md).
//
// Addresses come from guests and names from files of the user: neither is
// trusted, and an image that can't be read makes a profile without names, not an
// error. The package must never count CPU time twice.
package profile

import (
	"context"
	"fmt"
	"time"

	pprof "github.com/google/pprof/profile"

	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/hostvmm/symbols"
)

// Labels of samples and the values of labelPart.
const (
	labelMachine = "machine"
	labelVCPU    = "vcpu"
	labelPart    = "part"

	partGuest = "guest"
	partVMM   = "vmm"
)

// Machine is what is sampled, a *hostvmm.Machine.
type Machine interface {
	Sample(ctx context.Context, o sample.Options) (sample.Result, error)
	Memory() []byte
}

// Options say what to profile.
type Options struct {
	Name  string // the machine's, for the label
	Image string // path of its image
	// Symbols opens the image's symbols; nil opens those of the file that is at Image now.
	Symbols  func() (*symbols.Table, error)
	Hz       int
	Duration time.Duration
	// VMM adds the profile of this process. There can be one at a time.
	VMM bool
}

// Take profiles a machine for some time. The profile is shorter if the machine
// ends; the end of ctx is an error.
func Take(ctx context.Context, m Machine, o Options) (*pprof.Profile, error) {
	im := readImage(o, m.Memory())
	defer im.close()
	var vmm own
	if o.VMM {
		if err := vmm.start(); err != nil {
			return nil, err
		}
		defer vmm.abandon()
	}
	timed, cancel := context.WithTimeout(ctx, o.Duration)
	defer cancel()
	result, err := m.Sample(timed, sample.Options{Hz: o.Hz, Caller: im.caller(m.Memory())})
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	parts := []*pprof.Profile{guest(result, im, o.Name)}
	if o.VMM {
		p, err := vmm.stop(o.Name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return Merge(parts)
}

// Merge makes one profile of several that were taken at the same time.
func Merge(parts []*pprof.Profile) (*pprof.Profile, error) {
	p, err := pprof.Merge(parts)
	if err != nil {
		return nil, fmt.Errorf("merge profiles: %w", err)
	}
	p.DurationNanos = 0 // pprof takes them for one after the other
	for _, part := range parts {
		p.DurationNanos = max(p.DurationNanos, part.DurationNanos)
	}
	return p, nil
}

// empty is a profile without samples, of the kind that Go's CPU profiles are.
func empty(start time.Time, d, period time.Duration) *pprof.Profile {
	return &pprof.Profile{
		SampleType: []*pprof.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &pprof.ValueType{Type: "cpu", Unit: "nanoseconds"},
		Period:     int64(period), TimeNanos: start.UnixNano(), DurationNanos: int64(d),
	}
}
