package runtime

// Small facts a program asks about its process and its system.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
	"unsafe"
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
// neither alone decides. A part of readv(2) that takes too long is cut short.
func dozeGetrandom(t *dozeThread, p, n uintptr) uintptr {
	n = min(n, dozeMostBytes)
	done, until := dozeSliceOf(t)
	for done < n {
		var words [32]uint64
		piece := min(n-done, unsafe.Sizeof(words))
		for i := range alignUp(piece, 8) / 8 {
			words[i] = dozeRandom64()
		}
		if !dozeCopyOut(p+done, dozeAddr(&words), piece) {
			return dozePart(done, dozeErr(dozeEFAULT))
		}
		if done += piece; done < n && dozeNow() > until {
			if t.rax != 318 && t.rax != 0 && t.rax != 17 { // not getrandom, read, pread64
				break
			}
			return dozeNextSlice(t, done)
		}
	}
	return done
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
		ns = dozeThreadTime(t)
	case children:
	default:
		return dozeErr(dozeEINVAL)
	}
	if dozeTryClear(p, size) != 0 {
		return dozeErr(dozeEFAULT)
	}
	dozePutTimespec(p, ns, 1000)
	f := &dozeMem.frames
	mmio.Store64(p+maxRSS, uint64(dozeTotalPages()-f.FreePages())*dozePage>>10)
	return 0
}

// dozeTimesCall serves times(2), in hundredths of a second.
func dozeTimesCall(p uintptr) uintptr {
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
	mmio.Store64(p+total, uint64(dozeTotalPages()*dozePage))
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

// dozePrctl serves prctl(2): what is asked of a process that is root, alone, and
// never execs.
func dozePrctl(t *dozeThread, op, arg uintptr) uintptr {
	const (
		setDeathSignal             = 1
		getDumpable, setDumpable   = 3, 4
		getKeepCaps, setKeepCaps   = 7, 8
		setName, getName           = 15, 16
		setNoNewPrivs, getNewPrivs = 38, 39
		nameSize                   = 16
	)
	switch op {
	case abi.PVPrctl:
		return dozePV(arg, t.rdx, t.r10)
	case getKeepCaps:
		return t.keepCaps
	case setKeepCaps:
		if arg > 1 {
			return dozeErr(dozeEINVAL)
		}
		t.keepCaps = arg
		return 0
	case getDumpable:
		return 1
	case getName:
		if dozeTryClear(arg, nameSize) != 0 {
			return dozeErr(dozeEFAULT)
		}
		return 0
	case setDumpable, setName, setNoNewPrivs, getNewPrivs, setDeathSignal:
		return 0
	}
	return dozeErr(dozeEINVAL)
}

// dozeSetID serves the calls that set user and group ids. There is only root.
func dozeSetID(real, effective, saved uintptr) uintptr {
	const unchanged = ^uint32(0)
	for _, id := range [...]uint32{uint32(real), uint32(effective), uint32(saved)} {
		if id != 0 && id != unchanged {
			return dozeErr(dozeEPERM)
		}
	}
	return 0
}

// dozeGetID serves getresuid(2) and getresgid(2).
func dozeGetID(real, effective, saved uintptr) uintptr {
	for _, p := range [...]uintptr{real, effective, saved} {
		if dozeTryClear(p, 4) != 0 {
			return dozeErr(dozeEFAULT)
		}
	}
	return 0
}

// dozeCapget serves capget(2): root has them all.
func dozeCapget(header, data uintptr) uintptr {
	const version3, headerSize = 0x20080522, 8 // linux/capability.h
	var h, sets [3]uint64                      // two of {effective, permitted, inheritable}, 32 bits each
	if !dozeCopyIn(uintptr(unsafe.Pointer(&h)), header, headerSize) {
		return dozeErr(dozeEFAULT)
	}
	if uint32(h[0]) != version3 {
		mmio.Store32(header, version3)
		return dozeErr(dozeEINVAL)
	}
	for i := range sets {
		sets[i] = ^uint64(0)
	}
	if data != 0 && !dozeCopyOut(data, uintptr(unsafe.Pointer(&sets)), unsafe.Sizeof(sets)) {
		return dozeErr(dozeEFAULT)
	}
	return 0
}
