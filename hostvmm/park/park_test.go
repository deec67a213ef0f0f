package park

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bothWays runs a test for both ways to wait.
func bothWays(t *testing.T, test func(t *testing.T, wait Wait)) {
	t.Run("in poller", func(t *testing.T) { test(t, InPoller) })
	t.Run("on thread", func(t *testing.T) { test(t, OnThread) })
}

type guest struct {
	*Sleeper
	kicks, interrupts, pauses atomic.Uint64
	open                      chan struct{} // a pause lasts until it is closed
}

func newGuest(t *testing.T, wait Wait) *guest {
	t.Helper()
	start := time.Now()
	g := &guest{open: make(chan struct{})}
	s, err := New(Shared{new(atomic.Uint64), new(atomic.Uint64), new(atomic.Uint32)}, Host{
		Now:       func() uint64 { return uint64(time.Since(start)) },
		Kick:      func() { g.kicks.Add(1) },
		Interrupt: func() { g.interrupts.Add(1) },
		Pause:     func() { g.pauses.Add(1); <-g.open },
	}, wait)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	g.Sleeper = s
	return g
}

func (g *guest) in(d time.Duration) { g.Due.Store(g.host.Now() + uint64(d)) }

// parkWithin fails the test if Park does not return in time.
func (g *guest) parkWithin(t *testing.T, limit time.Duration) {
	t.Helper()
	done := make(chan struct{})
	go func() { g.Park(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatal("the sleeper did not wake")
	}
	require.False(t, g.Parked())
}

// beforeDue is how long before its deadline a guest parks that must sleep first, on a busy
// host too.
const beforeDue = time.Second

// waitAsleep waits until the guest sleeps for the first time. One that is merely parked may
// find an event before it sleeps, and then no sleep was ended by it.
func (g *guest) waitAsleep(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return g.Counts().Sleeps > 0 }, 10*time.Second, time.Millisecond)
}

func TestReturnsAtOnce(t *testing.T) { bothWays(t, testReturnsAtOnce) }

func testReturnsAtOnce(t *testing.T, wait Wait) {
	g := newGuest(t, wait)
	g.parkWithin(t, time.Minute) // due 0 is past
	g.Due.Store(math.MaxUint64)
	g.Raise(4)
	g.parkWithin(t, time.Minute)
	require.EqualValues(t, 4, g.Pending.Swap(0))
	require.Equal(t, Counts{Parks: 2}, g.Counts())
}

func TestDeadline(t *testing.T) { bothWays(t, testDeadline) }

func testDeadline(t *testing.T, wait Wait) {
	g := newGuest(t, wait)
	g.in(beforeDue)
	g.parkWithin(t, time.Minute)
	require.LessOrEqual(t, g.Due.Load(), g.host.Now(), "woke early")
	c := g.Counts()
	require.EqualValues(t, 1, c.Deadlines)
	require.EqualValues(t, 1, c.Sleeps)
	once := uint64(0)
	for i, n := range c.Late.Classes {
		once += n
		if n > 0 && i < len(LateBounds) {
			require.LessOrEqual(t, c.Late.Sum, LateBounds[i])
		}
	}
	require.EqualValues(t, 1, once)
	require.NotZero(t, c.Late.Sum)
}

func TestRaiseWakesOneThatSleepsForEver(t *testing.T) {
	bothWays(t, testRaiseWakesOneThatSleepsForEver)
}

func testRaiseWakesOneThatSleepsForEver(t *testing.T, wait Wait) {
	g := newGuest(t, wait)
	g.Due.Store(math.MaxUint64)
	go func() { g.waitAsleep(t); g.Raise(1) }()
	g.parkWithin(t, time.Minute)
	require.EqualValues(t, 1, g.Counts().Events)
	require.Zero(t, g.interrupts.Load())
}

func TestRequestWakesWithoutAnEvent(t *testing.T) { bothWays(t, testRequestWakesWithoutAnEvent) }

func testRequestWakesWithoutAnEvent(t *testing.T, wait Wait) {
	g := newGuest(t, wait)
	g.in(time.Hour)
	go func() { g.waitAsleep(t); g.Request(Stop) }()
	g.parkWithin(t, time.Minute)
	require.EqualValues(t, Stop, g.Requests())
	require.Zero(t, g.Requests())
	require.Zero(t, g.Pending.Load())
	require.EqualValues(t, 1, g.kicks.Load())
}

