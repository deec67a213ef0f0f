package runtime

// Calls that read or write several parts of the program's memory: readv(2), writev(2)
// and their siblings.

import "internal/runtime/doze/linux"

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
		return s, linux.EINVAL
	}
	for i := uintptr(0); i < count; i++ {
		var v dozeIovec
		if !dozeGet(iov+i*16, &v) {
			return s, linux.EFAULT
		}
		if int(v.n) < 0 {
			return s, linux.EINVAL
		}
		if !dozeRangeOK(v.base, v.n) {
			return s, linux.EFAULT
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
		return dozePart(dozeCurrent().from, dozeErr(errno)) // the array may go between two slices
	case s.n == 0:
		return 0
	case !f.ops.stream:
		return dozeTransfer(dozeCurrent(), f, &s, off, write)
	case write && f.ops.gathers:
		return f.ops.write(dozeCurrent(), f, s)
	}
	return dozeStreamVector(f, &s, write)
}

// dozeStreamVector reads or writes parts of a stream. Only the first one waits.
func dozeStreamVector(f *dozeFile, s *dozeParts, write bool) uintptr {
	sum := uintptr(0)
	for i := uintptr(0); i < s.count && sum < s.n; i++ {
		v := s.part(i)
		if v.n == 0 {
			continue
		}
		if sum > 0 && !write && dozeReadiness(f)&dozePollIn == 0 {
			break
		}
		n := min(v.n, s.n-sum)
		var r uintptr
		if write {
			r = f.ops.write(dozeCurrent(), f, dozeParts{base: v.base, n: n})
		} else {
			r = f.ops.read(f, v.base, n)
		}
		if r == dozeKeep || int(r) < 0 {
			return dozePart(sum, r)
		}
		if sum += r; r < n {
			break
		}
	}
	return sum
}

// dozeVectorAt serves preadv(2) and pwritev(2).
func dozeVectorAt(fd, iov, count, off uintptr, write bool) uintptr {
	if int(off) < 0 {
		return dozeErr(linux.EINVAL)
	}
	return dozeVector(fd, iov, count, off, write)
}

// dozeVector2 serves preadv2(2) and pwritev2(2), of whose flags those are served that
// ask for nothing here (linux/fs.h): RWF_HIPRI, RWF_DSYNC, RWF_SYNC.
func dozeVector2(fd, iov, count, off, flags uintptr, write bool) uintptr {
	const nothing = 1 | 2 | 4
	if int(off) < 0 && off != dozeNoOffset {
		return dozeErr(linux.EINVAL)
	}
	if flags&^nothing != 0 {
		return dozeErr(linux.EOPNOTSUPP)
	}
	return dozeVector(fd, iov, count, off, write)
}
