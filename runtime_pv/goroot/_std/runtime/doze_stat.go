package runtime

// What calls tell about files: stat, statx, statfs, access, directories.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
	"unsafe"
)

// dozeAnonymousInfo describes an open file that has no node.
func dozeAnonymousInfo(f *dozeFile, st *fs.Info) {
	*st = fs.Info{Ino: uint64(f.ops.kind) + 1<<32, Links: 1, Mode: f.ops.mode}
	if f.isPipe() {
		st.Ino = uint64(f.obj)
	}
	if f.ops.mode&fs.TypeMask == fs.TypeChar {
		st.Dev = dozeDevTTY | 1
	}
}

// dozeFileInfo describes an open file.
func dozeFileInfo(f *dozeFile, st *fs.Info) {
	if n := dozeNodeOf(f); n != 0 {
		dozeFiles().Stat(n, st)
		return
	}
	dozeAnonymousInfo(f, st)
}

// dozeNodeInfo describes what a lookup has found.
func dozeNodeInfo(n fs.Node, st *fs.Info) {
	if via := dozeTree.via; via != nil && dozeTree.fs.Tag(n) == dozeTagStream {
		dozeAnonymousInfo(via, st)
		return
	}
	dozeTree.fs.Stat(n, st)
}

// dozeStatArg is struct stat (arch/x86/include/uapi/asm/stat.h).
type dozeStatArg struct {
	dev, ino, links     uint64
	mode, uid, gid, _   uint32
	rdev, size          uint64
	blockSize, blocks   uint64
	atime, mtime, ctime dozeTimespec
	_                   [3]uint64
}

// dozeDevice is the number of the one file system.
const dozeDevice = 1

func dozePutStat(to uintptr, st *fs.Info) uintptr {
	a := dozeStatArg{
		dev: dozeDevice, ino: st.Ino, links: uint64(st.Links), mode: st.Mode, uid: st.UID, gid: st.GID, rdev: st.Dev,
		size: st.Size, blockSize: dozePage, blocks: st.Blocks,
		atime: dozeFileTime(st.Atime), mtime: dozeFileTime(st.Mtime), ctime: dozeFileTime(st.Ctime),
	}
	return dozePutOr(to, &a, 0)
}

// dozeFileTime is seconds and nanoseconds; those are never negative.
func dozeFileTime(ns int64) dozeTimespec {
	ts := dozeTimespecOf(ns)
	if ts.nsec < 0 {
		ts.sec, ts.nsec = ts.sec-1, ts.nsec+1e9
	}
	return ts
}

func dozeFstat(fd, to uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(linux.EBADF)
	}
	var st fs.Info
	dozeFileInfo(f, &st)
	return dozePutStat(to, &st)
}

// dozeInfoAt describes what newfstatat(2) and statx(2) ask for.
func dozeInfoAt(dirfd, p, flags uintptr, st *fs.Info) uintptr {
	if flags&^(linux.AtSymlinkNofollow|linux.AtNoAutomount|linux.AtEmptyPath|linux.AtStatxSyncType) != 0 {
		return linux.EINVAL
	}
	path, errno := dozeAt(0, dirfd, p)
	if errno != 0 {
		return errno
	}
	if path.text == "" && flags&linux.AtEmptyPath != 0 && path.file != nil {
		dozeFileInfo(path.file, st)
		return 0
	}
	how := fs.Follow
	if flags&linux.AtSymlinkNofollow != 0 {
		how = fs.NoFollow
	}
	n, errno := path.node(how, flags)
	if errno == 0 {
		dozeNodeInfo(n, st)
	}
	return errno
}

func dozeStatAt(dirfd, p, to, flags uintptr) uintptr {
	var st fs.Info
	if errno := dozeInfoAt(dirfd, p, flags, &st); errno != 0 {
		return dozeErr(errno)
	}
	return dozePutStat(to, &st)
}

// dozeStatxArg is struct statx (linux/stat.h).
type dozeStatxArg struct {
	mask, blockSize            uint32
	attributes                 uint64
	links, uid, gid            uint32
	mode, _                    uint16
	ino, size, blocks, known   uint64
	atime, btime, ctime, mtime dozeStatxTime
	rdevMajor, rdevMinor       uint32
	devMajor, devMinor         uint32
	_                          [14]uint64
}

// dozeStatxTime is struct statx_timestamp.
type dozeStatxTime struct {
	sec     int64
	nsec, _ uint32
}

func dozeStatxTimeOf(ns int64) dozeStatxTime {
	ts := dozeFileTime(ns)
	return dozeStatxTime{sec: ts.sec, nsec: uint32(ts.nsec)}
}

