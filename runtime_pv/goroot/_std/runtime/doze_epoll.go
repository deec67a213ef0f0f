package runtime

// What open files are ready for, and the ways to wait for several of them:
// epoll(7) and poll(2).

import (
	"internal/runtime/doze/linux"
	"internal/runtime/sys"
	"unsafe"
)

// Events (linux/eventpoll.h, asm-generic/poll.h).
const (
	dozePollIn   = 0x1
	dozePollOut  = 0x4
	dozePollErr  = 0x8
	dozePollHup  = 0x10
	dozePollNval = 0x20

	dozePollRead  = dozePollIn | 0x40   // and POLLRDNORM: the same but for sockets
	dozePollWrite = dozePollOut | 0x100 // and POLLWRNORM

	dozeEpollExclusive = 1 << 28
	dozeEpollWakeup    = 1 << 29
	dozeEpollOneshot   = 1 << 30
	dozeEpollEdge      = 1 << 31
	// dozeEpollFlags are no events.
	dozeEpollFlags = dozeEpollEdge | dozeEpollOneshot | dozeEpollWakeup | dozeEpollExclusive
	// dozeExclusiveOK is what an exclusive watch may ask for.
	dozeExclusiveOK = dozePollIn | dozePollOut | dozePollAlways | dozeEpollEdge | dozeEpollWakeup | dozeEpollExclusive

	dozePollAlways = dozePollErr | dozePollHup // what is told without being asked for
)

// dozeReadiness is what can be done with an open file without waiting.
func dozeReadiness(f *dozeFile) uint32 {
	if f.ops.ready == nil {
		return dozePollRead | dozePollWrite
	}
	return f.ops.ready(f)
}

// dozePollers is what calls of poll wait on: any event at all.
var dozePollers uint64

// dozeFileEvent says that the open file, if it still is one, has become ready for
// something.
func dozeFileEvent(f *dozeFile, events uint32) {
	if f == nil {
		return
	}
	for w := dozeWatchesOf(f); w != nil; w = w.ofFile {
		if events&w.events != 0 {
			w.epoll.offer(w)
		}
	}
	dozeNotify(dozeAddr(&dozePollers), dozeEveryone)
}

// dozeEpoll is an epoll instance. Callers of epoll_wait wait on its address.
type dozeEpoll struct {
	_           sys.NotInHeap
	file        *dozeFile
	watches     *dozeWatch // all, by all
	first, last *dozeWatch // those that may have events, by next
	offered     uintptr    // how many those are
}

// dozeWatch is an open file in an epoll.
type dozeWatch struct {
	_        sys.NotInHeap
	epoll    *dozeEpoll
	file     *dozeFile
	fd       uint32
	events   uint32
	data     [2]uint32
	ofFile   *dozeWatch // next of the file's
	all, was *dozeWatch // next and previous of the epoll's
	next     *dozeWatch // next that may have events
	offered  bool
}

func dozeEpollOf(f *dozeFile) *dozeEpoll { return (*dozeEpoll)(dozePtr(f.obj)) }

func dozeWatchesOf(f *dozeFile) *dozeWatch { return (*dozeWatch)(dozePtr(f.watch)) }

func (e *dozeEpoll) addr() uintptr { return uintptr(unsafe.Pointer(e)) }

// offer puts a watch on the list of those that may have events.
func (e *dozeEpoll) offer(w *dozeWatch) {
	if !w.offered {
		e.append(w)
	}
	dozeNotify(e.addr(), dozeEveryone)
}

func (e *dozeEpoll) append(w *dozeWatch) {
	w.offered, w.next = true, nil
	if e.last == nil {
		e.first = w
	} else {
		e.last.next = w
	}
	e.last = w
	e.offered++
}

// take takes the first watch off that list.
func (e *dozeEpoll) take() *dozeWatch {
	w := e.first
	e.first = w.next
	if e.first == nil {
		e.last = nil
	}
	w.offered, w.next = false, nil
	e.offered--
	return w
}

// dozeEpollCreateSize serves epoll_create(2), whose size is but a number.
func dozeEpollCreateSize(size uintptr) uintptr {
	if int32(size) <= 0 {
		return dozeErr(linux.EINVAL)
	}
	return dozeEpollCreate(0)
}

