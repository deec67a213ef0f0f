package runtime

// Opening files, and the process's place in the tree: working directory, file
// mode creation mask, where the paths of a call begin.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
	"unsafe"
)

const dozeAtCwd = -100 // AT_FDCWD (linux/fcntl.h)

// Flags of open(2) that an open file doesn't keep: O_CREAT, O_EXCL, O_NOCTTY,
// O_TRUNC, O_CLOEXEC; and the bit of O_TMPFILE that is no other flag.
const (
	dozeOOnce = linux.OCreat | linux.OExcl | linux.ONoctty | linux.OTrunc | linux.OCloexec
)

// dozePathAt is the path of a call: where it begins, and its text.
type dozePathAt struct {
	start fs.Node
	text  string
	file  *dozeFile // that dirfd is, nil for AT_FDCWD
}

// dozeAt reads the path p of a call, relative to the directory dirfd, into buffer
// i. An empty one is allowed to begin at a file of any kind.
func dozeAt(i int, dirfd, p uintptr) (path dozePathAt, errno uintptr) {
	at, n, errno := dozeCopyPath(i, p)
	if errno != 0 {
		return path, errno
	}
	path.text = dozeStr(at, n)
	return path, path.from(dirfd)
}

// from finds where a path begins.
func (path *dozePathAt) from(dirfd uintptr) uintptr {
	f := dozeFiles()
	dozeTree.via = nil
	path.start = dozeTree.cwd
	switch {
	case path.text != "" && path.text[0] == '/' || int32(dirfd) == dozeAtCwd:
		return 0
	case dozeFd(dirfd) == nil:
		return linux.EBADF
	}
	path.file = dozeFd(dirfd)
	path.start = dozeNodeOf(path.file)
	if path.text != "" && (path.start == 0 || f.Type(path.start) != fs.TypeDir) {
		return linux.ENOTDIR
	}
	return 0
}

// dozeNameAt looks a path up for a call that makes or removes its last name.
func dozeNameAt(i int, dirfd, p uintptr) (fs.Place, uintptr) {
	path, errno := dozeAt(i, dirfd, p)
	if errno != 0 {
		return fs.Place{}, errno
	}
	return dozeTree.fs.Lookup(path.start, path.text, fs.Parent)
}

// dozeFind looks a path up for a call about what is there.
func dozeFind(dirfd, p uintptr, how int) (fs.Node, uintptr) {
	path, errno := dozeAt(0, dirfd, p)
	if errno != 0 {
		return 0, errno
	}
	return path.find(how)
}

func (path *dozePathAt) find(how int) (fs.Node, uintptr) {
	place, errno := dozeTree.fs.Lookup(path.start, path.text, how)
	if errno == 0 && place.Node == 0 {
		errno = linux.ENOENT
	}
	return place.Node, errno
}

// dozeOpenAt serves open(2), openat(2) and creat(2).
func dozeOpenAt(dirfd, p, flags, mode uintptr) uintptr {
	if f := dozeCurrent().held; f != nil { // of a FIFO, whose other end it waits for
		return dozeFifoMeet(f, dozeCloexec(flags))
	}
	if flags&linux.OPath == 0 {
		makes := flags & (linux.OCreat | linux.ODirectory)
		if makes == linux.OCreat|linux.ODirectory || flags&linux.OTmpfileOnly != 0 && (flags&linux.ODirectory == 0 || flags&linux.OAccess == linux.ORdonly) {
			return dozeErr(linux.EINVAL)
		}
		flags |= linux.OLargefile
	}
	path, errno := dozeAt(0, dirfd, p)
	if errno != 0 {
		return dozeErr(errno)
	}
	var n fs.Node
	f := &dozeTree.fs
	perm := uint32(mode) &^ dozeTree.umask
	if flags&linux.OTmpfileOnly != 0 && flags&linux.OPath == 0 {
		n, errno = path.openUnnamed(uint32(flags), perm)
	} else {
		n, errno = f.Open(path.start, path.text, uint32(flags), perm)
	}
	if errno != 0 {
		return dozeErr(errno)
	}
	if via := dozeTree.via; via != nil && f.Tag(n) == dozeTagStream && flags&linux.OPath == 0 {
		f.Release(n)
		return dozeReopen(via, uint32(flags), dozeCloexec(flags))
	}
	return dozeOpenNode(n, uint32(flags), dozeCloexec(flags))
}

// dozeReopen opens by its name what is no node: a pipe as a FIFO is opened; of other
// streams the open file itself.
func dozeReopen(f *dozeFile, flags uint32, cloexec uintptr) uintptr {
	if !f.isPipe() {
		return dozeInstall(f, 0, cloexec)
	}
	q := dozePipeOf(f)
	write := flags&linux.OAccess == linux.OWronly
	switch {
	case flags&linux.OAccess == linux.ORdwr:
		return dozeErr(linux.EINVAL)
	case write && flags&linux.ONonblock != 0 && q.in == nil:
		return dozeErr(linux.ENXIO)
	}
	return q.openEnd(write, flags, cloexec)
}

// openUnnamed serves O_TMPFILE.
func (path *dozePathAt) openUnnamed(flags, perm uint32) (fs.Node, uintptr) {
	f := &dozeTree.fs
	dir, errno := path.find(fs.Follow)
	switch {
	case errno != 0:
		return 0, errno
	case f.Type(dir) != fs.TypeDir:
		return 0, linux.ENOTDIR
	case f.Frozen(dir):
		return 0, linux.EROFS
	}
	return f.NewFile(perm)
}