// dozeStatx serves statx(2).
func dozeStatx(dirfd, p, flags, mask, to uintptr) uintptr {
	const (
		basic       = 0x7ff // STATX_BASIC_STATS
		reserved    = 1 << 31
		devMinorMax = 0xff // of the devices there are
	)
	var st fs.Info
	if mask&reserved != 0 || flags&linux.AtStatxSyncType == linux.AtStatxSyncType {
		return dozeErr(linux.EINVAL)
	}
	if errno := dozeInfoAt(dirfd, p, flags, &st); errno != 0 {
		return dozeErr(errno)
	}
	a := dozeStatxArg{
		mask: basic, blockSize: dozePage, links: st.Links, uid: st.UID, gid: st.GID, mode: uint16(st.Mode),
		ino: st.Ino, size: st.Size, blocks: st.Blocks,
		atime: dozeStatxTimeOf(st.Atime), ctime: dozeStatxTimeOf(st.Ctime), mtime: dozeStatxTimeOf(st.Mtime),
		rdevMajor: uint32(st.Dev >> 8), rdevMinor: uint32(st.Dev & devMinorMax), devMinor: dozeDevice,
	}
	return dozePutOr(to, &a, 0)
}

// dozeStatfsArg is struct statfs (asm-generic/statfs.h).
type dozeStatfsArg struct {
	kind, blockSize         uintptr
	blocks, free, available uintptr
	files, filesFree        uintptr
	id                      uint64
	nameMax, fragment       uintptr
	_                       [5]uint64
}

// dozeStatfs serves statfs(2) and fstatfs(2): there is one file system, and it may
// have what the program leaves.
func dozeStatfs(errno, to uintptr) uintptr {
	const tmpfs = 0x01021994 // linux/magic.h
	if errno != 0 {
		return dozeErr(errno)
	}
	f := &dozeTree.fs
	free := dozeReachable() + dozeTreeSpares()
	free -= min(free, dozeMostPages()/dozeTreeReserve)
	a := dozeStatfsArg{
		kind: tmpfs, blockSize: dozePage, blocks: f.Pages() + free, free: free, available: free,
		files: f.Nodes() + free, filesFree: free, nameMax: fs.NameMax, fragment: dozePage,
	}
	return dozePutOr(to, &a, 0)
}

// dozeAccess serves faccessat2(2) and its elder siblings, for root: only what
// nobody may do is refused.
func dozeAccess(dirfd, p, mode, flags uintptr) uintptr {
	const (
		execute, write = 1, 2
		all, effective = 7, 0x200
		anyX           = 0o111
	)
	if mode&^all != 0 {
		return dozeErr(linux.EINVAL)
	}
	n, errno := dozeFindAs(dirfd, p, flags&^effective)
	if errno != 0 {
		return dozeErr(errno)
	}
	f := &dozeTree.fs
	switch {
	case mode&write != 0 && f.Frozen(n) && f.Type(n) != fs.TypeChar:
		return dozeErr(linux.EROFS)
	case mode&execute != 0 && f.Type(n) == fs.TypeFile && f.Mode(n)&anyX == 0:
		return dozeErr(linux.EACCES)
	}
	return 0
}

// dozeDirent is struct linux_dirent64 without its name.
type dozeDirent struct {
	ino, next uint64
	size      uint16
	kind      uint8
}

// dozeDirentName is where in a struct linux_dirent64 its name begins.
const dozeDirentName = unsafe.Offsetof(dozeDirent{}.kind) + 1

// dozeGetdents serves getdents64(2).
func dozeGetdents(fd, to, size uintptr) uintptr {
	f := dozeUsable(fd)
	if f == nil {
		return dozeErr(linux.EBADF)
	}
	size = uintptr(uint32(size))
	t := dozeFiles()
	dir := dozeNodeOf(f)
	switch {
	case dir == 0 || t.Type(dir) != fs.TypeDir:
		return dozeErr(linux.ENOTDIR)
	case t.Lost(dir):
		return dozeErr(linux.ENOENT)
	}
	done := uintptr(0)
	for {
		d, ok := t.Next(dir, uint64(f.pos))
		if !ok {
			break
		}
		n := alignUp(dozeDirentName+uintptr(len(d.Name))+1, 8)
		if done+n > size {
			return dozePart(done, dozeErr(linux.EINVAL))
		}
		if !dozePutDirent(to+done, n, d) {
			return dozePart(done, dozeErr(linux.EFAULT))
		}
		done += n
		f.pos = uintptr(d.Cookie)
	}
	t.Accessed(dir)
	return done
}

// dozePutDirent writes an entry of n bytes, zeros behind its name.
func dozePutDirent(to, n uintptr, d fs.Dirent) bool {
	e := dozeDirent{d.Ino, d.Cookie, uint16(n), uint8(d.Type >> 12)} // DT_* are the types of modes
	from, length := dozeString(d.Name)
	name := to + dozeDirentName
	return dozeCopyOut(to, dozeAddr(&e), dozeDirentName) && dozeCopyOut(name, from, length) &&
		dozeUserClear(name+length, n-dozeDirentName-length) == 0
}