// dozeEpollCreate serves epoll_create1(2).
func dozeEpollCreate(flags uintptr) uintptr {
	if flags&^linux.OCloexec != 0 {
		return dozeErr(linux.EINVAL)
	}
	at := dozeSlotAlloc()
	if at == 0 {
		return dozeErr(linux.ENOMEM)
	}
	f := dozeNewFile(&dozeEpollOps, linux.ORdwr)
	if f == nil {
		dozeSlotFree(at)
		return dozeErr(linux.ENOMEM)
	}
	f.obj = at
	dozeEpollOf(f).file = f
	return dozeInstall(f, 0, dozeCloexec(flags))
}

func dozeEpollEnd(f *dozeFile) {
	e := dozeEpollOf(f)
	for e.watches != nil {
		dozeWatchEnd(e.watches)
	}
	dozeNotify(e.addr(), dozeEveryone)
	dozeSlotFree(f.obj)
}

// dozeEpollEvent is struct epoll_event, which is packed.
type dozeEpollEvent struct {
	events uint32
	data   [2]uint32
}

// dozeEpollCtl serves epoll_ctl(2).
func dozeEpollCtl(epfd, op, fd, event uintptr) uintptr {
	const add, del, mod = 1, 2, 3
	op = uintptr(uint32(op))
	var arg dozeEpollEvent
	if op != del && !dozeGet(event, &arg) {
		return dozeErr(linux.EFAULT)
	}
	ep, f := dozeUsable(epfd), dozeUsable(fd)
	switch {
	case ep == nil || f == nil:
		return dozeErr(linux.EBADF)
	case !f.ops.polls && f.ops.kind != dozeFileEpoll:
		return dozeErr(linux.EPERM)
	case ep.ops.kind != dozeFileEpoll || f.ops.kind == dozeFileEpoll:
		return dozeErr(linux.EINVAL)
	case op != del && arg.events&dozeEpollExclusive != 0 && (op == mod || arg.events&^dozeExclusiveOK != 0):
		return dozeErr(linux.EINVAL)
	}
	e := dozeEpollOf(ep)
	w := e.find(f, uint32(fd))
	switch {
	case op == add && w != nil:
		return dozeErr(linux.EEXIST)
	case op == add:
		if w = dozeWatchNew(e, f, uint32(fd)); w == nil {
			return dozeErr(linux.ENOMEM)
		}
	case op != del && op != mod:
		return dozeErr(linux.EINVAL)
	case w == nil:
		return dozeErr(linux.ENOENT)
	case op == del:
		dozeWatchEnd(w)
		return 0
	case w.events&dozeEpollExclusive != 0:
		return dozeErr(linux.EINVAL)
	}
	w.events, w.data = arg.events|dozePollAlways, arg.data
	if w.ready() != 0 {
		e.offer(w)
	}
	return 0
}

// find returns the watch of a descriptor on f, nil if there is none.
func (e *dozeEpoll) find(f *dozeFile, fd uint32) *dozeWatch {
	w := dozeWatchesOf(f)
	for w != nil && (w.epoll != e || w.fd != fd) {
		w = w.ofFile
	}
	return w
}

// ready returns the watched events that hold now, or 0 after a one-shot watch has fired.
func (w *dozeWatch) ready() uint32 { return dozeReadiness(w.file) & w.events }

func dozeWatchNew(e *dozeEpoll, f *dozeFile, fd uint32) *dozeWatch {
	at := dozeSlotAlloc()
	if at == 0 {
		return nil
	}
	w := (*dozeWatch)(dozePtr(at))
	w.epoll, w.file, w.fd = e, f, fd
	w.ofFile = dozeWatchesOf(f)
	f.watch = at
	if w.all = e.watches; w.all != nil {
		w.all.was = w
	}
	e.watches = w
	return w
}

