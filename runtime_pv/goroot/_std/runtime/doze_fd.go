package runtime

// Descriptors and the open files behind them, as POSIX has them: dup'ed
// descriptors share an open file, and with it position and flags.

import (
	"internal/runtime/doze/linux"
	"internal/runtime/sys"
)

const (
	dozeMaxFiles = 65536 // descriptors
	dozeFileSize = 64    // bytes of a dozeFile
)

// dozeFile is an open file ("open file description").
type dozeFile struct {
	_     sys.NotInHeap
	ops   *dozeFileOps
	flags uint32 // as fcntl F_GETFL shows them
	refs  int32  // descriptors, and calls under way
	aux   uint32
	pos   uintptr
	obj   uintptr   // what it is open on: a node, a pipe, an epoll ...
	watch uintptr   // who wants to hear of events on it
	next  *dozeFile // when free
}

// dozeDescriptor is an entry of the descriptor table.
type dozeDescriptor struct {
	_     sys.NotInHeap
	file  *dozeFile // nil: not open
	flags uintptr   // 1 = FD_CLOEXEC
}

const dozeDescriptorSize = 16

var dozeFds struct {
	low    uintptr   // no descriptor below is free
	high   uintptr   // none from here on was ever open
	files  uintptr   // open files ever made, at dozeFileBase
	unused *dozeFile // closed ones
	limit  uintptr   // RLIMIT_NOFILE: no descriptor is this or above
}

func dozeDescriptorAt(fd uintptr) *dozeDescriptor {
	return (*dozeDescriptor)(dozePtr(dozeFdBase + fd*dozeDescriptorSize))
}

// dozeFd returns the open file of a descriptor, nil if it is not open.
func dozeFd(fd uintptr) *dozeFile {
	fd = uintptr(uint32(fd))
	if fd >= dozeFds.high {
		return nil
	}
	return dozeDescriptorAt(fd).file
}

// dozeUsable returns the open file of a descriptor that is for more than a place in
// the tree, nil if there is none.
func dozeUsable(fd uintptr) *dozeFile {
	if f := dozeFd(fd); f != nil && f.flags&linux.OPath == 0 {
		return f
	}
	return nil
}

// dozeNewFile returns an open file that no descriptor refers to yet, or nil
// without memory.
func dozeNewFile(ops *dozeFileOps, flags uint32) *dozeFile {
	d := &dozeFds
	f := d.unused
	if f != nil {
		d.unused = f.next
	} else {
		at := dozeFileBase + d.files*dozeFileSize
		if at&(dozePage-1) == 0 && !dozeKernelPage(at) {
			return nil
		}
		f = (*dozeFile)(dozePtr(at))
		d.files++
	}
	*f = dozeFile{ops: ops, flags: flags}
	return f
}

// dozeInstall gives f the lowest free descriptor from low on, and returns that or
// an error. f is dropped if there is none.
func dozeInstall(f *dozeFile, low, cloexec uintptr) uintptr {
	d := &dozeFds
	f.refs++
	fd := max(low, d.low)
	for fd < d.high && dozeDescriptorAt(fd).file != nil {
		fd++
	}
	if fd >= d.limit {
		dozeDrop(f)
		return dozeErr(linux.EMFILE)
	}
	if !dozeReach(fd) {
		dozeDrop(f)
		return dozeErr(linux.ENOMEM)
	}
	if low <= d.low {
		d.low = fd + 1
	}
	dozeSetDescriptor(fd, f, cloexec)
	return fd
}

// dozeReach makes the table reach to fd.
func dozeReach(fd uintptr) bool {
	d := &dozeFds
	for ; d.high <= fd; d.high++ {
		at := dozeFdBase + d.high*dozeDescriptorSize
		if at&(dozePage-1) == 0 && !dozeMapped(at) && !dozeKernelPage(at) {
			return false
		}
	}
	return true
}

func dozeSetDescriptor(fd uintptr, f *dozeFile, cloexec uintptr) {
	e := dozeDescriptorAt(fd)
	e.file, e.flags = f, cloexec
}

// dozeDrop gives back one reference to f.
func dozeDrop(f *dozeFile) {
	if f.refs--; f.refs > 0 {
		return
	}
	dozeFileEnd(f)
	f.ops = nil
	f.next = dozeFds.unused
	dozeFds.unused = f
}

