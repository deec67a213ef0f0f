package runtime

// Threads over the vCPU. A thread runs until it waits, yields, or the timer
// says that another one's turn has come. When none is ready the vCPU sleeps, in
// dozeIdle and nowhere else (docs/nucleus.md 6).

import (
	"internal/runtime/atomic"
	"internal/runtime/doze/mmio"
)

const (
	dozeSlice      = 5_000_000  // ns a thread keeps the vCPU while others are ready
	dozeSysmonWake = 10_000_000 // ns awake after which sysmon gets its turn
	dozeShort      = 50_000     // ns below which a sleep only yields and spins
)

var dozeSched struct {
	head, tail *dozeThread // ready, in order
	free       *dozeThread // pages of dead threads
	made       uintptr     // threads ever made: pages in use at dozeThreadBase
	live       int32

	sysmon  *dozeThread // in dozeSysmonWait, else nil
	due     int64       // when sysmon goes on if the machine is awake then
	idleEnd int64       // when the vCPU last left idle
	ran     int64       // ns some thread had the vCPU

	collections uint32 // garbage collections, the program's and those of a quiet machine
	settled     uint32 // how often the machine has collected garbage since, idle
}

func dozeCurrent() *dozeThread {
	return (*dozeThread)(dozePtr(uintptr(mmio.Load64(dozeVCPUPage() + dozeGSCurrent))))
}

func dozeSetCurrent(t *dozeThread) {
	mmio.Store64(dozeVCPUPage()+dozeGSCurrent, uint64(t.addr()))
}

func dozeThreadAt(i uintptr) *dozeThread {
	return (*dozeThread)(dozePtr(dozeThreadBase + i*dozeThreadSize))
}

// dozeByTID returns the live thread of that number, or nil.
func dozeByTID(tid uintptr) *dozeThread {
	if tid == 0 || tid > dozeSched.made {
		return nil
	}
	if t := dozeThreadAt(tid - 1); t.state != dozeStateFree {
		return t
	}
	return nil
}

// dozeNewThread returns a thread in no queue, all signals blocked, or nil when
// memory or numbers are out.
func dozeNewThread() *dozeThread {
	s := &dozeSched
	t := s.free
	switch {
	case t != nil:
		s.free = t.next
		mmio.Clear(t.addr(), dozeThreadSize)
	case s.made == dozeMaxThreads || !dozeKernelPage(dozeThreadBase+s.made*dozeThreadSize):
		return nil
	default:
		t = dozeThreadAt(s.made)
		s.made++
	}
	s.live++
	t.tid = int32((t.addr()-dozeThreadBase)/dozeThreadSize) + 1
	t.cs, t.ss, t.rflags = dozeUserCS, dozeUserSS, 0x202
	t.mxcsr = 0x1f80 // reset value (SDM 1, 10.2.3)
	t.deadline, t.heap = dozeForever, -1
	t.mask = ^uint64(0)
	return t
}

// dozeExitThread ends the current thread. Its page may be used again at once:
// nothing runs on it.
func dozeExitThread() {
	s := &dozeSched
	t := dozeCurrent()
	t.state = dozeStateFree
	t.next = s.free
	s.free = t
	s.live--
	if s.live == 0 {
		dozeExit(0)
	}
	dozeSchedule()
}

// dozeReadyLast puts t at the end of the queue, dozeReadyFirst at its head.
func dozeReadyLast(t *dozeThread) {
	s := &dozeSched
	t.state, t.next = dozeStateReady, nil
	if s.tail == nil {
		s.head = t
	} else {
		s.tail.next = t
	}
	s.tail = t
}

func dozeReadyFirst(t *dozeThread) {
	s := &dozeSched
	t.state, t.next = dozeStateReady, s.head
	if s.head == nil {
		s.tail = t
	}
	s.head = t
}

// dozeYield lets the others go first.
func dozeYield() {
	if dozeSched.head != nil {
		dozeReadyLast(dozeCurrent())
		dozeSchedule()
	}
}