// dozeWatchEnd takes a watch off all lists and frees it.
func dozeWatchEnd(w *dozeWatch) {
	e := w.epoll
	if x := dozeWatchesOf(w.file); x == w {
		w.file.watch = uintptr(unsafe.Pointer(w.ofFile))
	} else {
		for x.ofFile != w {
			x = x.ofFile
		}
		x.ofFile = w.ofFile
	}
	if w.all != nil {
		w.all.was = w.was
	}
	if w.was != nil {
		w.was.all = w.all
	} else {
		e.watches = w.all
	}
	for n := e.offered; w.offered && n > 0; n-- { // it may be anywhere on the list
		if x := e.take(); x != w {
			e.append(x)
		}
	}
	dozeSlotFree(uintptr(unsafe.Pointer(w)))
}

// dozeEpollReadiness drops watches that have no events any more.
func dozeEpollReadiness(f *dozeFile) uint32 {
	e := dozeEpollOf(f)
	for e.first != nil {
		if e.first.ready() != 0 {
			return dozePollRead
		}
		e.take()
	}
	return 0
}

// dozeEpollWait serves epoll_wait(2). A deadline that has passed means not to wait.
func dozeEpollWait(t *dozeThread, epfd, out, most uintptr, deadline int64) uintptr {
	const size = 12 // of a dozeEpollEvent
	f := dozeCallFd(epfd)
	switch {
	case f == nil || f.flags&linux.OPath != 0:
		return dozeErr(linux.EBADF)
	case int32(most) <= 0 || int32(most) > (1<<31-1)/size:
		return dozeErr(linux.EINVAL)
	case !dozeRangeOK(out, uintptr(uint32(most))*size):
		return dozeErr(linux.EFAULT)
	case f.ops.kind != dozeFileEpoll:
		return dozeErr(linux.EINVAL)
	}
	e := dozeEpollOf(f)
	if n := e.collect(out, uintptr(uint32(most))); n != 0 {
		return n
	}
	return dozeWaitUntil(t, f, e.addr(), deadline)
}

// dozeWaitUntil ends a call that found nothing: at its deadline with 0, else when
// there is news of obj. A handler ends it whatever its flags are, as on Linux.
func dozeWaitUntil(t *dozeThread, f *dozeFile, obj uintptr, deadline int64) uintptr {
	if t.resumed != dozeWaitNone {
		deadline = t.until
	}
	if deadline <= dozeNow() {
		return 0
	}
	return dozeWaitAs(dozeWaitOnce, f, obj, deadline)
}

// collect writes up to most events and returns how many, or an error. A watch that
// is not edge-triggered stays on the list until it has no events.
func (e *dozeEpoll) collect(out, most uintptr) uintptr {
	n := uintptr(0)
	for looks := e.offered; looks > 0 && n < most; looks-- {
		w := e.take()
		event := dozeEpollEvent{w.ready(), w.data}
		if event.events == 0 {
			continue
		}
		if !dozePut(out+n*unsafe.Sizeof(event), &event) {
			e.append(w)
			if n == 0 {
				return dozeErr(linux.EFAULT)
			}
			return n
		}
		n++
		switch {
		case w.events&dozeEpollOneshot != 0:
			w.events &= dozeEpollFlags
		case w.events&dozeEpollEdge == 0:
			e.append(w)
		}
	}
	return n
}

// dozePollFd is struct pollfd.
type dozePollFd struct {
	fd              int32
	events, revents uint16
}

// dozePoll serves poll(2).
func dozePoll(t *dozeThread, fds, n uintptr, deadline int64) uintptr {
	if n = uintptr(uint32(n)); n > dozeFds.limit {
		return dozeErr(linux.EINVAL)
	}
	var found uintptr
	for i := uintptr(0); i < n; i++ {
		var p dozePollFd
		at := fds + i*unsafe.Sizeof(p)
		if !dozeGet(at, &p) {
			return dozeErr(linux.EFAULT)
		}
		p.revents = 0
		if f := dozeUsable(uintptr(p.fd)); p.fd >= 0 && f == nil {
			p.revents = dozePollNval
		} else if p.fd >= 0 {
			p.revents = uint16(dozeReadiness(f)) & (p.events | dozePollAlways)
		}
		if !dozePut(at, &p) {
			return dozeErr(linux.EFAULT)
		}
		if p.revents != 0 {
			found++
		}
	}
	if found != 0 {
		return found
	}
	return dozeWaitUntil(t, nil, dozeAddr(&dozePollers), deadline)
}