// dozeOpenNode gives a node, which is held for it, an open file and a descriptor.
func dozeOpenNode(n fs.Node, flags uint32, cloexec uintptr) uintptr {
	t := &dozeTree.fs
	if t.Type(n) == fs.TypeFifo && flags&linux.OPath == 0 {
		return dozeOpenFifo(n, flags, cloexec)
	}
	ops, errno := dozeNodeOpsOf(n, flags)
	if tag := t.Tag(n); errno == 0 && tag >= dozeTagText && tag < dozeTagFd && flags&linux.OPath == 0 {
		t.Release(n)
		if n, errno = dozeOpenText(tag); errno != 0 {
			return dozeErr(errno)
		}
	}
	if errno != 0 {
		t.Release(n)
		return dozeErr(errno)
	}
	f := dozeNewFile(ops, flags&^dozeOOnce)
	if f == nil {
		t.Release(n)
		return dozeErr(linux.ENOMEM)
	}
	f.obj = uintptr(n)
	return dozeInstall(f, 0, cloexec)
}

// dozeNodeOpsOf returns the operations of the open file that a node makes.
func dozeNodeOpsOf(n fs.Node, flags uint32) (ops *dozeFileOps, errno uintptr) {
	var st fs.Info
	t := &dozeTree.fs
	if flags&linux.OPath != 0 {
		return &dozeNodeOps, 0
	}
	switch t.Type(n) {
	case fs.TypeChar:
		t.Stat(n, &st)
		if ops = dozeDevOps(st.Dev); ops == nil {
			return nil, linux.ENXIO
		}
		return ops, 0
	case fs.TypeSocket:
		return nil, linux.ENXIO
	}
	return &dozeNodeOps, 0
}

// dozeOpenHow is struct open_how (linux/openat2.h).
type dozeOpenHow struct{ flags, mode, resolve uint64 }

// dozeOpenat2 serves openat2(2) without its restrictions on paths. Unlike open(2) it
// refuses what it does not know.
func dozeOpenat2(dirfd, p, how, size uintptr) uintptr {
	const (
		known    = 0o37777703 &^ 0o20000000 // O_ flags (asm-generic/fcntl.h)
		tmpfile  = linux.OTmpfileOnly | linux.ODirectory
		withPath = linux.OPath | linux.ODirectory | linux.ONofollow | linux.OCloexec
		perm     = 0o7777
		resolves = 0x3f // RESOLVE_*
	)
	var h dozeOpenHow
	least := unsafe.Sizeof(h)
	switch {
	case size < least:
		return dozeErr(linux.EINVAL)
	case size > dozePage:
		return dozeErr(linux.E2BIG)
	case !dozeGet(how, &h):
		return dozeErr(linux.EFAULT)
	}
	for i := least; i < size; i++ {
		var b byte
		if !dozeGet(how+i, &b) {
			return dozeErr(linux.EFAULT)
		}
		if b != 0 {
			return dozeErr(linux.E2BIG)
		}
	}
	makes := h.flags&(linux.OCreat|linux.OTmpfileOnly) != 0
	switch {
	case h.flags&^(known|linux.OTmpfileOnly) != 0, h.resolve&^resolves != 0, h.mode&^perm != 0, h.mode != 0 && !makes:
		return dozeErr(linux.EINVAL)
	case h.flags&linux.OPath != 0 && h.flags&^withPath != 0:
		return dozeErr(linux.EINVAL)
	case h.flags&linux.OTmpfileOnly != 0 && h.flags&tmpfile != tmpfile:
		return dozeErr(linux.EINVAL)
	case h.resolve != 0:
		return dozeErr(linux.ENOSYS)
	}
	return dozeOpenAt(dirfd, p, uintptr(h.flags), uintptr(h.mode))
}

// dozeChdir makes n the working directory.
func dozeChdir(n fs.Node, errno uintptr) uintptr {
	t := &dozeTree
	switch {
	case errno != 0:
		return dozeErr(errno)
	case n == 0 || t.fs.Type(n) != fs.TypeDir:
		return dozeErr(linux.ENOTDIR)
	}
	t.fs.Hold(n)
	t.fs.Release(t.cwd)
	t.cwd = n
	return 0
}

func dozeFchdir(fd uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(linux.EBADF)
	}
	dozeFiles()
	return dozeChdir(dozeNodeOf(f), 0)
}

// dozeGetcwd serves getcwd(2): the path with its zero, and how long that is.
func dozeGetcwd(p, size uintptr) uintptr {
	f := dozeFiles()
	if f.Lost(dozeTree.cwd) {
		return dozeErr(linux.ENOENT)
	}
	path, errno := f.Path(dozeTree.cwd, dozeAddr(&dozePathBuffer[0]), dozePathMax-1)
	switch {
	case errno == linux.ERANGE:
		return dozeErr(linux.ENAMETOOLONG)
	case errno != 0:
		return dozeErr(errno)
	case uintptr(len(path))+1 > size:
		return dozeErr(linux.ERANGE)
	}
	from, n := dozeString(path)
	dozePathBuffer[dozePathMax-1] = 0 // the path is at the end of the buffer
	if !dozeCopyOut(p, from, n+1) {
		return dozeErr(linux.EFAULT)
	}
	return n + 1
}

func dozeSetUmask(mask uintptr) uintptr {
	dozeFiles()
	old := dozeTree.umask
	dozeTree.umask = uint32(mask) & 0o777
	return uintptr(old)
}
