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
	FirstSleeps []time.Duration // from making a machine to its first sleep, of each that is held
	Refused     []string        // why there are fewer than asked for
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

// startAll starts machines until there are enough or one can't be had: those that are
// there stay. It is an error if none is.
func (p *Pool) startAll(h *hostvmm.Host, im *loader.Image, a StartArgs, reply *Started) error {
	tickets := make(chan struct{}, max(a.Parallel, 1))
	var all sync.WaitGroup
	var mu sync.Mutex
	var first error
	failed := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return first != nil
	}
	for range a.N {
		tickets <- struct{}{}
		if failed() {
			break
		}
		all.Go(func() {
			defer func() { <-tickets }()
			took, err := p.startOne(h, im, a)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				reply.FirstSleeps = append(reply.FirstSleeps, took)
			case first == nil:
				first = err
			}
		})
	}
	all.Wait()
	if held := len(reply.FirstSleeps); first != nil && held > 0 {
		reply.Refused = []string{fmt.Sprintf("a process that should hold %d machines holds %d: %s", a.N, held, withLimit(first))}
		return nil
	}
	if first != nil {
		return errors.New(withLimit(first))
	}
	return nil
}

// startOne boots a machine and waits until it sleeps. One that does not is gone.
func (p *Pool) startOne(h *hostvmm.Host, im *loader.Image, a StartArgs) (took time.Duration, err error) {
	start := time.Now()
	m, err := hostvmm.New(h, im, vm.Config{Image: a.Image, Args: a.Args, Memory: a.Memory, CPUs: 1},
		hostvmm.Options{SmallPages: true})
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(p.ctx)
	ended := make(chan string, 1)
	p.runs.Go(func() {
		res, err := m.Run(ctx)
		stop()
		ended <- describeEnd(res, err)
	})
	if err := awaitSleep(m, a.Limit, ended); err != nil {
		stop()
		return 0, errors.Join(err, discard(m, ended))
	}
	took = time.Since(start)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.machines = append(p.machines, m)
	p.runs.Go(func() {
		why := <-ended
		if p.ctx.Err() != nil {
			return // it was told to
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ends = append(p.ends, why)
	})
	return took, nil
}

// awaitSleep waits until a machine sleeps. How it ended, if it did, stays in the channel.
func awaitSleep(m *hostvmm.Machine, limit time.Duration, ended chan string) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for late := time.After(limit); !m.Parked(); {
		select {
		case <-tick.C:
		case why := <-ended:
			ended <- why
			return errors.New("a machine ended before it slept: " + why)
		case <-late:
			return fmt.Errorf("a machine did not go to sleep within %v; the program must become idle", limit)
		}
	}
	return nil
}

// discard frees a machine that ends.
func discard(m *hostvmm.Machine, ended chan string) error {
	<-ended
	return m.Close()
}

// pollEvery is how often a machine that boots is looked at.
const pollEvery = 500 * time.Microsecond

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
