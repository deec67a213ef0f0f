package runtime

// The calls that make, move and remove names, and that change what a name stands
// for.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
)

// dozeMkdir serves mkdir(2) and mkdirat(2).
func dozeMkdir(dirfd, p, mode uintptr) uintptr {
	const kept = 0o1777 // what a mode may have besides
	place, errno := dozeNameAt(0, dirfd, p)
	if errno == 0 {
		_, errno = dozeTree.fs.Make(place, fs.TypeDir|uint32(mode)&kept&^dozeTree.umask, 0)
	}
	return dozeErr(errno)
}

// dozeTypeBlock is a block device's in a mode; there are none.
const dozeTypeBlock = 0o060000

// dozeMknod serves mknod(2) and mknodat(2).
func dozeMknod(dirfd, p, mode, dev uintptr) uintptr {
	const perm = 0o7777
	kind := uint32(mode) & fs.TypeMask
	if kind == 0 {
		kind = fs.TypeFile
	}
	switch kind {
	case fs.TypeFile, fs.TypeFifo, fs.TypeChar, fs.TypeSocket:
	case fs.TypeDir, dozeTypeBlock:
		return dozeErr(linux.EPERM)
	default:
		return dozeErr(linux.EINVAL)
	}
	place, errno := dozeNameAt(0, dirfd, p)
	if errno == 0 {
		_, errno = dozeTree.fs.Make(place, kind|uint32(mode)&perm&^dozeTree.umask, uint64(uint32(dev)))
	}
	return dozeErr(errno)
}

// dozeUnlink serves unlink(2), rmdir(2) and unlinkat(2).
func dozeUnlink(dirfd, p, flags uintptr) uintptr {
	if flags&^linux.AtRemovedir != 0 {
		return dozeErr(linux.EINVAL)
	}
	place, errno := dozeNameAt(0, dirfd, p)
	switch {
	case errno != 0:
	case flags != 0:
		errno = dozeTree.fs.Rmdir(place)
	default:
		errno = dozeTree.fs.Unlink(place)
	}
	return dozeErr(errno)
}

// dozeRename serves rename(2), renameat(2) and renameat2(2).
func dozeRename(fromFd, from, toFd, to, flags uintptr) uintptr {
	if errno := fs.CheckRename(uint32(flags)); errno != 0 {
		return dozeErr(errno)
	}
	a, errno := dozeNameAt(0, fromFd, from)
	if errno != 0 {
		return dozeErr(errno)
	}
	b, errno := dozeNameAt(1, toFd, to)
	if errno == 0 {
		errno = dozeTree.fs.Rename(a, b, uint32(flags))
	}
	return dozeErr(errno)
}

// dozeHardlink serves link(2) and linkat(2).
func dozeHardlink(fromFd, from, toFd, to, flags uintptr) uintptr {
	if flags&^(linux.AtSymlinkFollow|linux.AtEmptyPath) != 0 {
		return dozeErr(linux.EINVAL)
	}
	path, errno := dozeAt(0, fromFd, from)
	if errno != 0 {
		return dozeErr(errno)
	}
	how := fs.NoFollow
	if flags&linux.AtSymlinkFollow != 0 {
		how = fs.Follow
	}
	n, errno := path.node(how, flags)
	if errno != 0 {
		return dozeErr(errno)
	}
	place, errno := dozeNameAt(1, toFd, to)
	if errno == 0 {
		// A file made by O_TMPFILE is named by its descriptor or by /proc/self/fd.
		unnamed := flags&(linux.AtEmptyPath|linux.AtSymlinkFollow) != 0
		errno = dozeTree.fs.Link(place, n, unnamed)
	}
	return dozeErr(errno)
}

// node is find for calls that take AT_EMPTY_PATH: then an empty path means the
// file itself.
func (path *dozePathAt) node(how int, flags uintptr) (fs.Node, uintptr) {
	if path.text != "" || flags&linux.AtEmptyPath == 0 {
		return path.find(how)
	}
	if path.start == 0 {
		return 0, linux.EINVAL
	}
	return path.start, 0
}

// dozeSymlink serves symlink(2) and symlinkat(2).
func dozeSymlink(target, dirfd, p uintptr) uintptr {
	at, n, errno := dozeCopyPath(1, target)
	if errno != 0 {
		return dozeErr(errno)
	}
	place, errno := dozeNameAt(0, dirfd, p)
	if errno == 0 {
		errno = dozeTree.fs.Symlink(place, dozeStr(at, n))
	}
	return dozeErr(errno)
}

