package runtime

// Threads over the vCPUs. A thread runs until it waits, yields, or the timer
// says that another one's turn has come. A vCPU that finds none ready sleeps, in
// dozeIdle and nowhere else (docs/nucleus.md 6). All of it is under the kernel's
// lock.

import (
	"internal/runtime/atomic"
	"internal/runtime/doze/mmio"
)

const (
	dozeSlice      = 5_000_000  // ns a thread keeps the vCPU while others are ready
	dozeSysmonWake = 10_000_000 // ns awake after which sysmon gets its turn
	dozeSettles    = 2          // collections after the program's last, so that its garbage goes back
	dozeAsks       = 3          // sysmon may go through its other sleep first, or find GOGC=off
	dozeShort      = 50_000     // ns below which a sleep only yields and spins
)

var dozeSched struct {
	ready   int32  // threads in all queues
	looking int32  // vCPUs on their way to them
	idle    uint64 // vCPUs asleep, one bit each

	free *dozeThread // pages of dead threads
	made uintptr     // threads ever made: pages in use at dozeThreadBase
	live int32

	sysmon  *dozeThread // in dozeSysmonWait, else nil
	turn    *dozeThread // sysmon, from when it was first woken
	due     int64       // when it goes on if the machine is awake then
	retakes uint32      // looks that sysmon may wake the machine for (doze_wait.go)

	collections uint32 // garbage collections seen
	settled     uint32 // how many of the last ones were made for a quiet machine
	asked       uint32 // how often sysmon was woken for the next of those
}

func dozeCurrent() *dozeThread { return dozeSelf().current }

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
	t.alarm.deadline, t.alarm.heap = dozeForever, -1
	t.cpuDue = dozeForever
	t.mask = ^uint64(0)
	return t
}

// dozeExitThread ends the current thread. Its page may be used again at once:
// nothing runs on it.
func dozeExitThread() {
	s := &dozeSched
	t := dozeCurrent()
	dozeCharge(dozeNow())
	dozeTimersOrphan(t)
	dozeSelf().current = nil
	t.state, t.on = dozeStateFree, nil
	t.next = s.free
	s.free = t
	s.live--
	if s.live == 0 {
		dozeExit(0)
	}
	dozeSchedule()
}

// dozeYield lets others go first.
func dozeYield() {
	if dozeSched.ready > 0 {
		dozeRequeue(dozeCurrent())
	}
}

// dozeRequeue puts the current thread at the end of the run queue and runs the next one.
// The queue must not be empty.
func dozeRequeue(t *dozeThread) {
	v := dozeSelf()
	now := dozeNow()
	dozeCharge(now)
	next := dozeDequeue(v)
	dozeEnqueue(v, t, v.tail)
	dozeRun(v, next, now)
}

// dozeSchedule gives the vCPU to the next ready thread, sleeping until there is
// one. The caller has put the current thread where it belongs.
func dozeSchedule() {
	s := &dozeSched
	v := dozeSelf()
	now := dozeNow()
	dozeCharge(now)
	v.current = nil
	for {
		if v.offline != 0 {
			dozeGoOffline(v)
		}
		s.looking++
		if s.ready == 0 {
			dozeIdle(v)
		}
		s.looking--
		if s.ready > 0 && v.offline == 0 {
			break
		}
	}
	now = dozeNow()
	dozeCharge(now)
	dozeRun(v, dozeDequeue(v), now)
}

func dozeRun(v *dozeVCPU, t *dozeThread, now int64) {
	t.state, t.on, t.last, t.since = dozeStateRunning, v, v, now
	v.current = t
}

