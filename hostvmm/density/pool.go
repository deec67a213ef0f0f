package density

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// StartArgs say what a pool shall hold.
type StartArgs struct {
	Image    string
	Args     []string
	N        int
	Memory   uint64
	Parallel int           // machines that boot at the same time
	Limit    time.Duration // for each to go to sleep for the first time
}

// Started says how that went.
type Started struct {
	FirstSleeps []time.Duration // from making a machine to its first sleep
}

// Sample is what a pool has used so far.
type Sample struct {
	CPU       time.Duration // of the process, kernel's and user's
	Running   int           // machines that have not ended
	Asleep    int
	Wakeups   []uint64 // per machine
	Exits     []uint64
	GuestKiB  map[string]int64 // memory of all guests by owner
	SharedKiB int64            // of that, pages that all machines of the process share
	OwnKiB    int64            // of the process itself
	Ends      []string         // how machines ended that should not have
}

// Pool holds machines in this process. Its exported methods are served over RPC
// in a worker; they are called one at a time.
type Pool struct {
	ctx      context.Context // ends when the machines shall
	cancel   context.CancelFunc
	imageEnd uint64
	machines []*hostvmm.Machine
	runs     sync.WaitGroup
	mu       sync.Mutex
	ends     []string
}

func newPool() *Pool {
	p := &Pool{}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// abort ends the machines at once, from any goroutine.
func (p *Pool) abort() { p.cancel() }

// Start boots the machines, some at a time, and returns when all sleep.
func (p *Pool) Start(a StartArgs, reply *Started) error {
	im, err := loader.Open(a.Image)
	if err != nil {
		return err
	}
	defer im.Close()
	p.imageEnd = im.End
	_ = im.Share() // a host that can't share copies
	h, err := hostvmm.OpenHost()
	if err != nil {
		return err
	}
	defer h.Close()
	if err := p.startAll(h, im, a, reply); err != nil {
		return errors.Join(err, p.Stop(struct{}{}, &Stopped{}))
	}
	// What booting left behind goes now; from here on this process shall do
	// nothing that its machines don't ask for, not even collect garbage.
	debug.FreeOSMemory()
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(1 << 30)
	return nil
}

func (p *Pool) startAll(h *hostvmm.Host, im *loader.Image, a StartArgs, reply *Started) error {
	tickets := make(chan struct{}, max(a.Parallel, 1))
	errs := make(chan error, a.N)
	var mu sync.Mutex
	for range a.N {
		tickets <- struct{}{}
		go func() {
			took, err := p.startOne(h, im, a)
			mu.Lock()
			reply.FirstSleeps = append(reply.FirstSleeps, took)
			mu.Unlock()
			<-tickets
			errs <- err
		}()
	}
	var first error
	for range a.N {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// startOne boots a machine and waits until it sleeps.
func (p *Pool) startOne(h *hostvmm.Host, im *loader.Image, a StartArgs) (time.Duration, error) {
	start := time.Now()
	m, err := hostvmm.New(h, im, vm.Config{Image: a.Image, Args: a.Args, Memory: a.Memory, CPUs: 1},
		hostvmm.Options{SmallPages: true})
	if err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	p.mu.Lock()
	p.machines = append(p.machines, m)
	p.mu.Unlock()
	p.runs.Go(func() {
		defer close(ended)
		res, err := m.Run(p.ctx)
		if p.ctx.Err() == nil {
			p.mu.Lock()
			p.ends = append(p.ends, describeEnd(res, err))
			p.mu.Unlock()
		}
	})
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for late := time.After(a.Limit); !m.Parked(); {
		select {
		case <-tick.C:
		case <-ended:
			return 0, errors.New("a machine ended before it slept: " + p.lastEnd())
		case <-late:
			return 0, fmt.Errorf("a machine did not go to sleep within %v; the program must become idle", a.Limit)
		}
	}
	return time.Since(start), nil
}

// pollEvery is how often a machine that boots is looked at.
const pollEvery = 500 * time.Microsecond

func (p *Pool) lastEnd() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ends) == 0 {
		return "stopped"
	}
	return p.ends[len(p.ends)-1]
}

func describeEnd(res vm.Result, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case res.Crash != nil:
		return "crash: " + res.Crash.Text
	}
	return fmt.Sprintf("exit status %d", res.ExitCode)
}

// Measure takes a sample. Memory is looked at if asked, since that takes CPU.
func (p *Pool) Measure(memory bool, s *Sample) error {
	for _, m := range p.machines {
		st := m.Stats()
		s.Wakeups = append(s.Wakeups, st.Wakeups())
		s.Exits = append(s.Exits, st.Total)
		if m.Running() {
			s.Running++
		}
		if m.Parked() {
			s.Asleep++
		}
	}
	p.mu.Lock()
	s.Ends = slices.Clone(p.ends)
	p.mu.Unlock()
	var err error
	if memory {
		err = p.memory(s)
	}
	var t unix.Timespec
	if cpuErr := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); cpuErr != nil {
		return cpuErr
	}
	s.CPU = time.Duration(t.Nano())
	return err
}

// Answer kicks every machine and counts those that leave their sleep, take the
// event and sleep again within the limit.
func (p *Pool) Answer(limit time.Duration, answered *int) error {
	parks := make([]uint64, len(p.machines))
	for i, m := range p.machines {
		parks[i] = m.Stats().Park.Parks
		if m.Running() {
			m.Raise(abi.EventKick)
		}
	}
	deadline := time.Now().Add(limit)
	for i, m := range p.machines {
		for m.Running() && time.Now().Before(deadline) {
			if m.Answered() && m.Stats().Park.Parks > parks[i] {
				*answered++
				break
			}
			time.Sleep(pollEvery)
		}
	}
	return nil
}

// Stopped says what a pool left behind: nothing, if all is well.
type Stopped struct{ Descriptors, Mappings int }

// Stop ends all machines and frees them.
func (p *Pool) Stop(_ struct{}, left *Stopped) error {
	p.cancel()
	p.runs.Wait()
	var errs []error
	for _, m := range p.machines {
		errs = append(errs, m.Close())
	}
	p.machines = nil
	runtime.GC()
	left.Descriptors, left.Mappings = leftovers()
	return errors.Join(errs...)
}