// dozeReadlink serves readlink(2) and readlinkat(2).
func dozeReadlink(dirfd, p, to, size uintptr) uintptr {
	if int32(size) <= 0 {
		return dozeErr(linux.EINVAL)
	}
	path, errno := dozeAt(0, dirfd, p)
	if errno != 0 {
		return dozeErr(errno)
	}
	n, errno := path.node(fs.NoFollow, linux.AtEmptyPath)
	if errno != 0 {
		return dozeErr(errno)
	}
	body, errno := dozeTree.fs.Readlink(n)
	switch {
	case errno == linux.EINVAL && path.text == "":
		return dozeErr(linux.ENOENT)
	case errno != 0:
		return dozeErr(errno)
	}
	from, length := dozeString(body)
	if tag := dozeTree.fs.Tag(n); tag != 0 {
		b := dozeText{p: dozeAddr(&dozeSnapshotBuffer[0]), size: dozePage}
		dozeLinkText(tag, &b)
		from, length = b.p, b.n
	}
	length = min(length, size)
	if !dozeCopyOut(to, from, length) {
		return dozeErr(linux.EFAULT)
	}
	return length
}

// dozeChmod serves fchmodat2(2) and its elder siblings.
func dozeChmod(dirfd, p, mode, flags uintptr) uintptr {
	n, errno := dozeFindAs(dirfd, p, flags)
	if errno == 0 {
		errno = dozeTree.fs.Chmod(n, uint32(mode))
	}
	return dozeErr(errno)
}

// dozeChown serves fchownat(2) and its elder siblings.
func dozeChown(dirfd, p, uid, gid, flags uintptr) uintptr {
	n, errno := dozeFindAs(dirfd, p, flags)
	if errno == 0 {
		errno = dozeTree.fs.Chown(n, uint32(uid), uint32(gid))
	}
	return dozeErr(errno)
}

// dozeFindAs finds a node as AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH say.
func dozeFindAs(dirfd, p, flags uintptr) (fs.Node, uintptr) {
	if flags&^(linux.AtSymlinkNofollow|linux.AtEmptyPath) != 0 {
		return 0, linux.EINVAL
	}
	path, errno := dozeAt(0, dirfd, p)
	if errno != 0 {
		return 0, errno
	}
	how := fs.Follow
	if flags&linux.AtSymlinkNofollow != 0 {
		how = fs.NoFollow
	}
	return path.node(how, flags)
}

// dozeFdNode is the node of a descriptor, for a call about the node.
func dozeFdNode(fd uintptr) (fs.Node, uintptr) {
	f := dozeUsable(fd)
	if f == nil {
		return 0, linux.EBADF
	}
	dozeFiles()
	if n := dozeNodeOf(f); n != 0 {
		return n, 0
	}
	return 0, linux.EINVAL
}

// Parts of a timespec that say something else (linux/stat.h).
const (
	dozeUtimeNow  = 1<<30 - 1
	dozeUtimeOmit = 1<<30 - 2
)

// dozeUtimens sets times: those at ts, pairs of seconds and a part of a second
// that is that many ns long; now if ts is 0.
func dozeUtimens(n fs.Node, errno, ts uintptr, unit int64) uintptr {
	var v [4]int64
	f := &dozeTree.fs
	switch {
	case errno != 0:
		return dozeErr(errno)
	case ts == 0:
		return dozeErr(f.SetTimes(n, f.Now, f.Now, true, true))
	case !dozeGet(ts, &v):
		return dozeErr(linux.EFAULT)
	}
	var at [2]int64
	var set [2]bool
	for i := range at {
		switch part := v[2*i+1]; {
		case unit == 1 && part == dozeUtimeOmit:
		case unit == 1 && part == dozeUtimeNow:
			at[i], set[i] = f.Now, true
		case part < 0 || part*unit >= 1e9:
			return dozeErr(linux.EINVAL)
		default:
			at[i], set[i] = dozeClampSeconds(v[2*i])*1e9+part*unit, true
		}
	}
	return dozeErr(f.SetTimes(n, at[0], at[1], set[0], set[1]))
}

// dozeClampSeconds keeps a time within what a count of ns reaches, the years 1678
// to 2262.
func dozeClampSeconds(s int64) int64 {
	const most = (1<<63-1)/1_000_000_000 - 1
	return max(-most, min(most, s))
}

// dozeUtimensat serves utimensat(2); without a path it is about dirfd.
func dozeUtimensat(dirfd, p, ts, flags uintptr) uintptr {
	if p == 0 && int32(dirfd) == dozeAtCwd {
		return dozeErr(linux.EFAULT)
	}
	if p == 0 {
		n, errno := dozeFdNode(dirfd)
		return dozeUtimens(n, errno, ts, 1)
	}
	n, errno := dozeFindAs(dirfd, p, flags)
	return dozeUtimens(n, errno, ts, 1)
}
