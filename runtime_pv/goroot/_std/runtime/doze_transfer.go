package runtime

// Reading and writing files by parts of the program's memory, in slices where it takes
// long (doze_slices.go). What Linux does under a lock of the file or of its position
// goes on over the slices here, too: a call that is between two of its slices is on a
// list, and others that would need the same lock wait until it is off.

import "internal/runtime/doze/fs"

// dozePiece is how much is read or written between two looks at the clock.
const dozePiece = 16 << 10

// dozeFewParts is how many parts can be anywhere without a look at the clock.
const dozeFewParts = 8

// dozeLong is what a thread's call needs between its slices, if it is on the list.
type dozeLong struct {
	next   *dozeThread
	files  [2]*dozeFile // open files that it keeps, nil for none
	at     [2]uintptr   // where in them it began
	owns   [2]bool      // it goes on from their own positions
	where  [2]uintptr   // where the program wants to have the position behind it, 0: nowhere
	writes fs.Node      // the file that it changes, 0 for none
	n      uintptr      // bytes it is about
	listed bool
}

// dozeLongs is the list. Those who wait for a call on it wait on the list's address.
var dozeLongs *dozeThread

// dozeLongHas reports whether a call on the list needs f's own position, nil for none, or
// changes a file, 0 for none.
func dozeLongHas(f *dozeFile, node fs.Node) bool {
	for t := dozeLongs; t != nil; t = t.long.next {
		l := &t.long
		if node != 0 && l.writes == node {
			return true
		}
		for i := range l.files {
			if f != nil && l.files[i] == f && l.owns[i] {
				return true
			}
		}
	}
	return false
}

// dozeLongWait makes the current thread's call, which is about f, wait for one on the
// list, and begin again then.
func dozeLongWait(f *dozeFile) uintptr { return dozeWaitOn(f, dozeAddr(&dozeLongs)) }

// dozeLongNext ends a slice of t's call. at is how far it came, more than 0.
func dozeLongNext(t *dozeThread, at uintptr) uintptr {
	if l := &t.long; !l.listed {
		l.listed, l.next = true, dozeLongs
		dozeLongs = t
		for _, f := range l.files {
			if f != nil {
				f.refs++
			}
		}
		if l.writes != 0 {
			dozeTree.fs.Hold(l.writes)
		}
	}
	return dozeNextSlice(t, at)
}

// dozeLongOver takes t's call, which is over, off the list, if it is on it.
func dozeLongOver(t *dozeThread) {
	l := &t.long
	if !l.listed {
		return
	}
	for p := &dozeLongs; ; p = &(*p).long.next {
		if *p == t {
			*p = l.next
			break
		}
	}
	l.listed = false
	for _, f := range l.files {
		if f != nil {
			dozeDrop(f)
		}
	}
	if l.writes != 0 {
		dozeTree.fs.Release(l.writes)
	}
	dozeNotify(dozeAddr(&dozeLongs), dozeEveryone)
}

// dozeTransfer reads or writes all parts of f, which is no stream, until one falls short.
// off is where to, dozeNoOffset for the file's own position.
func dozeTransfer(t *dozeThread, f *dozeFile, s *dozeParts, off uintptr, write bool) uintptr {
	l := &t.long
	if t.from == 0 {
		own := off == dozeNoOffset
		*l = dozeLong{files: [2]*dozeFile{f}, owns: [2]bool{own}}
		if write && f.inTree() {
			l.writes = fs.Node(f.obj)
		}
		var position *dozeFile
		if own {
			position, off = f, f.pos
		}
		if dozeLongHas(position, l.writes) {
			return dozeLongWait(f)
		}
		if write {
			dozeToEnd(f, &off)
		}
		l.at[0] = off
	}
	done, r := s.move(t, f, l.at[0], write)
	if l.owns[0] && done > 0 {
		f.pos = l.at[0] + done
	}
	if r == dozeKeep {
		return dozeLongNext(t, done)
	}
	return dozePart(done, r)
}

// move reads or writes the parts from where the call's last slice ended. It returns how
// much of them is done, and dozeKeep where the slice ends before that, else the
// error of the last piece.
func (s *dozeParts) move(t *dozeThread, f *dozeFile, off uintptr, write bool) (done, r uintptr) {
	done, until := t.from, dozeForever
	if s.n > dozePiece || s.count > dozeFewParts {
		_, until = dozeSliceOf(t)
	}
	skip := done
	for i := uintptr(0); i < max(s.count, 1); i++ {
		v := s.part(i)
		if skip > v.n || skip == v.n && skip > 0 {
			skip -= v.n
			continue
		}
		for at := skip; at < v.n || v.n == 0 && s.n == 0; {
			piece := min(v.n-at, dozePiece, s.n-done)
			if write {
				r = f.ops.writeAt(f, v.base+at, piece, off+done)
			} else {
				r = f.ops.readAt(f, v.base+at, piece, off+done)
			}
			if int(r) < 0 {
				return done, r
			}
			at, done = at+r, done+r
			if r < piece || done == s.n {
				return done, 0
			}
			if dozeNow() > until {
				return done, dozeKeep
			}
		}
		skip = 0
	}
	return done, 0
}
