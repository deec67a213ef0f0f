package density

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options say what to hold and how long.
type Options struct {
	Image    string // path
	Program  string // its name in the report; the path if empty
	Args     []string
	N        int
	Duration time.Duration // to hold them, from when they have settled
	Memory   uint64        // of each

	Parallel  int // machines that boot at the same time; 0 = by CPUs
	PerWorker int // machines in one process; 0 = DefaultPerWorker
	// WorkerCommand runs this program as a worker, which calls Serve.
	WorkerCommand []string
	// Progress is told what is going on; nil is quiet.
	Progress func(string)
}

// DefaultPerWorker is the most machines that one process should hold: each hangs
// a notifier on the process's memory map, which every copy-on-write calls.
const DefaultPerWorker = 250

// Limits, far above what any host needs.
const (
	sleepLimit  = 2 * time.Minute
	answerLimit = time.Minute
	settleLimit = 5 * time.Minute
	settled     = 3 * time.Second // without a wake-up
)

// Run starts the instances, holds them and reports. Instances that could not be had,
// and workers that were lost, are in the report; it is an error if none is left.
func Run(ctx context.Context, o Options) (r Report, err error) {
	o, err = o.complete()
	if err != nil {
		return Report{}, err
	}
	pools, err := makePools(o, &r)
	if err != nil {
		return Report{}, err
	}
	// A machine that is still booting can't be asked: it is stopped.
	stop := context.AfterFunc(ctx, func() {
		for _, p := range pools {
			p.abort()
		}
	})
	defer stop()
	ended := false
	defer func() {
		if !ended {
			each(pools, func(p pool) error { return errors.Join(p.Stop(struct{}{}, &Stopped{}), p.end()) })
		}
	}()
	c := &coordinator{Options: o, pools: pools, report: &r}
	if err := c.measure(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return r, err
	}
	ended = true
	c.stop()
	return r, nil
}

