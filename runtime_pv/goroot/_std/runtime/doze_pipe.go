package runtime

// Pipes (pipe(7)): bytes in pages that are taken when something is written and
// given back when it was read, so a pipe at rest has none (kernel/stream).

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
	"internal/runtime/doze/stream"
	"internal/runtime/sys"
	"unsafe"
)

const (
	dozePipeBuf  = 4096     // PIPE_BUF: writes up to here are never torn
	dozePipeSize = 64 << 10 // what a pipe holds, unless it is told otherwise
	dozePipeMax  = 1 << 20

	dozeSetPipeSize = 1031 // fcntl commands (linux/fcntl.h)
	dozeGetPipeSize = 1032
)

// dozePipe is what the two ends of a pipe share. Readers wait on its address,
// writers 8 further.
type dozePipe struct {
	_         sys.NotInHeap
	in, out   *dozeFile // the open files of either end, linked by next; nil once all are closed
	bytes     stream.Buffer
	node      fs.Node // of a FIFO, else 0
	ins, outs uint32  // how often either end of a FIFO was opened anew
}

func dozePipeOf(f *dozeFile) *dozePipe { return (*dozePipe)(dozePtr(f.obj)) }

func (q *dozePipe) readers() uintptr { return uintptr(unsafe.Pointer(q)) }
func (q *dozePipe) writers() uintptr { return uintptr(unsafe.Pointer(q)) + 8 }

// dozePipe2 serves pipe(2) and pipe2(2).
func dozePipe2(fds, flags uintptr) uintptr {
	flags = uintptr(uint32(flags))
	if flags&^(linux.OCloexec|linux.ONonblock) != 0 {
		return dozeErr(linux.EINVAL)
	}
	at := dozeSlotAlloc()
	if at == 0 {
		return dozeErr(linux.ENOMEM)
	}
	q := (*dozePipe)(dozePtr(at))
	q.bytes.Size = dozePipeSize
	status := uint32(flags) & linux.ONonblock
	if q.in = dozeNewFile(&dozePipeInOps, linux.ORdonly|status); q.in == nil {
		dozeSlotFree(at)
		return dozeErr(linux.ENOMEM)
	}
	q.in.obj = at
	if q.out = dozeNewFile(&dozePipeOutOps, linux.OWronly|status); q.out == nil {
		dozeDrop(q.in)
		return dozeErr(linux.ENOMEM)
	}
	q.out.obj = at
	out := q.out
	r := dozeInstall(q.in, 0, dozeCloexec(flags))
	if int(r) < 0 {
		dozeDrop(out)
		return r
	}
	w := dozeInstall(out, 0, dozeCloexec(flags))
	if int(w) < 0 {
		dozeClose(r)
		return w
	}
	pair := [2]uint32{uint32(r), uint32(w)}
	if !dozePut(fds, &pair) {
		dozeClose(r)
		dozeClose(w)
		return dozeErr(linux.EFAULT)
	}
	return 0
}

func dozePipeRead(f *dozeFile, p, n uintptr) uintptr {
	q := dozePipeOf(f)
	switch {
	case n == 0:
		return 0
	case q.bytes.Len() > 0:
		return q.read(p, n)
	case q.out == nil:
		return 0
	case f.flags&linux.ONonblock != 0:
		return dozeErr(linux.EAGAIN)
	}
	return dozeWaitOn(f, q.readers())
}

// read takes up to n bytes, and lets writers know of the room.
func (q *dozePipe) read(p, n uintptr) uintptr {
	before := q.bytes.Room()
	got := uintptr(0)
	for got < n {
		at, part := q.bytes.Peek()
		part = min(part, n-got)
		if part == 0 || dozeUserWrite(p+got, at, part) != 0 {
			break // what can't be written stays, as on Linux
		}
		got += part
		q.bytes.Took(part)
		q.tidy()
	}
	if got == 0 {
		return dozeErr(linux.EFAULT)
	}
	dozeNotify(q.writers(), dozeEveryone)
	if before < dozePipeBuf && q.bytes.Room() >= dozePipeBuf {
		q.event(q.out, dozePollWrite)
	}
	return got
}