// dozeIdle sleeps until a thread is ready, or the vCPU is to leave.
func dozeIdle(v *dozeVCPU) {
	s := &dozeSched
	for s.ready == 0 && v.offline == 0 {
		dozeTakeInterrupts(v)
		dozeExpire(dozeNow())
		if s.ready > 0 {
			return
		}
		deadline := dozeNextDeadline()
		if s.retakes > 0 && s.sysmon != nil {
			if s.due <= dozeNow() {
				dozeWakeSysmon()
				return
			}
			deadline = min(deadline, s.due)
		}
		if busy := dozeOnline &^ (s.idle | v.bit()); busy != 0 && s.sysmon != nil && !dozeCovered(v, s.due) {
			dozeHandOver(busy)
		}
		if s.idle|v.bit() == dozeOnline {
			if dozeReportIdle() {
				dozeUnlock()
				dozeLockPolitely()
				continue
			}
			ready, tidy := dozeMemoryIdle()
			if ready {
				return
			}
			settle := dozeSettleDeadline()
			if s.sysmon != nil && scavenger.sysmonWake.Load() != 0 {
				// The scavenger waits for sysmon to wake it, and nothing else
				// would before the machine is busy again: memory that is free
				// must go back now.
				dozeWakeSysmon()
				return
			}
			if settle <= dozeNow() {
				s.asked++
				dozeWakeSysmon()
				return
			}
			deadline = min(deadline, settle, tidy)
		}
		if dozeCovered(v, deadline) {
			deadline = dozeForever
		}
		dozeSleep(v, deadline)
	}
}

// dozeHandOver has one of the busy vCPUs arm its timer for sysmon's turn, before
// this one, which had it so far, sleeps: a program that runs without a call would
// never do so by itself, and nobody would interrupt it. A vCPU on its way through
// the kernel arms it anyway when it leaves.
func dozeHandOver(busy uint64) {
	for i := uintptr(0); busy>>i != 0; i++ {
		if v := dozeVCPUAt(i); busy>>i&1 != 0 && atomic.Load(&v.user) != 0 {
			dozeInterruptVCPU(v)
			return
		}
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
	if n := atomic.Load(&memstats.numgc); n != s.collections {
		if s.asked != 0 {
			s.settled++
		} else {
			s.settled = 0
		}
		s.collections, s.asked = n, 0
	}
	if s.settled == dozeSettles || s.asked == dozeAsks {
		return dozeForever
	}
	return last + forcegcperiod + 1
}

// dozeSettle ends every stay in the kernel: the timer is armed for what comes
// next, and the thread that goes on takes its signals.
func dozeSettle() {
	t := dozeCurrent()
	for t.traced != dozeTraceNone && !dozeTraceOver(t) {
		t = dozeCurrent()
	}
	if t.cpuDue != dozeForever || dozeProcess.cpuDue != dozeForever {
		dozeCPUTimers(t)
	}
	dozeArmNext(dozeSelf())
	if t.at == 0 {
		dozeDeliver(t)
	}
}

// dozeInterrupt serves what came in while upcalls were off, and gives the vCPU
// to whom it now belongs.
func dozeInterrupt() {
	dozeLock()
	dozeAttend()
	dozeSettle()
}

// dozeAttend takes the vCPU's interrupts and lets those run whose time has come.
func dozeAttend() {
	s := &dozeSched
	v := dozeSelf()
	dozeTakeInterrupts(v)
	now := dozeNow()
	t := v.current
	first := v.head
	dozeExpire(now)
	if s.sysmon != nil && s.due <= now {
		dozeWakeSysmon()
	}
	over := now-t.since >= dozeSlice
	if over && s.ready > s.looking && s.idle != 0 {
		dozeWakeVCPU(dozeAsleep()) // it was crowded when a thread became ready, which has waited long enough
	}
	switch {
	case v.offline != 0:
		dozeGoOffline(v)
		dozeSchedule()
	case s.ready > s.looking && (v.head != first || over):
		dozeRequeue(t)
	}
}

// Sysmon's two waits. They never wake an idle machine: sysmon goes on when the
// machine has been awake for dozeSysmonWake, or when it is woken.

// dozeSysmonPark makes the current thread, sysmon's, wait; addr is the note's
// word if it waits for one.
func dozeSysmonPark(addr uintptr) {
	s := &dozeSched
	t := dozeCurrent()
	if dozeSignalled(t) {
		return
	}
	t.state = dozeStateSysmonWait
	s.sysmon = t
	s.due = dozeNow() + dozeSysmonWake
	if s.retakes > 0 {
		s.retakes--
		s.due = dozeNow() + dozeRetakeGap
	}
	if addr != 0 {
		dozeFutexEnqueue(t, addr)
	}
	dozeSchedule()
}

func dozeWakeSysmon() {
	t := dozeSched.sysmon
	dozeSched.sysmon, dozeSched.turn = nil, t
	dozeFutexDequeue(t)
	dozeReadyFirst(t)
}
