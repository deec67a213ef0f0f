package runtime

// What calls tell about files: stat, statx, statfs, access, directories.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/mmio"
)

const (
	dozeStatSize   = 144
	dozeStatxSize  = 256
	dozeStatfsSize = 120
)

// dozeStatBuffer is where the structures are put together.
var dozeStatBuffer [dozeStatxSize]byte

// dozeAnonymousInfo describes an open file that has no node.
func dozeAnonymousInfo(f *dozeFile, st *fs.Info) {
	*st = fs.Info{Ino: uint64(f.kind) + 1<<32, Links: 1, Mode: 0o600}
	switch f.kind {
	case dozeFileConsole:
		st.Mode, st.Dev = fs.TypeChar|0o620, dozeDevTTY|1
	case dozeFilePipeIn, dozeFilePipeOut:
		st.Mode, st.Ino = fs.TypeFifo|0o600, uint64(f.obj)
	case dozeFileInput:
		st.Mode = fs.TypeFifo | 0o600
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

// dozePutStat writes struct stat (arch/x86/include/uapi/asm/stat.h).
func dozePutStat(to uintptr, st *fs.Info) uintptr {
	b := dozeAddr(&dozeStatBuffer[0])
	mmio.Clear(b, dozeStatSize)
	mmio.Store64(b, 1) // the device that it is on
	mmio.Store64(b+8, st.Ino)
	mmio.Store64(b+16, uint64(st.Links))
	mmio.Store32(b+24, st.Mode)
	mmio.Store32(b+28, st.UID)
	mmio.Store32(b+32, st.GID)
	mmio.Store64(b+40, st.Dev)
	mmio.Store64(b+48, st.Size)
	mmio.Store64(b+56, dozePage)
	mmio.Store64(b+64, st.Blocks)
	dozePutTime(b+72, st.Atime)
	dozePutTime(b+88, st.Mtime)
	dozePutTime(b+104, st.Ctime)
	return dozePutBack(to, dozeStatSize)
}

// dozePutTime writes seconds and nanoseconds; those are never negative.
func dozePutTime(p uintptr, ns int64) {
	sec, part := ns/1e9, ns%1e9
	if part < 0 {
		sec, part = sec-1, part+1e9
	}
	mmio.Store64(p, uint64(sec))
	mmio.Store64(p+8, uint64(part))
}

func dozePutBack(to, n uintptr) uintptr {
	if !dozeCopyOut(to, dozeAddr(&dozeStatBuffer[0]), n) {
		return dozeErr(dozeEFAULT)
	}
	return 0
}

func dozeFstat(fd, to uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	var st fs.Info
	dozeFileInfo(f, &st)
	return dozePutStat(to, &st)
}

// dozeInfoAt describes what newfstatat(2) and statx(2) ask for.
func dozeInfoAt(dirfd, p, flags uintptr, st *fs.Info) uintptr {
	path, errno := dozeAt(0, dirfd, p)
	if errno != 0 {
		return errno
	}
	if path.text == "" && flags&dozeAtEmptyPath != 0 && path.file != nil {
		dozeFileInfo(path.file, st)
		return 0
	}
	how := fs.Follow
	if flags&dozeAtNoFollow != 0 {
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

// dozeStatx serves statx(2) (linux/stat.h).
func dozeStatx(dirfd, p, flags, to uintptr) uintptr {
	const basic = 0x7ff // STATX_BASIC_STATS
	var st fs.Info
	if errno := dozeInfoAt(dirfd, p, flags, &st); errno != 0 {
		return dozeErr(errno)
	}
	b := dozeAddr(&dozeStatBuffer[0])
	mmio.Clear(b, dozeStatxSize)
	mmio.Store32(b, basic)
	mmio.Store32(b+4, dozePage)
	mmio.Store32(b+16, st.Links)
	mmio.Store32(b+20, st.UID)
	mmio.Store32(b+24, st.GID)
	mmio.Store16(b+28, uint16(st.Mode))
	mmio.Store64(b+32, st.Ino)
	mmio.Store64(b+40, st.Size)
	mmio.Store64(b+48, st.Blocks)
	dozePutTime(b+64, st.Atime)
	dozePutTime(b+96, st.Ctime)
	dozePutTime(b+112, st.Mtime)
	mmio.Store32(b+128, uint32(st.Dev>>8)) // the numbers here are below 256
	mmio.Store32(b+132, uint32(st.Dev&0xff))
	mmio.Store32(b+140, 1)
	return dozePutBack(to, dozeStatxSize)
}

// dozeStatfs serves statfs(2) and fstatfs(2) (asm-generic/statfs.h): there is one
// file system, and it may have what the program leaves.
func dozeStatfs(errno, to uintptr) uintptr {
	const tmpfs = 0x01021994 // linux/magic.h
	if errno != 0 {
		return dozeErr(errno)
	}
	f := &dozeTree.fs
	free := dozeReachable() + dozeTreeSpares()
	free -= min(free, dozeMostPages()/dozeTreeReserve)
	b := dozeAddr(&dozeStatBuffer[0])
	mmio.Clear(b, dozeStatfsSize)
	for i, v := range [...]uintptr{tmpfs, dozePage, f.Pages() + free, free, free, f.Nodes() + free, free, 0, fs.NameMax, dozePage} {
		mmio.Store64(b+uintptr(i)*8, uint64(v))
	}
	return dozePutBack(to, dozeStatfsSize)
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
		return dozeErr(dozeEINVAL)
	}
	n, errno := dozeFindAs(dirfd, p, flags&^effective)
	if errno != 0 {
		return dozeErr(errno)
	}
	f := &dozeTree.fs
	switch {
	case mode&write != 0 && f.Frozen(n) && f.Type(n) != fs.TypeChar:
		return dozeErr(fs.EROFS)
	case mode&execute != 0 && f.Type(n) == fs.TypeFile && f.Mode(n)&anyX == 0:
		return dozeErr(dozeEACCES)
	}
	return 0
}

// dozeGetdents serves getdents64(2) (struct linux_dirent64: number, where to go
// on, length, type, name).
func dozeGetdents(fd, to, size uintptr) uintptr {
	const head = 19
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	t := dozeFiles()
	dir := dozeNodeOf(f)
	if dir == 0 || t.Type(dir) != fs.TypeDir {
		return dozeErr(dozeENOTDIR)
	}
	done := uintptr(0)
	for {
		d, ok := t.Next(dir, uint64(f.pos))
		if !ok {
			break
		}
		n := alignUp(head+uintptr(len(d.Name))+1, 8)
		if done+n > size {
			if done == 0 {
				return dozeErr(dozeEINVAL)
			}
			break
		}
		b := dozeAddr(&dozeSnapshotBuffer[0])
		mmio.Clear(b, n)
		mmio.Store64(b, d.Ino)
		mmio.Store64(b+8, d.Cookie)
		mmio.Store16(b+16, uint16(n))
		mmio.Store8(b+18, uint8(d.Type>>12)) // DT_* are the types of modes
		from, length := dozeString(d.Name)
		mmio.Copy(b+head, from, length)
		if !dozeCopyOut(to+done, b, n) {
			return dozeErr(dozeEFAULT)
		}
		done += n
		f.pos = uintptr(d.Cookie)
	}
	t.Accessed(dir)
	return done
}
