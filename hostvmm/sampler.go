package hostvmm

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/kernel/abi"
)

// Bounds of the rate at which a machine can be sampled. 99 instead of 100 keeps
// apart from whatever the guest does a hundred times a second.
const (
	DefaultSampleHz = 99
	MaxSampleHz     = 1000
)

// idlePart says how little CPU time a vCPU may have used since it last answered to
// be left alone: this part of a tick's time. One that halts in KVM uses only what
// answering costs.
const idlePart = 8

// sampling is what a machine needs to be sampled.
type sampling struct {
	mu    sync.Mutex    // held by who samples
	ended chan struct{} // closed when the machine has
}

// end ends the sampling and waits for it, so that the machine may be closed.
func (s *sampling) end() {
	close(s.ended)
	s.mu.Lock()
	defer s.mu.Unlock()
}

// sampler samples one machine. One goroutine drives it.
type sampler struct {
	machine  *Machine
	options  sample.Options
	readings chan reading
	lost     atomic.Uint64
	known    [abi.MaxVCPUs]bool
	least    int64 // CPU time in ns below which a vCPU is left alone
	set      sample.Set
}

// Sample looks o.Hz times a second at what the machine's vCPUs are executing, until
// ctx or the machine ends. Any goroutine may call it, one at a time. vCPUs that
// sleep are neither woken nor charged.
func (m *Machine) Sample(ctx context.Context, o sample.Options) (sample.Result, error) {
	if o.Hz < 1 || o.Hz > MaxSampleHz {
		return sample.Result{}, fmt.Errorf("sampling at %d Hz: use 1 to %d", o.Hz, MaxSampleHz)
	}
	if !m.sampling.mu.TryLock() {
		return sample.Result{}, sample.ErrBusy
	}
	defer m.sampling.mu.Unlock()
	if !m.Running() {
		return sample.Result{}, sample.ErrNotRunning
	}
	tick := time.Second / time.Duration(o.Hz)
	s := &sampler{
		machine: m, options: o, least: int64(tick / idlePart), readings: make(chan reading, 2*len(m.cpus)),
	}
	start := time.Now()
	s.loop(ctx, tick)
	return sample.Result{
		Start: start, Duration: time.Since(start), Hz: o.Hz,
		Stacks: s.set.List(), Unsampled: s.stop(), Lost: s.lost.Load(),
	}, nil
}

// loop asks and collects until the end.
func (s *sampler) loop(ctx context.Context, tick time.Duration) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		for c := range s.machine.vcpus() {
			s.look(c)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.machine.sampling.ended:
			return
		case <-ticker.C:
		}
		s.collect()
	}
}

// look asks a vCPU for a sample if it runs and has used enough CPU time.
func (s *sampler) look(c *vcpu) {
	p := &c.sampled
	if !s.known[c.number] {
		s.known[c.number] = true
		p.to.Store(s)
		used := p.used(c.cpu.Thread())
		p.booked.Store(used)
		p.looked.Store(used)
		return
	}
	tid := c.cpu.Thread()
	if tid == 0 || p.used(tid)-p.looked.Load() < s.least {
		return
	}
	p.asked.Store(true)
	c.cpu.Kick()
}

// collect takes what the vCPUs answered.
func (s *sampler) collect() {
	for {
		select {
		case r := <-s.readings:
			s.set.Add(r.cpu, r.stack(s.options), r.time)
		default:
			return
		}
	}
}

// stop lets go of the vCPUs and returns their time that is in no sample.
func (s *sampler) stop() (left time.Duration) {
	for c := range s.machine.vcpus() {
		if s.known[c.number] {
			left += time.Duration(max(c.sampled.used(c.cpu.Thread())-c.sampled.booked.Load(), 0))
			c.sampled.to.Store(nil)
		}
	}
	s.collect()
	return left
}