// event says that an end, with each of its open files, has become ready for
// something.
func (q *dozePipe) event(end *dozeFile, events uint32) {
	for f := end; f != nil; f = f.next {
		dozeFileEvent(f, events)
	}
}

// tidy gives back the pages that were read.
func (q *dozePipe) tidy() {
	for page := q.bytes.Unused(); page != 0; page = q.bytes.Unused() {
		dozeStreamPageFree(page)
	}
}

// dozePipeWrite writes all parts unless the pipe is O_NONBLOCK: at once if they are no
// more than PIPE_BUF bytes. A write that waits keeps in t.done how far it is.
func dozePipeWrite(t *dozeThread, f *dozeFile, s dozeParts) uintptr {
	q := dozePipeOf(f)
	for s.n != 0 {
		if q.in == nil {
			dozeRaise(t, _SIGPIPE, dozeSiUser)
			return t.wrote(linux.EPIPE)
		}
		room := q.bytes.Room()
		if s.n <= dozePipeBuf && room < s.n {
			room = 0
		}
		if errno := q.write(&s, t.done, min(s.n-t.done, room), &t.done); errno != 0 {
			return t.wrote(errno)
		}
		switch {
		case t.done == s.n:
			return t.wrote(0)
		case f.flags&linux.ONonblock != 0:
			return t.wrote(linux.EAGAIN)
		case room == 0:
			return dozeWaitOn(f, q.writers())
		}
	}
	return 0
}

// wrote ends a write: with what was written, or the error if that is nothing.
func (t *dozeThread) wrote(errno uintptr) uintptr {
	n := t.done
	t.done = 0
	if n == 0 {
		return dozeErr(errno)
	}
	return n
}

// write appends n bytes of the parts from skip on, adds to done how many, and lets
// readers know.
func (q *dozePipe) write(s *dozeParts, skip, n uintptr, done *uintptr) (errno uintptr) {
	put := uintptr(0)
	for put < n && errno == 0 {
		at, part := q.bytes.Prepare()
		if part == 0 {
			page := dozeStreamPage()
			if page == 0 {
				errno = linux.ENOMEM
				break
			}
			q.bytes.Add(page)
			continue
		}
		part = min(n-put, part)
		if s.read(at, skip+put, part) != 0 {
			errno = linux.EFAULT
			break
		}
		q.bytes.Put(part)
		put += part
	}
	*done += put
	q.tidy() // a page for bytes that could not be read
	if put > 0 {
		dozeNotify(q.readers(), dozeEveryone)
		q.event(q.in, dozePollRead)
	}
	return errno
}

// dozePipeEnd closes an open file of an end. The end is closed with its last one, the
// pipe with its second end.
func dozePipeEnd(f *dozeFile) {
	q := dozePipeOf(f)
	end := &q.in
	if f.ops.kind == dozeFilePipeOut {
		end = &q.out
	}
	for at := end; *at != nil; at = &(*at).next {
		if *at == f {
			*at = f.next
			break
		}
	}
	if *end != nil {
		return
	}
	dozeNotify(q.readers(), dozeEveryone)
	dozeNotify(q.writers(), dozeEveryone)
	if f.ops.kind == dozeFilePipeIn {
		q.event(q.out, dozePollErr|dozePollWrite)
	} else {
		q.event(q.in, dozePollHup|dozePollRead)
	}
	q.free()
}

// dozePipeAvailable serves FIONREAD.
func dozePipeAvailable(f *dozeFile) (n uint32, errno uintptr) {
	return uint32(dozePipeOf(f).bytes.Len()), 0
}

func dozePipeReadiness(f *dozeFile) (mask uint32) {
	q := dozePipeOf(f)
	if f.ops.kind == dozeFilePipeIn {
		if q.bytes.Len() > 0 {
			mask = dozePollRead
		}
		if q.out == nil {
			mask |= dozePollHup
		}
		return mask
	}
	if q.bytes.Room() >= dozePipeBuf {
		mask = dozePollWrite
	}
	if q.in == nil {
		mask |= dozePollErr
	}
	return mask
}

