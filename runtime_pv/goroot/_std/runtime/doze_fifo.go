package runtime

// FIFOs (fifo(7)): names for pipes. The node of one knows the pipe while an end of
// it is open, or somebody waits for the other end.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
)

// dozeOpenFifo opens a FIFO, which is held for it. Unless it is O_NONBLOCK it
// waits until the other end is opened too. Both ends at once can't be had.
func dozeOpenFifo(n fs.Node, flags uint32, cloexec uintptr) uintptr {
	t := &dozeTree.fs
	write := flags&linux.OAccess == linux.OWronly
	at := t.Attached(n)
	switch {
	case flags&linux.OAccess == linux.ORdwr:
		t.Release(n)
		return dozeErr(linux.EINVAL)
	case write && flags&linux.ONonblock != 0 && (at == 0 || (*dozePipe)(dozePtr(at)).in == nil):
		t.Release(n)
		return dozeErr(linux.ENXIO)
	case at == 0:
		if at = dozeSlotAlloc(); at == 0 {
			t.Release(n)
			return dozeErr(linux.ENOMEM)
		}
		q := (*dozePipe)(dozePtr(at))
		q.bytes.Size, q.node = dozePipeSize, n
		t.Attach(n, at) // and the pipe holds the node
	default:
		t.Release(n)
	}
	return (*dozePipe)(dozePtr(at)).openEnd(write, flags, cloexec)
}

// openEnd opens an end of a pipe and, unless O_NONBLOCK, waits for the other.
func (q *dozePipe) openEnd(write bool, flags uint32, cloexec uintptr) uintptr {
	f := q.opened(write, flags)
	if f == nil {
		q.free()
		return dozeErr(linux.ENOMEM)
	}
	dozeNotify(q.openers(), dozeEveryone)
	return dozeFifoMeet(f, cloexec)
}

// dozeFifoMeet gives an open file of a FIFO its descriptor, once the other end was
// opened too.
func dozeFifoMeet(f *dozeFile, cloexec uintptr) uintptr {
	q := dozePipeOf(f)
	if f.flags&linux.ONonblock == 0 && !q.met(f) {
		return dozeWaitOn(f, q.openers())
	}
	return dozeInstall(f, 0, cloexec)
}

// openers is what those wait on who have opened one end and need the other.
func (q *dozePipe) openers() uintptr { return q.readers() + 16 }

// opened makes an open file of an end.
func (q *dozePipe) opened(write bool, flags uint32) *dozeFile {
	ops, end, opened, others := &dozePipeInOps, &q.in, &q.ins, q.outs
	if write {
		ops, end, opened, others = &dozePipeOutOps, &q.out, &q.outs, q.ins
	}
	f := dozeNewFile(ops, flags&^dozeOOnce)
	if f == nil {
		return nil
	}
	f.obj, f.aux, f.next = q.readers(), others, *end
	*end = f
	*opened++
	return f
}

// met reports whether the other end was opened since f was, or is open: it may have
// been closed again before the thread that waited went on.
func (q *dozePipe) met(f *dozeFile) bool {
	if f.ops.kind == dozeFilePipeOut {
		return q.in != nil || q.ins != f.aux
	}
	return q.out != nil || q.outs != f.aux
}

// free frees a pipe of which no end is open.
func (q *dozePipe) free() {
	if q.in != nil || q.out != nil {
		return
	}
	for page := q.bytes.Empty(); page != 0; page = q.bytes.Empty() {
		dozeStreamPageFree(page)
	}
	if q.node != 0 {
		dozeTree.fs.Attach(q.node, 0)
		dozeTree.fs.Release(q.node)
	}
	dozeSlotFree(q.readers())
}
