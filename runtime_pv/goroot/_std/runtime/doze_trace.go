package runtime

// doze run --strace: each call on standard error.

// dozeTraceRoom is what the lines of a call take at most.
const dozeTraceRoom = 256

// dozeTraceWaits lets t wait, and make its call again, until its lines have room.
func dozeTraceWaits(t *dozeThread) bool {
	if dozeSayRoom(dozeTraceRoom) {
		return false
	}
	until := t.until
	dozeWaitAs(dozeWaitBefore|t.resumed<<dozeWaitShift, nil, dozeStreamAddr(1), dozeForever)
	t.until = until
	return true
}

func dozeTraceCall(t *dozeThread, nr uintptr) {
	b := dozeNewReport()
	b.str("doze: thread ")
	b.dec(uint64(t.tid))
	b.str(" call ")
	b.dec(uint64(nr))
	for _, v := range [...]uintptr{t.rdi, t.rsi, t.rdx, t.r10} {
		b.byte(' ')
		b.hex(v)
	}
	b.byte('\n')
	dozeSay(b.p, b.n)
}

func dozeTraceResult(t *dozeThread) {
	if t != dozeCurrent() {
		return // it waits; what it gets is not known yet
	}
	b := dozeNewReport()
	b.str("doze: thread ")
	b.dec(uint64(t.tid))
	b.str(" result ")
	b.hex(t.rax)
	b.byte('\n')
	dozeSay(b.p, b.n)
}