// dozeFdInit opens the standard streams.
func dozeFdInit() {
	dozeFds.limit = dozeMaxFiles
	for fd := uintptr(0); fd < 3; fd++ {
		ops, flags := &dozeConsoleOps, uint32(linux.ORdwr)
		if fd == 0 {
			ops, flags = &dozeInputOps, linux.ORdonly
		}
		f := dozeNewFile(ops, flags)
		if f == nil || dozeInstall(f, 0, 0) != fd {
			dozeFatal("no memory for the standard streams")
		}
		f.obj = fd
		if fd == 0 {
			dozeInput.file = f
		}
	}
}

func dozeClose(fd uintptr) uintptr {
	fd = uintptr(uint32(fd))
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(linux.EBADF)
	}
	dozeUnlockAll(f, nil) // a close of any descriptor ends the process's locks
	dozeSetDescriptor(fd, nil, 0)
	dozeFds.low = min(dozeFds.low, fd)
	dozeDrop(f)
	return 0
}

// dozeDup serves dup(2) and fcntl's F_DUPFD.
func dozeDup(fd, low, cloexec uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(linux.EBADF)
	}
	return dozeInstall(f, low, cloexec)
}

// dozeCloseRange serves close_range(2).
func dozeCloseRange(first, last, flags uintptr) uintptr {
	const unshare, cloexec = 2, 4
	first, last = uintptr(uint32(first)), uintptr(uint32(last))
	if flags = uintptr(uint32(flags)); flags&^(unshare|cloexec) != 0 || first > last {
		return dozeErr(linux.EINVAL)
	}
	for fd := first; fd <= last && fd < dozeFds.high; fd++ {
		if flags&cloexec == 0 {
			dozeClose(fd)
		} else if dozeFd(fd) != nil {
			dozeDescriptorAt(fd).flags = 1
		}
	}
	return 0
}

// dozeDup3 serves dup2(2) and dup3(2).
func dozeDup3(from, to, flags uintptr, three bool) uintptr {
	from, to = uintptr(uint32(from)), uintptr(uint32(to))
	f := dozeFd(from)
	switch {
	case three && (from == to || flags&^linux.OCloexec != 0):
		return dozeErr(linux.EINVAL)
	case from == to && f != nil:
		return to
	case f == nil || to >= dozeFds.limit:
		return dozeErr(linux.EBADF)
	case !dozeReach(to):
		return dozeErr(linux.ENOMEM)
	}
	f.refs++
	if dozeFd(to) != nil {
		dozeClose(to)
	}
	dozeSetDescriptor(to, f, dozeCloexec(flags))
	return to
}

// dozeCloexec turns O_CLOEXEC into FD_CLOEXEC.
func dozeCloexec(flags uintptr) uintptr {
	if flags&linux.OCloexec != 0 {
		return 1
	}
	return 0
}

// dozeFcntl serves fcntl(2).
func dozeFcntl(fd, cmd, arg uintptr) uintptr {
	const (
		dupFd, getFd, setFd, getFl, setFl = 0, 1, 2, 3, 4
		dupFdCloexec                      = 1030
		changeable                        = linux.OAppend | linux.ONonblock
	)
	f := dozeCallFd(fd)
	if f == nil {
		return dozeErr(linux.EBADF)
	}
	switch cmd = uintptr(uint32(cmd)); cmd {
	case dupFd, dupFdCloexec:
		if arg = uintptr(uint32(arg)); arg >= dozeFds.limit {
			return dozeErr(linux.EINVAL)
		}
		return dozeDup(fd, arg, uintptr(dozeBit(cmd == dupFdCloexec)))
	case getFd:
		return dozeDescriptorAt(uintptr(uint32(fd))).flags
	case setFd:
		dozeDescriptorAt(uintptr(uint32(fd))).flags = arg & 1
		return 0
	case getFl:
		return uintptr(f.flags)
	}
	if f.flags&linux.OPath != 0 {
		return dozeErr(linux.EBADF)
	}
	switch cmd {
	case setFl:
		f.flags = f.flags&^changeable | uint32(arg)&changeable
		return 0
	case dozeGetLk, dozeSetLk, dozeSetLkw, dozeOfdGetLk, dozeOfdSetLk, dozeOfdSetLkw:
		return dozeRangeLock(f, cmd, arg)
	case dozeSetPipeSize, dozeGetPipeSize:
		return dozePipeFcntl(f, cmd, arg)
	}
	return dozeErr(linux.EINVAL)
}
