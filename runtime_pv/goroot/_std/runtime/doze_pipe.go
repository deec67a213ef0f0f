package runtime

// Pipes (pipe(7)): bytes in pages that are taken when something is written and
// given back when it was read, so a pipe at rest has none.

import (
	"internal/runtime/doze/fs"
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
	_           sys.NotInHeap
	in, out     *dozeFile // nil once closed
	first, last *dozePipePage
	used, size  uintptr // bytes there are, and may be
	rd, wr      uintptr // where to go on in the first and in the last page
	node        fs.Node // of a FIFO, else 0
	ins, outs   uint32  // how often either end of a FIFO was opened anew
}

// dozePipePage is a page of bytes.
type dozePipePage struct {
	_    sys.NotInHeap
	next *dozePipePage
}

const (
	dozePipeData = 8 // offset of the bytes in their page
	dozePipeHold = dozePage - dozePipeData
)

// dozeSparePages are kept for the next writer: taking a page and giving it back
// changes the page tables each time.
const dozeSparePages = 16

var dozePipePages struct {
	spare *dozePipePage
	n     uintptr
}

func dozePipeOf(f *dozeFile) *dozePipe { return (*dozePipe)(dozePtr(f.obj)) }

func (q *dozePipe) readers() uintptr { return uintptr(unsafe.Pointer(q)) }
func (q *dozePipe) writers() uintptr { return uintptr(unsafe.Pointer(q)) + 8 }

