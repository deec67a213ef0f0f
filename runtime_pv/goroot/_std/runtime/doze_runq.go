package runtime

// Run queues: one a vCPU, all under the kernel's lock. A thread that becomes
// ready goes to a vCPU that sleeps, the one it ran on last if that does, and
// wakes it; if none sleeps, it waits for the vCPU that made it ready. A vCPU whose
// queue is empty takes from the others before it sleeps.

// dozeReadyLast makes t ready, behind those that wait already; dozeReadyFirst
// before them.
func dozeReadyLast(t *dozeThread) {
	v := dozeHome(t)
	dozeEnqueue(v, t, v.tail)
}

func dozeReadyFirst(t *dozeThread) {
	v := dozeHome(t)
	dozeEnqueue(v, t, nil)
}

// dozeEnqueue puts t into v's queue behind after, or at its head.
func dozeEnqueue(v *dozeVCPU, t, after *dozeThread) {
	t.state, t.on = dozeStateReady, nil
	if after == nil {
		t.next = v.head
		v.head = t
	} else {
		t.next = after.next
		after.next = t
	}
	if t.next == nil {
		v.tail = t
	}
	dozeSched.ready++
}

// dozeHome chooses the vCPU for a thread that becomes ready and wakes it, unless
// enough are on their way to the queues already: exactly one is woken for a
// thread, never all. Where the host has no physical CPU for another vCPU, the thread
// waits here until the end of a slice at most.
func dozeHome(t *dozeThread) *dozeVCPU {
	s := &dozeSched
	if s.idle == 0 || s.ready+1 <= s.looking || dozeCrowded() {
		if self := dozeSelf(); dozeOnline&self.bit() != 0 {
			return self
		}
		return dozeVCPUAt(0) // this one is leaving
	}
	v := t.last
	if v == nil || s.idle&v.bit() == 0 {
		v = dozeAsleep()
	}
	dozeWakeVCPU(v)
	return v
}

// dozeAsleep is a vCPU that sleeps; the caller knows that there is one.
func dozeAsleep() *dozeVCPU {
	i := uintptr(0)
	for dozeSched.idle>>i&1 == 0 {
		i++
	}
	return dozeVCPUAt(i)
}

// dozeDequeue takes the next thread for v: of its own queue, else of the next
// one that has any. The caller knows that there is one.
func dozeDequeue(v *dozeVCPU) *dozeThread {
	from := v
	for i := v.index(); from.head == nil; from = dozeVCPUAt(i) {
		i++
		if dozeOnline>>i == 0 {
			i = 0
		}
	}
	t := from.head
	from.head = t.next
	if from.head == nil {
		from.tail = nil
	}
	t.next = nil
	dozeSched.ready--
	return t
}
