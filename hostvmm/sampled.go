package hostvmm

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/guestmem"
	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/hostvmm/thread"
	"github.com/doze-vm/doze/kernel/abi"
)

// sampled is the side of a vCPU that is sampled. Its own goroutine calls enter and
// leave around KVM_RUN; the sampler starts it, reads it and asks
// (docs/profile.md).
type sampled struct {
	to atomic.Pointer[sampler] // who samples, nil = nobody

	asked   atomic.Bool
	entered atomic.Int64 // CPU clock of the thread when it entered KVM_RUN, 0 = unknown, or not in it
	total   atomic.Int64 // CPU time of the runs that ended, ns
	booked  atomic.Int64 // of total, what is in samples
	looked  atomic.Int64 // total when the vCPU last answered
}

// threadCPU is the calling thread's CPU clock, in ns.
func threadCPU() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err) // the clock exists since Linux 2.6.12, and ts is ours
	}
	return ts.Nano()
}

// enter is called before KVM_RUN, on the locked thread that will run the vCPU. It
// forgets a request that came too late for an exit before: what runs now is not
// what was asked about.
func (p *sampled) enter() {
	if p.to.Load() == nil {
		return
	}
	p.asked.Store(false)
	p.entered.Store(threadCPU())
}

// leave is called when KVM_RUN has returned, and reports whether a sample was
// asked for.
func (p *sampled) leave() bool {
	if p.to.Load() == nil && p.entered.Load() == 0 {
		return false
	}
	if entered := p.entered.Swap(0); entered != 0 {
		p.total.Add(max(threadCPU()-entered, 0))
	}
	return p.asked.Swap(false)
}

// used is the CPU time in KVM_RUN, the run that goes on included, which thread tid
// is in (0 = none). It may be off while that run ends; samples do not use it.
func (p *sampled) used(tid int) int64 {
	total := p.total.Load()
	if tid == 0 {
		return total
	}
	now, err := thread.CPU(tid)
	if err != nil {
		return total
	}
	// A run that began before the sampling did counts from now on. One that ended
	// meanwhile leaves the value to the next entry, which overwrites it.
	if p.entered.CompareAndSwap(0, int64(now)) {
		return total
	}
	return total + max(int64(now)-p.entered.Load(), 0)
}

// reading is one sample on its way to the sampler.
type reading struct {
	cpu  int
	n    int
	pcs  [sample.MaxFrames]uint64
	top  [sample.TopWords]uint64
	time time.Duration
}

// answer samples the vCPU for the sampler. The vCPU's goroutine calls it right
// after KVM_RUN.
func (c *vcpu) answer() {
	s := c.sampled.to.Load()
	if s == nil {
		return
	}
	total := c.sampled.total.Load()
	c.sampled.looked.Store(total)
	r := reading{cpu: c.number, time: time.Duration(total - c.sampled.booked.Load())}
	if !c.read(&r) {
		return
	}
	select {
	case s.readings <- r:
		c.sampled.booked.Store(total)
	default: // the sampler is late
		s.lost.Add(1)
	}
}

// read fills in what the vCPU was executing, and reports whether it was: it may
// have slept in a HLT.
func (c *vcpu) read(r *reading) bool {
	regs, err := c.cpu.Regs()
	if err != nil {
		return false
	}
	if regs.RIP >= abi.BlobBase && regs.RIP < abi.BlobEnd {
		// The nucleus keeps no frame pointers: RBP belongs to what it interrupted.
		r.n, r.pcs[0] = 1, regs.RIP
		halted, err := c.cpu.Halted()
		return err == nil && !halted
	}
	s, err := c.cpu.Sregs()
	if err != nil {
		return false
	}
	ram := c.machine.ram.now()
	page := abi.VCPUPage0 + uint64(c.number)*abi.PageSize
	r.n = copy(r.pcs[:], guestmem.Stack(ram, page, s.CR3, &regs))
	for i := range r.top {
		r.top[i], _ = guestmem.ReadVirtual(ram, s.CR3, regs.RSP+8*uint64(i))
	}
	return true
}

// stack is the reading's, with the caller that frame pointers leave out.
func (r *reading) stack(o sample.Options) []uint64 {
	pcs := r.pcs[:r.n]
	if o.Caller == nil {
		return pcs
	}
	ret, ok := o.Caller(pcs[0], r.top)
	if !ok {
		return pcs
	}
	r.n = min(r.n+1, len(r.pcs))
	pcs = r.pcs[:r.n]
	copy(pcs[2:], pcs[1:])
	pcs[1] = ret
	return pcs
}
