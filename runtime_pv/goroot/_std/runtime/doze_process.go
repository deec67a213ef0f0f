package runtime

// Small facts a program asks about its process and its system.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/linux"
	"internal/runtime/doze/mmio"
	"unsafe"
)

// dozeUname serves uname(2).
func dozeUname(p uintptr) uintptr {
	var names [6][dozeNameSize]byte // struct new_utsname
	for i, s := range [...]string{"Linux", dozeHostname(), dozeReleaseName, "#1 Doze", "x86_64", "(none)"} {
		for j := 0; j < len(s); j++ {
			names[i][j] = s[j]
		}
	}
	return dozePutOr(p, &names, 0)
}

// dozeRlimit is struct rlimit.
type dozeRlimit struct{ cur, max uint64 }

const (
	dozeRlimits      = 16 // how many resources there are
	dozeRlimitCore   = 4
	dozeRlimitNofile = 7
	dozeUnlimited    = ^uint64(0)
)

// dozeLimits are the limits of the process that can be set: how many descriptors it
// may have, and how large a core would be. Nothing else is limited.
var dozeLimits = struct{ core, nofile dozeRlimit }{
	core: dozeRlimit{0, dozeUnlimited}, nofile: dozeRlimit{dozeMaxFiles, dozeMaxFiles},
}

// dozeGetrlimit serves getrlimit(2), and dozeSetrlimit setrlimit(2).
func dozeGetrlimit(resource, p uintptr) uintptr {
	if uint32(resource) < dozeRlimits && p == 0 {
		return dozeErr(linux.EFAULT)
	}
	return dozePrlimit(0, resource, 0, p)
}

func dozeSetrlimit(resource, p uintptr) uintptr {
	if p == 0 {
		return dozeErr(linux.EFAULT)
	}
	return dozePrlimit(0, resource, p, 0)
}

// dozePrlimit serves prlimit64(2).
func dozePrlimit(pid, resource, new, old uintptr) uintptr {
	var v dozeRlimit
	switch {
	case new != 0 && !dozeGet(new, &v):
		return dozeErr(linux.EFAULT)
	case int32(pid) != 0 && dozeByTID(uintptr(uint32(pid))) == nil:
		return dozeErr(linux.ESRCH)
	case uint32(resource) >= dozeRlimits:
		return dozeErr(linux.EINVAL)
	}
	before := dozeRlimit{dozeUnlimited, dozeUnlimited}
	var limit *dozeRlimit
	switch uint32(resource) {
	case dozeRlimitCore:
		limit = &dozeLimits.core
	case dozeRlimitNofile:
		limit = &dozeLimits.nofile
	}
	if limit != nil {
		before = *limit
	}
	if new != 0 {
		switch {
		case v.cur > v.max:
			return dozeErr(linux.EINVAL)
		case limit == nil && v != before, limit == &dozeLimits.nofile && v.max > dozeMaxFiles:
			return dozeErr(linux.EPERM)
		case limit != nil:
			*limit = v
			dozeFds.limit = uintptr(dozeLimits.nofile.cur)
		}
	}
	if old != 0 {
		return dozePutOr(old, &before, 0)
	}
	return 0
}

// dozeGetrandomCall serves getrandom(2): there is always enough to be had.
func dozeGetrandomCall(t *dozeThread, p, n, flags uintptr) uintptr {
	const nonblock, random, insecure = 1, 2, 4
	if flags = uintptr(uint32(flags)); flags&^(nonblock|random|insecure) != 0 || flags&(random|insecure) == random|insecure {
		return dozeErr(linux.EINVAL)
	}
	n = min(n, dozeMostBytes)
	if !dozeRangeOK(p, n) {
		return dozeErr(linux.EFAULT)
	}
	return dozeGetrandom(t, p, n)
}

// dozeGetrandom fills n bytes, in slices.
func dozeGetrandom(t *dozeThread, p, n uintptr) uintptr {
	done, until := dozeSliceOf(t)
	for done < n {
		piece := min(n-done, dozeRandomPiece)
		r := dozeRandomFill(p+done, piece)
		if int(r) < 0 {
			return dozePart(done, r)
		}
		if done += r; r < piece {
			break
		}
		if done < n && dozeNow() > until {
			return dozeNextSlice(t, done)
		}
	}
	return done
}

