package runtime

// FIFOs (fifo(7)): names for pipes. The node of one knows the pipe while an end of
// it is open, or somebody waits for the other end. Who opens an end that is
// open already shares it.

import "internal/runtime/doze/fs"

// dozeOpenFifo opens a FIFO, which is held for it. Unless it is O_NONBLOCK it
// waits until the other end is opened too. Both ends at once can't be had.
func dozeOpenFifo(n fs.Node, flags uint32, cloexec uintptr) uintptr {
	t := &dozeTree.fs
	write := flags&dozeOAccess == dozeOWronly
	at := t.Attached(n)
	switch {
	case flags&dozeOAccess == dozeORdwr:
		t.Release(n)
		return dozeErr(dozeEINVAL)
	case write && flags&dozeONonblock != 0 && (at == 0 || (*dozePipe)(dozePtr(at)).in == nil):
		t.Release(n)
		return dozeErr(fs.ENXIO)
	case at == 0:
		if at = dozeSlotAlloc(); at == 0 {
			t.Release(n)
			return dozeErr(dozeENOMEM)
		}
		q := (*dozePipe)(dozePtr(at))
		q.size, q.node = dozePipeSize, n
		t.Attach(n, at) // and the pipe holds the node
	default:
		t.Release(n)
	}
	q := (*dozePipe)(dozePtr(at))
	f := q.end(write, flags)
	if f == nil {
		q.free()
		return dozeErr(dozeENOMEM)
	}
	dozeNotify(q.openers(), dozeEveryone)
	if flags&dozeONonblock == 0 && !q.met(f, write) {
		return dozeWaitOn(q.openers(), dozeForever, true)
	}
	return dozeInstall(f, 0, cloexec)
}

// openers is what those wait on who have opened one end and need the other.
func (q *dozePipe) openers() uintptr { return q.readers() + 16 }

// end returns an end of a pipe, made if it isn't there. It may have no descriptor
// as long as who opens it waits.
func (q *dozePipe) end(write bool, flags uint32) *dozeFile {
	kind, end, opened, others := uint32(dozeFilePipeIn), &q.in, &q.ins, q.outs
	if write {
		kind, end, opened, others = dozeFilePipeOut, &q.out, &q.outs, q.ins
	}
	if *end == nil {
		f := dozeNewFile(kind, flags&^dozeOOnce)
		if f == nil {
			return nil
		}
		f.obj, f.aux = q.readers(), others
		*end = f
		*opened++
	}
	return *end
}

// met reports whether the other end was opened since f was, or is open: it may have
// been closed again before the thread that waited went on.
func (q *dozePipe) met(f *dozeFile, write bool) bool {
	if write {
		return q.in != nil || q.ins != f.aux
	}
	return q.out != nil || q.outs != f.aux
}

// free frees a pipe of which no end is open.
func (q *dozePipe) free() {
	if q.in != nil || q.out != nil {
		return
	}
	for q.first != nil {
		q.dropFirst()
	}
	if q.node != 0 {
		dozeTree.fs.Attach(q.node, 0)
		dozeTree.fs.Release(q.node)
	}
	dozeSlotFree(q.readers())
}