// dozePipe2 serves pipe(2) and pipe2(2).
func dozePipe2(fds, flags uintptr) uintptr {
	if flags&^(dozeOCloexec|dozeONonblock) != 0 {
		return dozeErr(dozeEINVAL)
	}
	at := dozeSlotAlloc()
	if at == 0 {
		return dozeErr(dozeENOMEM)
	}
	q := (*dozePipe)(dozePtr(at))
	q.size = dozePipeSize
	status := uint32(flags) & dozeONonblock
	if q.in = dozeNewFile(dozeFilePipeIn, dozeORdonly|status); q.in == nil {
		dozeSlotFree(at)
		return dozeErr(dozeENOMEM)
	}
	q.in.obj = at
	if q.out = dozeNewFile(dozeFilePipeOut, dozeOWronly|status); q.out == nil {
		dozeDrop(q.in)
		return dozeErr(dozeENOMEM)
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
	pair := uint64(r) | uint64(w)<<32
	if !dozeCopyOut(fds, dozeAddr(&pair), 8) {
		dozeClose(r)
		dozeClose(w)
		return dozeErr(dozeEFAULT)
	}
	return 0
}

func dozePipeRead(f *dozeFile, p, n uintptr) uintptr {
	q := dozePipeOf(f)
	switch {
	case n == 0:
		return 0
	case q.used > 0:
		return q.read(p, n)
	case q.out == nil:
		return 0
	case f.flags&dozeONonblock != 0:
		return dozeErr(dozeEAGAIN)
	}
	return dozeWaitOn(q.readers(), dozeForever, true)
}

// read takes up to n bytes, and lets writers know of the room.
func (q *dozePipe) read(p, n uintptr) uintptr {
	before := q.room()
	got := uintptr(0)
	for got < n && q.used > 0 {
		end := uintptr(dozePipeHold)
		if q.first == q.last {
			end = q.wr
		}
		part := min(n-got, end-q.rd)
		left := dozeTryCopy(p+got, q.first.data()+q.rd, part)
		part -= left
		q.rd += part
		q.used -= part
		got += part
		if q.rd == end {
			q.dropFirst()
		}
		if left != 0 {
			break
		}
	}
	if got == 0 {
		return dozeErr(dozeEFAULT)
	}
	dozeNotify(q.writers(), dozeEveryone)
	if before < dozePipeBuf && q.room() >= dozePipeBuf {
		dozeFileEvent(q.out, dozePollOut)
	}
	return got
}

func (q *dozePipe) room() uintptr { return q.size - q.used }

func (b *dozePipePage) data() uintptr { return uintptr(unsafe.Pointer(b)) + dozePipeData }

// dropFirst gives back the first page, all of which was read.
func (q *dozePipe) dropFirst() {
	b := q.first
	q.first, q.rd = b.next, 0
	if q.first == nil {
		q.last, q.wr = nil, 0
	}
	s := &dozePipePages
	if s.n == dozeSparePages {
		dozePageFree(uintptr(unsafe.Pointer(b)))
		return
	}
	b.next = s.spare
	s.spare = b
	s.n++
}

// addPage puts an empty page behind the last one.
func (q *dozePipe) addPage() bool {
	s := &dozePipePages
	b := s.spare
	if b != nil {
		s.spare = b.next
		s.n--
	} else if b = (*dozePipePage)(dozePtr(dozePageAlloc())); b == nil {
		return false
	}
	b.next = nil
	if q.last == nil {
		q.first = b
	} else {
		q.last.next = b
	}
	q.last, q.wr = b, 0
	return true
}

// dozePipeWrite writes all of n bytes unless the pipe is O_NONBLOCK. A write that
// waits keeps in t.done how far it is.
func dozePipeWrite(t *dozeThread, f *dozeFile, p, n uintptr) uintptr {
	q := dozePipeOf(f)
	if t.resumed == dozeWaitNone {
		t.done = 0
	}
	t.resumed = dozeWaitNone
	for {
		if q.in == nil {
			dozeRaise(t, _SIGPIPE, dozeSiUser)
			return t.wrote(dozeEPIPE)
		}
		room := q.room()
		if n <= dozePipeBuf && room < n {
			room = 0
		}
		if errno := q.write(p+t.done, min(n-t.done, room), &t.done); errno != 0 {
			return t.wrote(errno)
		}
		switch {
		case t.done == n:
			return t.wrote(0)
		case f.flags&dozeONonblock != 0:
			return t.wrote(dozeEAGAIN)
		case room == 0:
			return dozeWaitOn(q.writers(), dozeForever, true)
		}
	}
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

// write appends n bytes, adds to done how many, and lets readers know.
func (q *dozePipe) write(p, n uintptr, done *uintptr) (errno uintptr) {
	put := uintptr(0)
	for put < n && errno == 0 {
		if (q.last == nil || q.wr == dozePipeHold) && !q.addPage() {
			errno = dozeENOMEM
			break
		}
		part := min(n-put, dozePipeHold-q.wr)
		if left := dozeTryCopy(q.last.data()+q.wr, p+put, part); left != 0 {
			part -= left
			errno = dozeEFAULT
		}
		q.wr += part
		q.used += part
		put += part
	}
	*done += put
	if q.used == 0 && q.first != nil {
		q.dropFirst()
	}
	if put > 0 {
		dozeNotify(q.readers(), dozeEveryone)
		dozeFileEvent(q.in, dozePollIn)
	}
	return errno
}

// dozePipeEnd closes one end; the pipe goes with the second.
func dozePipeEnd(f *dozeFile) {
	q := dozePipeOf(f)
	dozeNotify(q.readers(), dozeEveryone)
	dozeNotify(q.writers(), dozeEveryone)
	if f.kind == dozeFilePipeIn {
		q.in = nil
		dozeFileEvent(q.out, dozePollErr|dozePollOut)
	} else {
		q.out = nil
		dozeFileEvent(q.in, dozePollHup|dozePollIn)
	}
	q.free()
}

func dozePipeReadiness(f *dozeFile) (mask uint32) {
	q := dozePipeOf(f)
	if f.kind == dozeFilePipeIn {
		if q.used > 0 {
			mask = dozePollIn
		}
		if q.out == nil {
			mask |= dozePollHup
		}
		return mask
	}
	if q.room() >= dozePipeBuf {
		mask = dozePollOut
	}
	if q.in == nil {
		mask |= dozePollErr
	}
	return mask
}

// dozePipeFcntl serves F_GETPIPE_SZ and F_SETPIPE_SZ.
func dozePipeFcntl(f *dozeFile, cmd, arg uintptr) uintptr {
	if f.kind != dozeFilePipeIn && f.kind != dozeFilePipeOut {
		return dozeErr(dozeEBADF)
	}
	q := dozePipeOf(f)
	if cmd == dozeSetPipeSize {
		size := uintptr(dozePage)
		for size < uintptr(uint32(arg)) {
			size *= 2
		}
		switch {
		case size > dozePipeMax:
			return dozeErr(dozeEPERM)
		case size < q.used:
			return dozeErr(dozeEBUSY)
		}
		q.size = size
		dozeNotify(q.writers(), dozeEveryone)
		dozeFileEvent(q.out, dozePollOut)
	}
	return q.size
}

// An eventfd: a number in f.pos. Readers wait on the file's address, writers 8
// further.

// dozeEventfd serves eventfd(2) and eventfd2(2).
func dozeEventfd(count, flags uintptr) uintptr {
	const semaphore = 1
	if flags&^(dozeOCloexec|dozeONonblock|semaphore) != 0 {
		return dozeErr(dozeEINVAL)
	}
	f := dozeNewFile(dozeFileCounter, dozeORdwr|uint32(flags)&dozeONonblock)
	if f == nil {
		return dozeErr(dozeENOMEM)
	}
	f.pos, f.aux = uintptr(uint32(count)), uint32(flags)&semaphore
	return dozeInstall(f, 0, dozeCloexec(flags))
}

// dozeCounterFull is the one value that a counter can't reach.
const dozeCounterFull = ^uintptr(0)

func dozeCounterRead(f *dozeFile, p, n uintptr) uintptr {
	switch {
	case n < 8:
		return dozeErr(dozeEINVAL)
	case f.pos == 0 && f.flags&dozeONonblock != 0:
		return dozeErr(dozeEAGAIN)
	case f.pos == 0:
		return dozeWaitOn(f.addr(), dozeForever, true)
	}
	v := f.pos
	if f.aux != 0 {
		v = 1
	}
	if !dozeCopyOut(p, dozeAddr(&v), 8) {
		return dozeErr(dozeEFAULT)
	}
	f.pos -= v
	dozeNotify(f.addr()+8, dozeEveryone)
	dozeFileEvent(f, dozePollOut)
	return 8
}

func dozeCounterWrite(f *dozeFile, p, n uintptr) uintptr {
	var v uintptr
	switch {
	case n < 8:
		return dozeErr(dozeEINVAL)
	case !dozeCopyIn(dozeAddr(&v), p, 8):
		return dozeErr(dozeEFAULT)
	case v == dozeCounterFull:
		return dozeErr(dozeEINVAL)
	case v >= dozeCounterFull-f.pos && f.flags&dozeONonblock != 0:
		return dozeErr(dozeEAGAIN)
	case v >= dozeCounterFull-f.pos:
		return dozeWaitOn(f.addr()+8, dozeForever, true)
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