// dozePipeFcntl serves F_GETPIPE_SZ and F_SETPIPE_SZ.
func dozePipeFcntl(f *dozeFile, cmd, arg uintptr) uintptr {
	if !f.isPipe() {
		return dozeErr(linux.EBADF)
	}
	q := dozePipeOf(f)
	if cmd == dozeSetPipeSize {
		size := uintptr(dozePage)
		for size < uintptr(uint32(arg)) {
			size *= 2
		}
		switch {
		case size > 1<<31:
			return dozeErr(linux.EINVAL)
		case size > dozePipeMax:
			return dozeErr(linux.EPERM)
		case size < q.bytes.Len():
			return dozeErr(linux.EBUSY)
		}
		q.bytes.Size = size
		dozeNotify(q.writers(), dozeEveryone)
		q.event(q.out, dozePollWrite)
	}
	return q.bytes.Size
}

// An eventfd: a number in f.pos. Readers wait on the file's address, writers 8
// further.

// dozeEventfd serves eventfd(2) and eventfd2(2).
func dozeEventfd(count, flags uintptr) uintptr {
	const semaphore = 1
	flags = uintptr(uint32(flags))
	if flags&^(linux.OCloexec|linux.ONonblock|semaphore) != 0 {
		return dozeErr(linux.EINVAL)
	}
	f := dozeNewFile(&dozeCounterOps, linux.ORdwr|uint32(flags)&linux.ONonblock)
	if f == nil {
		return dozeErr(linux.ENOMEM)
	}
	f.pos, f.aux = uintptr(uint32(count)), uint32(flags)&semaphore
	return dozeInstall(f, 0, dozeCloexec(flags))
}

// dozeCounterFull is the one value that a counter can't reach.
const dozeCounterFull = ^uintptr(0)

func dozeCounterRead(f *dozeFile, p, n uintptr) uintptr {
	switch {
	case n < 8:
		return dozeErr(linux.EINVAL)
	case f.pos == 0 && f.flags&linux.ONonblock != 0:
		return dozeErr(linux.EAGAIN)
	case f.pos == 0:
		return dozeWaitOn(f, f.addr())
	}
	v := f.pos
	if f.aux != 0 {
		v = 1
	}
	f.pos -= v
	dozeNotify(f.addr()+8, dozeEveryone)
	dozeFileEvent(f, dozePollOut)
	return dozePutOr(p, &v, 8) // a bad address loses what was counted, as on Linux
}

func dozeCounterWrite(_ *dozeThread, f *dozeFile, s dozeParts) uintptr {
	var v uintptr
	switch {
	case s.n < 8:
		return dozeErr(linux.EINVAL)
	case !dozeGet(s.base, &v):
		return dozeErr(linux.EFAULT)
	case v == dozeCounterFull:
		return dozeErr(linux.EINVAL)
	case v >= dozeCounterFull-f.pos && f.flags&linux.ONonblock != 0:
		return dozeErr(linux.EAGAIN)
	case v >= dozeCounterFull-f.pos:
		return dozeWaitOn(f, f.addr()+8)
	}
	f.pos += v
	if v != 0 {
		dozeNotify(f.addr(), dozeEveryone)
		dozeFileEvent(f, dozePollIn)
	}
	return 8
}

func dozeCounterEnd(f *dozeFile) {
	dozeNotify(f.addr(), dozeEveryone)
	dozeNotify(f.addr()+8, dozeEveryone)
}

func dozeCounterReadiness(f *dozeFile) (mask uint32) {
	if f.pos > 0 {
		mask = dozePollIn
	}
	if f.pos < dozeCounterFull-1 {
		mask |= dozePollOut
	}
	return mask
}

func (f *dozeFile) addr() uintptr { return uintptr(unsafe.Pointer(f)) }

// dozeEveryone as a number for dozeNotify: all who wait.
const dozeEveryone = ^uintptr(0)