// dozeSchedule gives the vCPU to the next ready thread, sleeping until there is
// one. The caller has put the current thread where it belongs.
func dozeSchedule() {
	s := &dozeSched
	now := dozeNow()
	dozeCharge(now)
	if s.head == nil {
		dozeIdle()
		now = dozeNow()
	}
	t := s.head
	s.head = t.next
	if s.head == nil {
		s.tail = nil
	}
	t.state, t.next, t.since = dozeStateRunning, nil, now
	dozeSetCurrent(t)
}

// dozeCharge accounts the vCPU's time to the thread that had it.
func dozeCharge(now int64) {
	t := dozeCurrent()
	t.ran += now - t.since
	dozeSched.ran += now - t.since
	t.since = now
}

// dozeIdle sleeps until a thread is ready.
func dozeIdle() {
	s := &dozeSched
	for s.head == nil {
		dozeTakeInterrupts()
		dozeExpire(dozeNow())
		if s.head != nil {
			break
		}
		if s.sysmon != nil && scavenger.sysmonWake.Load() != 0 {
			// The scavenger waits for sysmon to wake it, and nothing else
			// would before the machine is busy again: memory that is free
			// must go back now.
			dozeWakeSysmon()
			break
		}
		settle := dozeSettleDeadline()
		if s.sysmon != nil && settle <= dozeNow() {
			s.settled++
			s.collections++ // the one that sysmon starts now
			dozeWakeSysmon()
			break
		}
		dozeSleep(min(dozeNextDeadline(), settle))
	}
	s.idleEnd = dozeNow()
	if s.due < s.idleEnd+dozeSysmonWake {
		s.due = s.idleEnd + dozeSysmonWake
	}
}

// dozeSettleDeadline is when a machine that has gone quiet collects garbage once
// more, so that what its last burst of work left goes back. On Linux sysmon
// forces a collection every two minutes for ever; here the second one after the
// program's last collection is the last.
func dozeSettleDeadline() int64 {
	s := &dozeSched
	last := int64(atomic.Load64(&memstats.last_gc_nanotime))
	if last == 0 || s.sysmon == nil {
		return dozeForever
	}
	if n := atomic.Load(&memstats.numgc); n > s.collections {
		s.collections, s.settled = n, 0
	}
	if s.settled == 2 {
		return dozeForever
	}
	return last + forcegcperiod + 1
}

// dozeSettle ends every stay in the kernel: the timer is armed for what comes
// next, and the thread that goes on takes its signals.
func dozeSettle() {
	dozeArmNext()
	dozeDeliver(dozeCurrent())
}

// dozeInterrupt serves what came in while upcalls were off, and gives the vCPU
// to whom it now belongs.
func dozeInterrupt() {
	s := &dozeSched
	dozeTakeInterrupts()
	now := dozeNow()
	t := dozeCurrent()
	woken := s.head
	dozeExpire(now)
	if s.sysmon != nil && s.due <= now {
		dozeWakeSysmon()
	}
	if s.head != nil && (s.head != woken || now-t.since >= dozeSlice) {
		dozeReadyLast(t)
		dozeSchedule()
	}
	dozeSettle()
}

// Sysmon's two waits. They never wake an idle machine: sysmon goes on when the
// machine has been awake for dozeSysmonWake, or when it is woken.

// dozeSysmonPark makes the current thread, sysmon's, wait; addr is the note's
// word if it waits for one.
func dozeSysmonPark(addr uintptr) {
	s := &dozeSched
	t := dozeCurrent()
	t.state, t.timedOut = dozeStateSysmonWait, false
	s.sysmon = t
	s.due = dozeNow() + dozeSysmonWake
	if addr != 0 {
		dozeFutexEnqueue(t, addr)
	}
	dozeSchedule()
}

func dozeWakeSysmon() {
	t := dozeSched.sysmon
	dozeSched.sysmon = nil
	dozeFutexDequeue(t)
	dozeReadyFirst(t)
}
