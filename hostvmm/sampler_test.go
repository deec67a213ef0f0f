package hostvmm

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/guesttest"
	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/kernel/abi"
)

// start runs a machine in the background until the test ends it.
func start(t *testing.T, m *Machine) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, err := m.Run(ctx); ended <- err }()
	require.Eventually(t, m.Running, limit, time.Millisecond)
	return func() { cancel(); require.NoError(t, <-ended) }
}

// sampleFor samples for some time.
func sampleFor(t *testing.T, m *Machine, d time.Duration) sample.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	r, err := m.Sample(ctx, sample.Options{Hz: DefaultSampleHz})
	require.NoError(t, err)
	return r
}

// sum is the time and number of a result's samples.
func sum(r sample.Result) (count int64, total time.Duration) {
	for _, s := range r.Stacks {
		count += s.Count
		total += s.Time
	}
	return count, total
}

func TestSampleOfALoop(t *testing.T) {
	code := new(guesttest.Code)
	code.Jump(code.Here())
	m := newMachine(t, code)
	end := start(t, m)
	before := m.cpus[0].Load().account.Times().Run
	r := sampleFor(t, m, 2*time.Second)
	used := time.Duration(m.cpus[0].Load().account.Times().Run - before)
	count, total := sum(r)
	t.Logf("%d samples of %v, %v unsampled, of %v that the thread ran in %v", count, total, r.Unsampled, used, r.Duration)
	require.Len(t, r.Stacks, 1)
	assert.Equal(t, uint64(abi.BlobBase+abi.Entry64), r.Stacks[0].PCs[0])
	assert.Greater(t, count, int64(20))
	assert.LessOrEqual(t, total+r.Unsampled, used)
	assert.InEpsilon(t, float64(used), float64(total+r.Unsampled), 0.25)
	assert.Less(t, r.Unsampled, total)

	// Once nobody samples, nothing is measured and nothing is kicked.
	exits := m.Stats().Exits["signal"]
	time.Sleep(100 * time.Millisecond)
	assert.LessOrEqual(t, m.Stats().Exits["signal"]-exits, uint64(5), "the vCPU is still kicked")
	assert.Nil(t, m.cpus[0].Load().sampled.to.Load())
	end()
	_, err := m.Sample(t.Context(), sample.Options{Hz: DefaultSampleHz})
	assert.ErrorIs(t, err, sample.ErrNotRunning)
}

// A machine that sleeps has no exit, no wake-up and no sample.
func TestSampleLeavesSleepersAlone(t *testing.T) {
	code := new(guesttest.Code).Store(abi.VCPUPage0+abi.ParkDue, abi.NoDeadline).Out8(abi.PortPark, 0)
	m := newMachine(t, code)
	defer start(t, m)()
	require.Eventually(t, m.Parked, limit, time.Millisecond)
	before := m.Stats()
	r := sampleFor(t, m, time.Second)
	assert.Equal(t, before, m.Stats())
	assert.Empty(t, r.Stacks)
	assert.Zero(t, r.Unsampled)
}

// One that halts inside KVM is not asked over and over.
func TestSampleOfAHalt(t *testing.T) {
	m := newMachine(t, new(guesttest.Code).Halt())
	defer start(t, m)()
	time.Sleep(100 * time.Millisecond)
	before := m.Stats().Exits["signal"]
	r := sampleFor(t, m, 2*time.Second)
	assert.Empty(t, r.Stacks)
	assert.LessOrEqual(t, m.Stats().Exits["signal"]-before, uint64(20), "of 198 ticks")
}

func TestSampleIsForOne(t *testing.T) {
	code := new(guesttest.Code)
	code.Jump(code.Here())
	m := newMachine(t, code)
	_, err := m.Sample(t.Context(), sample.Options{Hz: DefaultSampleHz})
	require.ErrorIs(t, err, sample.ErrNotRunning)
	end := start(t, m)
	for _, hz := range []int{0, -1, MaxSampleHz + 1} {
		_, err := m.Sample(t.Context(), sample.Options{Hz: hz})
		assert.ErrorContains(t, err, "use 1 to 1000")
	}
	type result struct {
		r   sample.Result
		err error
	}
	first := make(chan result)
	go func() { r, err := m.Sample(context.Background(), sample.Options{Hz: 1}); first <- result{r, err} }()
	require.Eventually(t, func() bool { return m.cpus[0].Load().sampled.to.Load() != nil }, limit, time.Millisecond)
	_, err = m.Sample(t.Context(), sample.Options{Hz: DefaultSampleHz})
	assert.ErrorIs(t, err, sample.ErrBusy)
	end() // ends the sampling, too
	one := <-first
	require.NoError(t, one.err)
	assert.Positive(t, one.r.Unsampled)
}

func TestCallerIsPutBehindTheFunctionOnTop(t *testing.T) {
	r := reading{n: 3, top: [sample.TopWords]uint64{7, 8}}
	copy(r.pcs[:], []uint64{1, 2, 3})
	assert.Equal(t, []uint64{1, 2, 3}, r.stack(sample.Options{}))
	none := func(uint64, [sample.TopWords]uint64) (uint64, bool) { return 9, false }
	assert.Equal(t, []uint64{1, 2, 3}, r.stack(sample.Options{Caller: none}))
	second := func(pc uint64, top [sample.TopWords]uint64) (uint64, bool) { return top[1], pc == 1 }
	assert.Equal(t, []uint64{1, 8, 2, 3}, r.stack(sample.Options{Caller: second}))
	r.n = len(r.pcs)
	full := r.stack(sample.Options{Caller: second})
	assert.Len(t, full, sample.MaxFrames)
	assert.Equal(t, []uint64{1, 8, 8, 2}, full[:4])
}
