package runtime

// The agent: a goroutine that makes the program give memory up when the balloon's
// target asks for it. It runs where goroutines do, since it collects garbage;
// frames are moved by calls of the kernel. Sysmon wakes it, as it does the
// goroutine that forces collections.

import (
	"internal/runtime/atomic"
)

var dozeAgentState struct {
	lock  mutex
	g     *g
	idle  atomic.Bool   // it waits; under lock
	asked atomic.Uint32 // 1: it has work
}

// dozeAgentTries is how many collections in a row may bring nothing: the second
// one empties pools and runs what finalizers freed.
const dozeAgentTries = 2

// dozeScavengeMore is what is scavenged beyond what is missing.
const dozeScavengeMore = 1 << 20

func init() { go dozeAgent() }

func dozeAgent() {
	s := &dozeAgentState
	s.g = getg()
	for {
		lock(&s.lock)
		if s.asked.Load() == 0 {
			s.idle.Store(true)
			goparkunlock(&s.lock, waitReasonForceGCIdle, traceBlockSystemGoroutine, 1)
		} else {
			unlock(&s.lock)
		}
		s.asked.Store(0)
		dozeAgentWork()
	}
}

// dozeRetake stands for sysmon's retake, where sysmon looks who is to be woken.
func dozeRetake(now int64) uint32 {
	if s := &dozeAgentState; s.asked.Load() != 0 {
		lock(&s.lock)
		if s.idle.Load() {
			s.idle.Store(false)
			var list gList
			list.push(s.g)
			injectglist(&list)
		}
		unlock(&s.lock)
	}
	return retake(now)
}

// dozeAgentAsk gives the agent work, on the kernel's stack. It returns false if it
// had some already.
func dozeAgentAsk() bool {
	if !dozeAgentState.asked.CompareAndSwap(0, 1) {
		return false
	}
	if dozeSched.sysmon != nil {
		dozeWakeSysmon()
	}
	return true
}

// dozeAgentWaits reports whether sysmon is to wake the agent.
func dozeAgentWaits() bool {
	return dozeAgentState.asked.Load() != 0 && dozeAgentState.idle.Load()
}

// What the program dropped goes back once the machine has been quiet for dozeTidyAfter,
// if since that was done last the heap has grown by dozeTidyMuch, or has as much more that
// is free: what a program holds for long and then drops is no growth. That is one
// collection, and one wake-up, for each such burst.
const (
	dozeTidyMuch  = 32 << 20
	dozeTidyStep  = 4 << 20       // growth that says that the burst goes on
	dozeTidyAfter = 2_000_000_000 // ns
)

var dozeTidy struct {
	kept  uint64 // bytes the heap had after the last time
	left  uint64 // how many of these were free
	seen  uint64 // what it has now, about
	freed uint64 // how many of these are free
	since int64  // since when, 0 if there is nothing to do
}

// dozeTidyDue is 1 when the agent is to tidy up.
var dozeTidyDue atomic.Uint32

// dozeHeap is how many bytes the heap has from the machine.
func dozeHeap() uint64 { return gcController.heapInUse.load() + gcController.heapFree.load() }

// dozeTidyDeadline is when to tidy up if nothing happens until then.
func dozeTidyDeadline() int64 {
	s, heap, free := &dozeTidy, dozeHeap(), gcController.heapFree.load()
	s.kept, s.left = min(s.kept, heap), min(s.left, free)
	if heap < s.kept+dozeTidyMuch && free < s.left+dozeTidyMuch || dozeSched.sysmon == nil {
		s.since = 0
		return dozeForever
	}
	if s.since == 0 || heap > s.seen+dozeTidyStep || free > s.freed+dozeTidyStep {
		s.seen, s.freed, s.since = heap, free, dozeNow()
	}
	return s.since + dozeTidyAfter
}

// dozeTidyUp collects, unless the program wants no collections, and gives back what
// is free but for a tenth of what is in use.
func dozeTidyUp() {
	if gcController.gcPercent.Load() >= 0 {
		GC()
	}
	free, keep := gcController.heapFree.load(), gcController.heapInUse.load()/10
	dozeScavenge(uintptr(free - min(free, keep)))
	atomic.Store64(&dozeTidy.left, gcController.heapFree.load())
	atomic.Store64(&dozeTidy.kept, dozeHeap())
}

// dozeScavenge gives n bytes of the free heap back, if there are as many.
func dozeScavenge(n uintptr) {
	systemstack(func() {
		gp := getg()
		gp.m.mallocing++ // no allocation here, as in scavengeAll
		mheap_.pages.scavenge(n, nil, true)
		gp.m.mallocing--
	})
}

// dozeAgentWork moves frames until the target is reached or nothing more can be
// had.
func dozeAgentWork() {
	b := &dozeBalloon
	if dozeTidyDue.CompareAndSwap(1, 0) {
		dozeTidyUp()
	}
	for tries := 0; ; {
		dozeOwnCall(dozeCallBalloon, 0)
		missing, moved := atomic.Loaduintptr(&b.missing), atomic.Loaduintptr(&b.moved)
		target := dozeTargetPages()
		switch {
		case b.base == 0:
			return
		case moved > 0:
			continue
		case missing == 0:
			dozeSetLimit(target)
			return
		case tries == dozeAgentTries:
			dozeSetLimit(dozeTotalPages())
			dozeGaveUp.Store(atomic.Load(&memstats.numgc))
			return
		}
		tries++
		dozeSetLimit(target)
		GC()
		dozeScavenge(missing*dozePage + dozeScavengeMore)
	}
}

// dozeGaveUp is how many collections there had been when the agent could get no more.
var dozeGaveUp atomic.Uint32

// dozeHeapHasLet reports whether a later collection has freed what a partial balloon
// waits for. Go's scavenger need not give it to the machine: the limit is what the
// machine has, and the heap far below it.
func dozeHeapHasLet() bool {
	free, used := gcController.heapFree.load(), gcController.heapInUse.load()
	return free > dozeTidyStep && free > used/10 && atomic.Load(&memstats.numgc) != dozeGaveUp.Load()
}

// dozeNoLimit is what setMemoryLimit takes for none (debug.SetMemoryLimit).
const dozeNoLimit = int64(^uint64(0) >> 1)

// dozeLimit is the limit of the collector that follows the machine's memory.
var dozeLimit struct {
	base uintptr // frames in use before the runtime began
	ours int64   // the limit as we set it last
	own  int64   // the program's own, 0 if it has none
}

// dozeLimitFor is the limit for a machine of that many frames.
func dozeLimitFor(pages uintptr) int64 {
	n := int64(pages-min(pages, dozeLimit.base)) * dozePage
	return max(n-n/dozeLimitMargin, dozePage)
}

// dozeSetLimit sets the limit for a machine of that many frames, unless the
// program's own is lower. With all the memory there can be, its own comes back.
func dozeSetLimit(pages uintptr) {
	l := &dozeLimit
	now := setMemoryLimit(-1)
	if now != l.ours {
		l.own = now
	}
	want := dozeLimitFor(pages)
	switch {
	case l.own == 0:
	case pages >= dozeMostPages(), l.own < want:
		want = l.own
	}
	l.ours = want
	if l.own == want && want == dozeNoLimit {
		l.ours, l.own = 0, 0
	}
	if want != now {
		setMemoryLimit(want)
	}
}
