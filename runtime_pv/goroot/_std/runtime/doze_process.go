package runtime

// Small facts a program asks about its process and its system.

import (
	"internal/runtime/doze/mmio"
)

// dozeUname fills struct utsname: six fields of 65 bytes.
func dozeUname(p uintptr) uintptr {
	mmio.Clear(p, 390)
	for i, s := range [...]string{"Linux", "doze", dozeReleaseName, "#1 Doze", "x86_64", "(none)"} {
		dozePutString(p+uintptr(i)*65, s)
	}
	return 0
}

func dozePutString(p uintptr, s string) {
	for i := 0; i < len(s); i++ {
		mmio.Store8(p+uintptr(i), s[i])
	}
}

// dozeRlimit answers getrlimit(2) and prlimit64(2) of the own process: descriptors are
// bounded, the rest is not.
func dozeRlimit(t *dozeThread, nr uintptr) uintptr {
	const nofile = 7
	resource, old := t.rdi, t.rsi
	if nr == 302 {
		resource, old = t.rsi, t.r10
	}
	v := ^uint64(0)
	if resource == nofile {
		v = dozeMaxFiles
	}
	if old != 0 {
		mmio.Store64(old, v)
		mmio.Store64(old+8, v)
	}
	return 0
}

// dozeGetrandom fills n bytes: the CPU's generator and our own, XORed, so that
// neither alone decides.
func dozeGetrandom(p, n uintptr) uintptr {
	for i := uintptr(0); i < n; i += 8 {
		v := dozeRandom64()
		for j := i; j < min(i+8, n); j++ {
			mmio.Store8(p+j, uint8(v))
			v >>= 8
		}
	}
	return n
}

// dozeRandom64 returns a word nobody can guess.
func dozeRandom64() uint64 {
	for {
		if v, ok := dozeRandomState.Next(); ok {
			if dozeBootInfo.rdrand {
				r, _ := dozeRandom()
				v ^= r
			}
			return v
		}
		dozeRandomState.Refill()
	}
}

// dozeRandomInit seeds our generator: the CPU's where there is one, the seed
// that the VMM gave, the clock, and what firmware left in the start info.
func dozeRandomInit() {
	var seed [32]byte
	x := mmio.Rdtsc()
	for i := range seed {
		if i&7 == 0 {
			if dozeBootInfo.rdrand {
				r, _ := dozeRandom()
				x ^= r
			}
			x ^= dozeBootInfo.seed[i/8] ^ mmio.Rdtsc()*0x9e3779b97f4a7c15
		}
		seed[i] = byte(x >> (i & 7 * 8))
	}
	dozeRandomState.Init(seed)
}

// dozeGetrusage serves getrusage(2): CPU time is time with a vCPU, all of it the
// program's; the resident size is what the machine has in use.
func dozeGetrusage(t *dozeThread, who, p uintptr) uintptr {
	const (
		self, children, thread = 0, -1, 1
		size, maxRSS           = 144, 32 // struct rusage
	)
	var ns int64
	switch int32(who) {
	case self:
		ns = dozeProcessTime()
	case thread:
		ns = t.ran + dozeNow() - t.since
	case children:
	default:
		return dozeErr(dozeEINVAL)
	}
	if dozeTryClear(p, size) != 0 {
		return dozeErr(dozeEFAULT)
	}
	dozePutTimespec(p, ns, 1000)
	f := &dozeMem.frames
	mmio.Store64(p+maxRSS, uint64(f.TotalPages()-f.FreePages())*dozePage>>10)
	return 0
}

// dozeTimes serves times(2), in hundredths of a second.
func dozeTimes(p uintptr) uintptr {
	const tick, size = 10_000_000, 32
	if p != 0 {
		if dozeTryClear(p, size) != 0 {
			return dozeErr(dozeEFAULT)
		}
		mmio.Store64(p, uint64(dozeProcessTime()/tick))
	}
	return uintptr(dozeNow() / tick)
}

// dozeSysinfo serves sysinfo(2).
func dozeSysinfo(p uintptr) uintptr {
	const size, total, free, procs, unit = 112, 32, 40, 80, 104 // struct sysinfo
	if dozeTryClear(p, size) != 0 {
		return dozeErr(dozeEFAULT)
	}
	f := &dozeMem.frames
	mmio.Store64(p, uint64(dozeNow()/1e9))
	mmio.Store64(p+total, uint64(f.TotalPages()*dozePage))
	mmio.Store64(p+free, uint64(f.FreePages()*dozePage))
	mmio.Store16(p+procs, 1)
	mmio.Store32(p+unit, 1)
	return 0
}

// dozeClockGetres serves clock_getres(2): every clock counts nanoseconds.
func dozeClockGetres(clock, p uintptr) uintptr {
	const clocks = 12
	if clock >= clocks {
		return dozeErr(dozeEINVAL)
	}
	if p != 0 {
		dozePutTimespec(p, 1, 1)
	}
	return 0
}