func (o Options) complete() (Options, error) {
	switch {
	case o.N < 1:
		return o, fmt.Errorf("%d instances: start at least one", o.N)
	case o.Duration <= 0:
		return o, fmt.Errorf("a duration of %v: hold them for some time", o.Duration)
	}
	if o.Parallel == 0 {
		o.Parallel = min(16, 4*runtime.NumCPU())
	}
	if o.PerWorker == 0 {
		o.PerWorker = DefaultPerWorker
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.N > o.PerWorker && len(o.WorkerCommand) == 0 {
		return o, fmt.Errorf("%d instances need workers: one process holds at most %d", o.N, o.PerWorker)
	}
	return o, nil
}

// makePools makes one pool here, or as many workers as needed and to be had.
func makePools(o Options, r *Report) ([]pool, error) {
	if o.N <= o.PerWorker {
		return []pool{newPool()}, nil
	}
	var pools []pool
	for i := range (o.N + o.PerWorker - 1) / o.PerWorker {
		w, err := startWorker(i+1, o.WorkerCommand)
		switch {
		case err != nil && i == 0:
			return nil, err
		case err != nil:
			r.Lost = append(r.Lost, withLimit(err))
			return pools, nil
		}
		pools = append(pools, w)
	}
	return pools, nil
}

// each calls f for all pools at the same time.
func each(pools []pool, f func(p pool) error) []error {
	errs := make([]error, len(pools))
	var wg sync.WaitGroup
	for i, p := range pools {
		wg.Go(func() { errs[i] = f(p) })
	}
	wg.Wait()
	return errs
}

// coordinator goes through the steps of one measurement.
type coordinator struct {
	Options
	pools  []pool // those that are left
	report *Report
}

// each calls f for all pools that are left. A pool with which it fails is lost, and what
// the others hold goes on; it is an error if none is left.
func (c *coordinator) each(f func(p pool) error) error {
	errs := each(c.pools, f)
	var left []pool
	for i, p := range c.pools {
		if errs[i] == nil {
			left = append(left, p)
			continue
		}
		c.report.Lost = append(c.report.Lost, errs[i].Error())
		p.abort()
		_ = p.end()
	}
	c.pools = left
	if len(left) == 0 {
		return errors.Join(errs...)
	}
	return nil
}

func (c *coordinator) measure(ctx context.Context) error {
	r := c.report
	r.Image, r.Instances, r.MemoryMiB = cmp.Or(c.Program, c.Image), c.N, c.Memory>>20
	r.Processes = len(c.pools)
	if c.Workers() {
		r.Processes++ // the coordinator
	}
	before, err := readHost()
	if err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	c.Progress("waiting until all have settled")
	if err := c.settle(ctx); err != nil {
		return err
	}
	first, err := c.sample(false)
	if err != nil {
		return err
	}
	c.Progress(fmt.Sprintf("holding %d machines for %v", r.Started, c.Duration))
	start := time.Now()
	if err := sleep(ctx, c.Duration); err != nil {
		return err
	}
	last, err := c.sample(false)
	if err != nil {
		return err
	}
	r.hold(time.Since(start), c.total(first), c.total(last))
	after, err := readHost()
	if err != nil {
		return err
	}
	last, err = c.sample(true) // takes CPU, so it comes after the hold
	if err != nil {
		return err
	}
	r.memory(before, after, c.total(last))
	c.Progress("asking each to answer")
	return c.answer()
}

// Workers says whether machines are in other processes.
func (c *coordinator) Workers() bool { return c.N > c.PerWorker }

func (c *coordinator) start(ctx context.Context) error {
	start, r := time.Now(), c.report
	var mu sync.Mutex
	left := c.N
	var times []time.Duration
	err := c.each(func(p pool) error {
		mu.Lock()
		n := min(left, c.PerWorker)
		left -= n
		mu.Unlock()
		var s Started
		err := p.Start(StartArgs{Image: c.Image, Args: c.Args, N: n, Memory: c.Memory,
			Parallel: max(c.Parallel/len(c.pools), 1), Limit: sleepLimit}, &s)
		mu.Lock()
		defer mu.Unlock()
		times = append(times, s.FirstSleeps...)
		r.NotStarted = append(r.NotStarted, s.Refused...)
		r.Started += len(s.FirstSleeps)
		if err == nil {
			c.Progress(fmt.Sprintf("%d of %d machines sleep", r.Started, c.N))
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case len(times) == 0:
		return fmt.Errorf("no machine could be started: %s", strings.Join(append(r.NotStarted, r.Lost...), "; "))
	}
	slices.Sort(times)
	r.StartTime = seconds(time.Since(start))
	r.FirstSleepMedian, r.FirstSleepMax = seconds(times[len(times)/2]), seconds(times[len(times)-1])
	return ctx.Err()
}

// settle waits until no machine has woken for a while. A program that wakes again
// and again never settles; it is measured as it is.
func (c *coordinator) settle(ctx context.Context) error {
	deadline := time.Now().Add(settleLimit)
	last := ^uint64(0)
	for busy := 0; busy < busyRounds && time.Now().Before(deadline); {
		s, err := c.sample(false)
		if err != nil {
			return err
		}
		now := sum(c.total(s).Wakeups)
		if now == last {
			return nil
		}
		if now < last || now-last >= uint64(c.report.Started) { // the first round counts too
			busy++
		}
		last = now
		if err := sleep(ctx, settled); err != nil {
			return err
		}
	}
	return nil
}

// busyRounds is after how many settling times in which every machine woke a
// program counts as one that never comes to rest.
const busyRounds = 6

// samples are those of the pools, and our own CPU time if they are other processes.
type samples struct {
	of  map[pool]*Sample
	own time.Duration
}

// sample asks all pools what they have used.
func (c *coordinator) sample(memory bool) (samples, error) {
	s := samples{of: make(map[pool]*Sample, len(c.pools))}
	for _, p := range c.pools {
		s.of[p] = &Sample{}
	}
	err := c.each(func(p pool) error { return p.Measure(memory, s.of[p]) })
	if c.Workers() {
		var t unix.Timespec
		err = errors.Join(err, unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t))
		s.own = time.Duration(t.Nano())
	}
	return s, err
}

// total adds up the samples of the pools that are left: two samples have the same
// machines in the same order, whatever was lost in between.
func (c *coordinator) total(s samples) Sample {
	total := Sample{CPU: s.own, GuestKiB: make(map[string]int64)}
	for _, p := range c.pools {
		total.add(*s.of[p])
	}
	return total
}

func (s *Sample) add(o Sample) {
	s.CPU += o.CPU
	s.Running += o.Running
	s.Asleep += o.Asleep
	s.Wakeups = append(s.Wakeups, o.Wakeups...)
	s.Exits = append(s.Exits, o.Exits...)
	s.Ends = append(s.Ends, o.Ends...)
	s.SharedKiB += o.SharedKiB
	s.OwnKiB += o.OwnKiB
	for k, v := range o.GuestKiB {
		s.GuestKiB[k] += v
	}
}

func (c *coordinator) answer() error {
	var mu sync.Mutex
	return c.each(func(p pool) error {
		n := 0
		err := p.Answer(answerLimit, &n)
		mu.Lock()
		defer mu.Unlock()
		c.report.Answered += n
		return err
	})
}

// stop ends all: what was measured counts, even if that fails with some.
func (c *coordinator) stop() {
	var mu sync.Mutex
	errs := each(c.pools, func(p pool) error {
		var left Stopped
		err := p.Stop(struct{}{}, &left)
		mu.Lock()
		c.report.LeftBehind += left.Descriptors + left.Mappings
		mu.Unlock()
		return errors.Join(err, p.end())
	})
	for _, err := range errs {
		if err != nil {
			c.report.Lost = append(c.report.Lost, err.Error())
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func sum(list []uint64) (total uint64) {
	for _, v := range list {
		total += v
	}
	return total
}

func seconds(d time.Duration) float64 { return d.Round(time.Microsecond).Seconds() }
