package runtime

// Calls that read or write several parts of the program's memory: readv(2), writev(2)
// and their siblings.

// dozeIovec is struct iovec.
type dozeIovec struct{ base, n uintptr }

// dozeParts are the parts that a call reads or writes, in order: one, or those of an
// array of struct iovec.
type dozeParts struct {
	base, n    uintptr // one; n is the length of all
	iov, count uintptr
}

// dozeMostParts is the most that one call takes (UIO_MAXIOV).
const dozeMostParts = 1024

// dozePartsOf checks an array of struct iovec. As long as the call goes on nothing
// keeps the program from changing it.
func dozePartsOf(iov, count uintptr) (s dozeParts, errno uintptr) {
	s = dozeParts{iov: iov, count: count}
	if count > dozeMostParts {
		return s, dozeEINVAL
	}
	for i := uintptr(0); i < count; i++ {
		var v dozeIovec
		if !dozeGet(iov+i*16, &v) {
			return s, dozeEFAULT
		}
		if int(v.n) < 0 {
			return s, dozeEINVAL
		}
		if !dozeRangeOK(v.base, v.n) {
			return s, dozeEFAULT
		}
		s.n += min(v.n, dozeMostBytes-s.n)
	}
	return s, 0
}

// part returns the i-th part, empty if it can't be read any more.
func (s *dozeParts) part(i uintptr) (v dozeIovec) {
	if s.count == 0 {
		return dozeIovec{s.base, s.n}
	}
	if !dozeGet(s.iov+i*16, &v) {
		return dozeIovec{}
	}
	return v
}

// read copies n bytes from skip on to dst, and returns how many are left.
func (s *dozeParts) read(dst, skip, n uintptr) (left uintptr) {
	for i := uintptr(0); n > 0 && (i == 0 || i < s.count); i++ {
		v := s.part(i)
		if skip >= v.n {
			skip -= v.n
			continue
		}
		size := min(n, v.n-skip)
		if left := dozeUserRead(dst, v.base+skip, size); left != 0 {
			return n - size + left
		}
		dst, n, skip = dst+size, n-size, 0
	}
	return n
}

// dozeVector reads or writes all parts, until one falls short. off is where to,
// dozeNoOffset for the file's position.
func dozeVector(fd, iov, count, off uintptr, write bool) uintptr {
	open := dozeReader
	if write {
		open = dozeWriter
	}
	f, errno := open(fd)
	if errno == 0 && off != dozeNoOffset {
		errno = dozeSeekable(f, off)
	}
	var s dozeParts
	if errno == 0 {
		s, errno = dozePartsOf(iov, count)
	}
	switch {
	case errno != 0:
		return dozeErr(errno)
	case count == 0:
		return 0
	case write && f.kind == dozeFilePipeOut:
		return dozePipeWrite(dozeCurrent(), f, s)
	case write && f.kind == dozeFileConsole:
		return dozeConsoleWrite(dozeCurrent(), f, s)
	}
	if write && off != dozeNoOffset {
		dozeToEnd(f, &off)
	}
	sum := uintptr(0)
	for i := uintptr(0); i < count && sum < s.n; i++ {
		v := s.part(i)
		if v.n == 0 {
			continue
		}
		if sum > 0 && !write && dozeIsStream(f) && dozeReadiness(f)&dozePollIn == 0 {
			break // only the first part waits
		}
		r := dozeTransfer(f, v.base, min(v.n, s.n-sum), off, sum, write)
		if r == dozeKeep || int(r) < 0 {
			return dozePart(sum, r)
		}
		if sum += r; r < v.n {
			break
		}
	}
	return sum
}

// dozeTransfer reads or writes one part; done bytes are.
func dozeTransfer(f *dozeFile, p, n, off, done uintptr, write bool) uintptr {
	switch {
	case write && off == dozeNoOffset:
		return dozeWriteFile(f, p, n)
	case write:
		return dozeWriteAt(f, p, n, off+done)
	case off == dozeNoOffset:
		return dozeReadFile(f, p, n)
	}
	return dozeReadAt(f, p, n, off+done)
}

// dozeVector2 serves preadv2(2) and pwritev2(2), of whose flags those are served that
// ask for nothing here (linux/fs.h): RWF_HIPRI, RWF_DSYNC, RWF_SYNC.
func dozeVector2(fd, iov, count, off, flags uintptr, write bool) uintptr {
	const nothing = 1 | 2 | 4
	if int(off) < 0 && off != dozeNoOffset {
		return dozeErr(dozeEINVAL)
	}
	if flags&^nothing != 0 {
		return dozeErr(dozeENOTSUP)
	}
	return dozeVector(fd, iov, count, off, write)
}
