package runtime

// Locks of files: flock(2), and those of fcntl(2) on ranges of bytes, which belong to
// the process or to an open file. There is one process, so its own never
// conflict with each other; all others do as on Linux.

import (
	"internal/runtime/doze/linux"
	"internal/runtime/sys"
	"unsafe"
)

// Kinds of locks (asm-generic/fcntl.h).
const (
	dozeLockRead  = 0
	dozeLockWrite = 1
	dozeLockNone  = 2
)

// dozeWant is a lock, wanted or held.
type dozeWant struct {
	key        uintptr   // what it is on
	owner      *dozeFile // nil: the process
	start, end int64     // the first and the last byte
	kind       int16
	whole      bool // flock's: apart from those on ranges
}

// dozeHold is a lock that is held.
type dozeHold struct {
	_    sys.NotInHeap
	next *dozeHold
	dozeWant
}

// dozeHoldBuckets hold all locks, by what they are on. Who waits for a lock waits on
// the address of its bucket.
const dozeHoldBuckets = 64

var dozeHolds [dozeHoldBuckets]*dozeHold

// dozeLockKey is what the locks of an open file are on.
func dozeLockKey(f *dozeFile) uintptr {
	if n := dozeNodeOf(f); n != 0 {
		return uintptr(n)
	}
	if f.isPipe() {
		return f.obj
	}
	return f.addr()
}

func dozeHoldBucket(key uintptr) **dozeHold {
	return &dozeHolds[key*0x9e3779b97f4a7c15>>58]
}

// same reports whether two locks are of one owner and sort.
func (h *dozeWant) same(o *dozeWant) bool {
	return h.key == o.key && h.owner == o.owner && h.whole == o.whole
}

func (h *dozeWant) overlaps(o *dozeWant) bool { return h.start <= o.end && o.start <= h.end }

// conflict finds the first lock of others that keeps want from being held, nil if
// there is none. A want for no lock finds its owner's own.
func (want *dozeWant) conflict() (first *dozeHold) {
	for h := *dozeHoldBucket(want.key); h != nil; h = h.next {
		if h.key != want.key || h.whole != want.whole || !h.overlaps(want) || (h.owner == want.owner) != (want.kind == dozeLockNone) {
			continue
		}
		if want.kind == dozeLockRead && h.kind == dozeLockRead {
			continue
		}
		if first == nil || h.start < first.start {
			first = h
		}
	}
	return first
}

// hold puts want, which nothing keeps from that, in the place of what its owner holds
// there. It returns false without memory.
func (want *dozeWant) hold() bool {
	a, b := dozeSlotAlloc(), dozeSlotAlloc() // for want, and for what is left on its far side
	if a == 0 || b == 0 {
		dozeSlotFree(a)
		dozeSlotFree(b)
		return false
	}
	list := dozeHoldBucket(want.key)
	for at := list; *at != nil; {
		h := *at
		near := h.kind == want.kind && (h.end != dozeForever && h.end+1 == want.start || want.end != dozeForever && want.end+1 == h.start)
		switch {
		case !h.same(want) || !h.overlaps(want) && !near:
			at = &h.next
			continue
		case h.kind == want.kind:
			want.start, want.end = min(want.start, h.start), max(want.end, h.end)
		case h.start < want.start && h.end > want.end:
			rest := (*dozeHold)(dozePtr(b))
			b = 0
			rest.dozeWant = h.dozeWant
			rest.start = want.end + 1
			h.end = want.start - 1
			rest.next, h.next = h.next, rest
			at = &rest.next
			continue
		case h.start < want.start:
			h.end = want.start - 1
			at = &h.next
			continue
		case h.end > want.end:
			h.start = want.end + 1
			at = &h.next
			continue
		}
		*at = h.next
		dozeSlotFree(h.addr())
	}
	if want.kind != dozeLockNone {
		h := (*dozeHold)(dozePtr(a))
		a = 0
		h.dozeWant = *want
		h.next = *list
		*list = h
	}
	dozeSlotFree(a)
	dozeSlotFree(b)
	dozeNotify(dozeAddr(list), dozeEveryone)
	return true
}

func (h *dozeHold) addr() uintptr { return uintptr(unsafe.Pointer(h)) }

// dozeUnlockAll ends the locks that an owner has on what f is open on.
func dozeUnlockAll(f, owner *dozeFile) {
	key := dozeLockKey(f)
	list := dozeHoldBucket(key)
	for at := list; *at != nil; {
		h := *at
		if h.key != key || h.owner != owner {
			at = &h.next
			continue
		}
		*at = h.next
		dozeSlotFree(h.addr())
		dozeNotify(dozeAddr(list), dozeEveryone)
	}
}