func TestAPauseWakesNoGuest(t *testing.T) { bothWays(t, testAPauseWakesNoGuest) }

func testAPauseWakesNoGuest(t *testing.T, wait Wait) {
	g := newGuest(t, wait)
	g.in(beforeDue)
	due := g.Due.Load()
	done := make(chan struct{})
	go func() { g.Park(); close(done) }()
	g.waitAsleep(t)
	g.Request(Pause)
	require.Eventually(t, func() bool { return g.pauses.Load() == 1 }, 10*time.Second, time.Millisecond)
	for g.host.Now() < due+uint64(20*time.Millisecond) {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-done:
		t.Fatal("it went on during the pause")
	default:
	}
	close(g.open)
	<-done // the deadline passed meanwhile
	require.EqualValues(t, 1, g.Counts().Parks)
	require.Zero(t, g.Requests())
}

func TestWantInterruptsOnlyARunningGuest(t *testing.T) {
	bothWays(t, testWantInterruptsOnlyARunningGuest)
}

func testWantInterruptsOnlyARunningGuest(t *testing.T, wait Wait) {
	g := newGuest(t, wait)
	g.Raise(1)
	require.Zero(t, g.interrupts.Load())
	g.Want.Store(1)
	g.Raise(1)
	require.EqualValues(t, 1, g.interrupts.Load())
}

func TestLateFireIsNoEvent(t *testing.T) { bothWays(t, testLateFireIsNoEvent) }

func testLateFireIsNoEvent(t *testing.T, wait Wait) {
	g := newGuest(t, wait)
	g.in(beforeDue)
	go func() { g.waitAsleep(t); g.timer.fire() }()
	g.parkWithin(t, time.Minute)
	require.LessOrEqual(t, g.Due.Load(), g.host.Now(), "woke early")
	require.EqualValues(t, 1, g.Counts().Deadlines)
}

func TestArmTakesAnyDeadline(t *testing.T) { bothWays(t, testArmTakesAnyDeadline) }

func testArmTakesAnyDeadline(t *testing.T, wait Wait) {
	g := newGuest(t, wait)
	g.timer.arm(uint64(time.Hour), 0)
	g.timer.arm(math.MaxUint64-1, 0) // beyond what a Duration holds
	g.timer.arm(math.MaxUint64, 0)
}

// Nothing is lost: every event that is raised is received, under raisers that
// come at any time and deadlines that pass meanwhile.
func TestNoWakeUpIsLost(t *testing.T) { bothWays(t, testNoWakeUpIsLost) }

func testNoWakeUpIsLost(t *testing.T, wait Wait) {
	const raisers, each = 8, 3000
	g := newGuest(t, wait)
	// Each raiser owns a bit and waits until the guest took it, so a lost
	// wake-up stops the test.
	var taken [raisers]atomic.Uint64
	var raising sync.WaitGroup
	for i := range raisers {
		raising.Go(func() {
			for n := range uint64(each) {
				g.Raise(1 << i)
				for taken[i].Load() <= n {
					time.Sleep(time.Duration(rand.IntN(20)) * time.Microsecond)
				}
			}
		})
	}
	close(g.open) // pauses come and go at once
	var over atomic.Bool
	go func() {
		for !over.Load() {
			g.Request(Pause)
			time.Sleep(time.Duration(rand.IntN(100)) * time.Microsecond)
		}
	}()
	defer over.Store(true)
	stop := make(chan struct{})
	go func() { raising.Wait(); close(stop); g.Request(Stop) }()
	limit := time.After(2 * time.Minute)
	for g.Requests()&Stop == 0 {
		select {
		case <-limit:
			t.Fatal("a wake-up was lost")
		default:
		}
		events := g.Pending.Swap(0)
		for i := range raisers {
			if events>>i&1 != 0 {
				taken[i].Add(1)
			}
		}
		if events != 0 {
			continue
		}
		if rand.IntN(2) == 0 {
			g.in(time.Duration(rand.IntN(100)) * time.Microsecond)
		} else {
			g.Due.Store(math.MaxUint64)
		}
		g.Park()
	}
	<-stop
	for i := range raisers {
		require.EqualValues(t, each, taken[i].Load())
	}
}
