package runtime

// doze run --strace: each call on standard error.

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
	dozeConsoleWrite(2, b.p, b.n)
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
	dozeConsoleWrite(2, b.p, b.n)
}