// take holds the lock, waits for it, or says why not.
func (want *dozeWant) take(f *dozeFile, wait bool) uintptr {
	switch {
	case want.kind != dozeLockNone && want.conflict() != nil && wait:
		return dozeWaitOn(f, dozeAddr(dozeHoldBucket(want.key)))
	case want.kind != dozeLockNone && want.conflict() != nil:
		return dozeErr(linux.EAGAIN)
	case !want.hold():
		return dozeErr(linux.ENOLCK)
	}
	return 0
}

// dozeFlock serves flock(2). A lock that becomes another one is given up first.
func dozeFlock(fd, op uintptr) uintptr {
	const shared, exclusive, noWait, unlock, mandatory = 1, 2, 4, 8, 32
	if op&mandatory != 0 {
		return 0 // Linux takes no note of it either
	}
	want := dozeWant{end: dozeForever, whole: true}
	switch uint32(op) &^ noWait {
	case shared:
		want.kind = dozeLockRead
	case exclusive:
		want.kind = dozeLockWrite
	case unlock:
		want.kind = dozeLockNone
	default:
		return dozeErr(linux.EINVAL)
	}
	f := dozeCallFd(fd)
	if f == nil || f.flags&linux.OPath != 0 {
		return dozeErr(linux.EBADF)
	}
	want.key, want.owner = dozeLockKey(f), f
	for h := *dozeHoldBucket(want.key); h != nil; h = h.next {
		if !h.same(&want) {
			continue
		}
		if h.kind == want.kind {
			return 0
		}
		none := want
		none.kind = dozeLockNone
		none.hold()
		break
	}
	return want.take(f, op&noWait == 0)
}

// dozeFlockArg is struct flock (asm-generic/fcntl.h).
type dozeFlockArg struct {
	kind, whence int16
	_            int32
	start, n     int64
	pid          int32
	_            int32
}

// Commands of fcntl for locks (linux/fcntl.h).
const (
	dozeGetLk  = 5
	dozeSetLk  = 6
	dozeSetLkw = 7

	dozeOfdGetLk  = 36
	dozeOfdSetLk  = 37
	dozeOfdSetLkw = 38
)

// dozeRangeLock serves fcntl's commands for locks.
func dozeRangeLock(f *dozeFile, cmd, arg uintptr) uintptr {
	var a dozeFlockArg
	if !dozeGet(arg, &a) {
		return dozeErr(linux.EFAULT)
	}
	want := dozeWant{key: dozeLockKey(f), kind: a.kind}
	ofd := cmd >= dozeOfdGetLk
	if ofd {
		want.owner = f
	}
	if cmd == dozeGetLk && a.kind != dozeLockRead && a.kind != dozeLockWrite {
		return dozeErr(linux.EINVAL)
	}
	errno := want.setRange(f, &a)
	access := f.flags & linux.OAccess
	looks := cmd == dozeGetLk || cmd == dozeOfdGetLk
	switch {
	case errno != 0:
		return dozeErr(errno)
	case a.kind < dozeLockRead || a.kind > dozeLockNone:
		return dozeErr(linux.EINVAL)
	case !looks && (a.kind == dozeLockRead && access == linux.OWronly || a.kind == dozeLockWrite && access == linux.ORdonly):
		return dozeErr(linux.EBADF)
	case ofd && a.pid != 0:
		return dozeErr(linux.EINVAL)
	case looks:
		return want.tell(&a, arg)
	}
	return want.take(f, cmd == dozeSetLkw || cmd == dozeOfdSetLkw)
}

// setRange takes the range of a lock from what a call says.
func (want *dozeWant) setRange(f *dozeFile, a *dozeFlockArg) (errno uintptr) {
	const set, current, end = 0, 1, 2
	var base int64
	switch a.whence {
	case set:
	case current:
		base = int64(f.pos)
	case end:
		if n := dozeNodeOf(f); n != 0 {
			base = int64(dozeFiles().Size(n))
		}
	default:
		return linux.EINVAL
	}
	if a.start > dozeForever-base {
		return linux.EOVERFLOW
	}
	start := base + a.start
	switch {
	case start < 0:
		return linux.EINVAL
	case a.n > 0 && a.n-1 > dozeForever-start:
		return linux.EOVERFLOW
	case a.n > 0:
		want.start, want.end = start, start+a.n-1
	case a.n == 0:
		want.start, want.end = start, dozeForever
	case start+a.n < 0:
		return linux.EINVAL
	default:
		want.start, want.end = start+a.n, start-1
	}
	return 0
}

// tell writes which lock would keep want from being held.
func (want *dozeWant) tell(a *dozeFlockArg, to uintptr) uintptr {
	h := want.conflict()
	if h == nil {
		a.kind = dozeLockNone
		return dozePutOr(to, a, 0)
	}
	a.kind, a.whence, a.start, a.n = h.kind, 0, h.start, 0
	if h.end != dozeForever {
		a.n = h.end - h.start + 1
	}
	if a.pid = dozeMainTID; h.owner != nil {
		a.pid = -1 // an open file's is no process's
	}
	return dozePutOr(to, a, 0)
}