// dozeRandomPiece is how much dozeGetrandom makes between two looks at the clock.
const dozeRandomPiece = 4 << 10

// dozeRandomFill fills n bytes: the CPU's generator and our own, XORed, so that neither
// alone decides. It returns how many it could write.
func dozeRandomFill(p, n uintptr) uintptr {
	for done := uintptr(0); done < n; {
		var words [32]uint64
		piece := min(n-done, unsafe.Sizeof(words))
		for i := range alignUp(piece, 8) / 8 {
			words[i] = dozeRandom64()
		}
		left := dozeUserWrite(p+done, dozeAddr(&words), piece)
		if done += piece - left; left != 0 {
			return dozePart(done, dozeErr(linux.EFAULT))
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

// dozeRusage is struct rusage.
type dozeRusage struct {
	user, system dozeTimeval
	maxRSS       int64
	_            [13]int64
}

// dozeGetrusage serves getrusage(2): CPU time is time with a vCPU, all of it the
// program's; the resident size is what the machine has in use.
func dozeGetrusage(t *dozeThread, who, p uintptr) uintptr {
	const self, children, thread = 0, -1, 1
	var ns int64
	switch int32(who) {
	case self:
		ns = dozeProcessTime()
	case thread:
		ns = dozeThreadTime(t)
	case children:
	default:
		return dozeErr(linux.EINVAL)
	}
	u := dozeRusage{user: dozeTimevalOf(ns), maxRSS: int64(dozeResident() * dozePage >> 10)}
	return dozePutOr(p, &u, 0)
}

// dozeTimesCall serves times(2), in hundredths of a second.
func dozeTimesCall(p uintptr) uintptr {
	const tick = 10_000_000
	now := uintptr(dozeNow() / tick)
	if p == 0 {
		return now
	}
	times := [4]int64{dozeProcessTime() / tick} // struct tms
	return dozePutOr(p, &times, now)
}

// dozeSysinfoArg is struct sysinfo (linux/sysinfo.h).
type dozeSysinfoArg struct {
	uptime              int64
	loads               [3]uint64
	total, free         uint64
	shared, buffer      uint64
	swapTotal, swapFree uint64
	procs, _            uint16
	_                   uint32
	highTotal, highFree uint64
	unit, _             uint32
}

// dozeSysinfo serves sysinfo(2).
func dozeSysinfo(p uintptr) uintptr {
	f := &dozeMem.frames
	i := dozeSysinfoArg{
		uptime: dozeNow() / 1e9,
		total:  uint64(dozeTotalPages() * dozePage),
		free:   uint64(f.FreePages() * dozePage),
		procs:  1,
		unit:   1,
	}
	return dozePutOr(p, &i, 0)
}

// dozeCommSize is the size of a thread's name with its zero (TASK_COMM_LEN).
const dozeCommSize = 16

// dozeNature is what prctl(2) sets for the process.
var dozeNature = struct {
	dumpable    uintptr
	deathSignal uint32
}{dumpable: 1}

// dozePrctl serves prctl(2): what is asked of a process that is root, alone, and
// never execs.
func dozePrctl(t *dozeThread, op, arg uintptr) uintptr {
	const (
		setDeathSignal, getDeathSignal = 1, 2
		getDumpable, setDumpable       = 3, 4
		getKeepCaps, setKeepCaps       = 7, 8
		setName, getName               = 15, 16
		setNoNewPrivs, getNoNewPrivs   = 38, 39
	)
	rest := t.rdx | t.r10 | t.r8
	switch op = uintptr(uint32(op)); {
	case op == abi.PVPrctl:
		return dozePV(arg, t.rdx, t.r10)
	case op == setDeathSignal && arg < dozeSignals:
		dozeNature.deathSignal = uint32(arg) // nobody is there whose death would send it
		return 0
	case op == getDeathSignal:
		return dozePutOr(arg, &dozeNature.deathSignal, 0)
	case op == getKeepCaps:
		return t.keepCaps
	case op == setKeepCaps && arg <= 1:
		t.keepCaps = arg
		return 0
	case op == getDumpable:
		return dozeNature.dumpable
	case op == setDumpable && arg <= 1:
		dozeNature.dumpable = arg
		return 0
	case op == getName:
		return dozePutOr(arg, &t.comm, 0)
	case op == setName:
		return dozeSetComm(t, arg)
	case op == setNoNewPrivs && arg == 1 && rest == 0:
		t.noNewPrivs = 1
		return 0
	case op == getNoNewPrivs && arg|rest == 0:
		return t.noNewPrivs
	}
	return dozeErr(linux.EINVAL)
}

// dozeSetComm names a thread as the string at the program's p says.
func dozeSetComm(t *dozeThread, p uintptr) uintptr {
	var name [dozeCommSize]byte
	for i := range dozeCommSize - 1 {
		if !dozeGet(p+uintptr(i), &name[i]) {
			return dozeErr(linux.EFAULT)
		}
		if name[i] == 0 {
			break
		}
	}
	t.comm = name
	return 0
}

// dozeSetID serves the calls that set user and group ids. There is only root.
func dozeSetID(real, effective, saved uintptr) uintptr {
	const unchanged = ^uint32(0)
	for _, id := range [...]uint32{uint32(real), uint32(effective), uint32(saved)} {
		if id != 0 && id != unchanged {
			return dozeErr(linux.EPERM)
		}
	}
	return 0
}

// dozeGroupsMax is the most groups that Linux lets a process have (NGROUPS_MAX).
const dozeGroupsMax = 65536

// dozeGetgroups serves getgroups(2): root has no groups but its own.
func dozeGetgroups(n uintptr) uintptr {
	if int32(n) < 0 {
		return dozeErr(linux.EINVAL)
	}
	return 0
}

// dozeSetgroups serves setgroups(2): there can be none.
func dozeSetgroups(n, list uintptr) uintptr {
	var gid uint32
	n = uintptr(uint32(n))
	if n > dozeGroupsMax {
		return dozeErr(linux.EINVAL)
	}
	for i := range n {
		if !dozeGet(list+i*4, &gid) {
			return dozeErr(linux.EFAULT)
		}
	}
	if n > 0 {
		return dozeErr(linux.EPERM)
	}
	return 0
}

// dozeGetID serves getresuid(2) and getresgid(2).
func dozeGetID(real, effective, saved uintptr) uintptr {
	root := uint32(0)
	for _, p := range [...]uintptr{real, effective, saved} {
		if !dozePut(p, &root) {
			return dozeErr(linux.EFAULT)
		}
	}
	return 0
}

// dozeCapHeader is struct __user_cap_header_struct.
type dozeCapHeader struct {
	version uint32
	pid     int32
}

// dozeCapget serves capget(2): root has them all.
func dozeCapget(header, data uintptr) uintptr {
	const version1, version2, version3 = 0x19980330, 0x20071026, 0x20080522 // linux/capability.h
	var h dozeCapHeader
	if !dozeGet(header, &h) {
		return dozeErr(linux.EFAULT)
	}
	known := h.version == version1 || h.version == version2 || h.version == version3
	if !known {
		version := uint32(version3)
		if !dozePut(header, &version) {
			return dozeErr(linux.EFAULT)
		}
	}
	switch {
	case data == 0:
		return 0
	case !known || h.pid < 0:
		return dozeErr(linux.EINVAL)
	case h.pid != 0 && dozeByTID(uintptr(h.pid)) == nil:
		return dozeErr(linux.ESRCH)
	}
	var sets [6]uint32 // two of {effective, permitted, inheritable}, 32 bits each
	for i := range sets {
		sets[i] = ^uint32(0)
	}
	size := unsafe.Sizeof(sets)
	if h.version == version1 {
		size /= 2
	}
	if !dozeCopyOut(data, dozeAddr(&sets), size) {
		return dozeErr(linux.EFAULT)
	}
	return 0
}
