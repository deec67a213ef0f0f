package runtime

// What open files are ready for, and the ways to wait for several of them:
// epoll(7) and poll(2).

import (
	"internal/runtime/doze/mmio"
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

	dozeEpollOneshot = 1 << 30
	dozeEpollEdge    = 1 << 31
	// dozeEpollFlags are no events.
	dozeEpollFlags = dozeEpollEdge | dozeEpollOneshot | 1<<29 | 1<<28

	dozePollAlways = dozePollErr | dozePollHup // what is told without being asked for
)

// dozeReadiness is what can be done with an open file without waiting.
func dozeReadiness(f *dozeFile) uint32 {
	switch f.kind {
	case dozeFilePipeIn, dozeFilePipeOut:
		return dozePipeReadiness(f)
	case dozeFileCounter:
		return dozeCounterReadiness(f)
	case dozeFileInput:
		return dozeInputReadiness()
	case dozeFileEpoll:
		return dozeEpollReadiness(dozeEpollOf(f))
	case dozeFileConsole:
		return dozePollOut
	}
	return dozePollIn | dozePollOut
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
	data     uint64
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

// dozeEpollCreate serves epoll_create(2) and epoll_create1(2).
func dozeEpollCreate(flags uintptr) uintptr {
	if flags&^dozeOCloexec != 0 {
		return dozeErr(dozeEINVAL)
	}
	at := dozeSlotAlloc()
	if at == 0 {
		return dozeErr(dozeENOMEM)
	}
	f := dozeNewFile(dozeFileEpoll, dozeORdwr)
	if f == nil {
		dozeSlotFree(at)
		return dozeErr(dozeENOMEM)
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

// dozePollable tells the open files that epoll takes: not those that never make
// anyone wait, and no epoll.
func dozePollable(f *dozeFile) bool {
	return f.kind == dozeFileConsole || dozeIsStream(f) && f.kind != dozeFileEpoll
}

// dozeEpollCtl serves epoll_ctl(2).
func dozeEpollCtl(epfd, op, fd, event uintptr) uintptr {
	const add, del, mod = 1, 2, 3
	ep, f := dozeFd(epfd), dozeFd(fd)
	var arg [12]byte // struct epoll_event, packed: events, data
	switch {
	case ep == nil || f == nil:
		return dozeErr(dozeEBADF)
	case op != del && !dozeCopyIn(dozeAddr(&arg), event, 12):
		return dozeErr(dozeEFAULT)
	case !dozePollable(f) && f.kind != dozeFileEpoll:
		return dozeErr(dozeEPERM)
	case ep.kind != dozeFileEpoll || f.kind == dozeFileEpoll:
		return dozeErr(dozeEINVAL)
	}
	e := dozeEpollOf(ep)
	w := dozeWatchesOf(f)
	for w != nil && (w.epoll != e || w.fd != uint32(fd)) {
		w = w.ofFile
	}
	switch {
	case op == add && w != nil:
		return dozeErr(dozeEEXIST)
	case op == add:
		if w = dozeWatchNew(e, f, uint32(fd)); w == nil {
			return dozeErr(dozeENOMEM)
		}
	case op != del && op != mod:
		return dozeErr(dozeEINVAL)
	case w == nil:
		return dozeErr(dozeENOENT)
	case op == del:
		dozeWatchEnd(w)
		return 0
	}
	w.events = mmio.Load32(dozeAddr(&arg)) | dozePollAlways
	w.data = uint64(mmio.Load32(dozeAddr(&arg[4]))) | uint64(mmio.Load32(dozeAddr(&arg[8])))<<32
	if w.ready() != 0 {
		e.offer(w)
	}
	return 0
}

// ready is which of the events that are watched for there are now: none after one
// shot was fired.
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
func dozeEpollReadiness(e *dozeEpoll) uint32 {
	for e.first != nil {
		if e.first.ready() != 0 {
			return dozePollIn
		}
		e.take()
	}
	return 0
}

// dozeEpollWait serves epoll_wait(2). A deadline that has passed means not to wait.
func dozeEpollWait(t *dozeThread, epfd, out, most uintptr, deadline int64, holdsP bool) uintptr {
	f := dozeFd(epfd)
	switch {
	case f == nil:
		return dozeErr(dozeEBADF)
	case f.kind != dozeFileEpoll || int32(most) <= 0:
		return dozeErr(dozeEINVAL)
	}
	e := dozeEpollOf(f)
	if n := e.collect(out, uintptr(uint32(most))); n != 0 {
		return n
	}
	return dozeWaitUntil(t, e.addr(), deadline, holdsP)
}

// dozeWaitUntil ends a call that found nothing: at its deadline with 0, else when
// there is news of obj. A handler ends it whatever its flags are, as on Linux.
func dozeWaitUntil(t *dozeThread, obj uintptr, deadline int64, holdsP bool) uintptr {
	if t.resumed != dozeWaitNone {
		deadline = t.until
	}
	if deadline <= dozeNow() {
		return 0
	}
	return dozeWaitAs(dozeWaitOnce, obj, deadline, holdsP)
}

// collect writes up to most events and returns how many, or an error. A watch that
// is not edge-triggered stays on the list until it has no events.
func (e *dozeEpoll) collect(out, most uintptr) uintptr {
	n := uintptr(0)
	for looks := e.offered; looks > 0 && n < most; looks-- {
		w := e.take()
		events := w.ready()
		if events == 0 {
			continue
		}
		at := out + n*12
		if !dozeCopyOut(at, dozeAddr(&events), 4) || !dozeCopyOut(at+4, dozeAddr(&w.data), 8) {
			e.append(w)
			if n == 0 {
				return dozeErr(dozeEFAULT)
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

// dozePoll serves poll(2): struct pollfd {int fd; short events, revents}.
func dozePoll(t *dozeThread, fds, n uintptr, deadline int64) uintptr {
	if n > dozeMaxFiles {
		return dozeErr(dozeEINVAL)
	}
	var found uintptr
	for i := uintptr(0); i < n; i++ {
		var p struct {
			fd              int32
			events, revents uint16
		}
		if !dozeCopyIn(dozeAddr(&p), fds+i*8, 8) {
			return dozeErr(dozeEFAULT)
		}
		p.revents = 0
		if f := dozeFd(uintptr(p.fd)); p.fd >= 0 && f == nil {
			p.revents = dozePollNval
		} else if p.fd >= 0 {
			p.revents = uint16(dozeReadiness(f)) & (p.events | dozePollAlways)
		}
		if !dozeCopyOut(fds+i*8+6, dozeAddr(&p.revents), 2) {
			return dozeErr(dozeEFAULT)
		}
		if p.revents != 0 {
			found++
		}
	}
	if found != 0 {
		return found
	}
	return dozeWaitUntil(t, dozeAddr(&dozePollers), deadline, true)
}
