package runtime

// Calls about files that are no more than a few lines.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
)

const dozeCwdFd = ^uintptr(0) - 99 // AT_FDCWD as a register holds it

// dozeTruncateAt serves truncate(2).
func dozeTruncateAt(t *dozeThread, path, size uintptr) uintptr {
	n, errno := dozeFind(dozeCwdFd, path, fs.Follow)
	switch {
	case t.from != 0:
		n = t.long.writes // the path may name another file by now
	case errno != 0:
		return dozeErr(errno)
	case int(size) < 0:
		return dozeErr(linux.EINVAL)
	}
	return dozeTruncate(t, nil, n, size)
}

// dozeFchmod serves fchmod(2).
func dozeFchmod(fd, mode uintptr) uintptr {
	n, errno := dozeFdNode(fd)
	if errno == 0 {
		errno = dozeTree.fs.Chmod(n, uint32(mode))
	}
	return dozeErr(errno)
}

// dozeFchown serves fchown(2).
func dozeFchown(fd, uid, gid uintptr) uintptr {
	n, errno := dozeFdNode(fd)
	if errno == 0 {
		errno = dozeTree.fs.Chown(n, uint32(uid), uint32(gid))
	}
	return dozeErr(errno)
}

// dozeStatfsAt serves statfs(2).
func dozeStatfsAt(path, to uintptr) uintptr {
	_, errno := dozeFind(dozeCwdFd, path, fs.Follow)
	return dozeStatfs(errno, to)
}

// dozeFstatfs serves fstatfs(2).
func dozeFstatfs(fd, to uintptr) uintptr {
	dozeFiles()
	errno := uintptr(0)
	if dozeFd(fd) == nil {
		errno = linux.EBADF
	}
	return dozeStatfs(errno, to)
}

// dozeUtimes serves utimes(2) and futimesat(2), which have microseconds.
func dozeUtimes(dirfd, path, times uintptr) uintptr {
	n, errno := dozeFind(dirfd, path, fs.Follow)
	return dozeUtimens(n, errno, times, 1000)
}

// dozeSync serves calls that would bring a file to a disk: there is none. What is no
// file gets an error.
func dozeSync(fd, errno uintptr) uintptr {
	f := dozeUsable(fd)
	switch {
	case f == nil:
		return dozeErr(linux.EBADF)
	case !f.inTree():
		return dozeErr(errno)
	}
	return 0
}

// dozeReadahead serves readahead(2): all is in memory.
func dozeReadahead(fd uintptr) uintptr {
	f := dozeUsable(fd)
	switch {
	case f == nil || f.flags&linux.OAccess == linux.OWronly:
		return dozeErr(linux.EBADF)
	case !f.inTree() || dozeFiles().Type(fs.Node(f.obj)) != fs.TypeFile:
		return dozeErr(linux.EINVAL)
	}
	return 0
}

// dozeFadvise serves fadvise64(2): all is in memory.
func dozeFadvise(fd, n, advice uintptr) uintptr {
	const last = 5 // POSIX_FADV_NOREUSE
	f := dozeUsable(fd)
	switch {
	case f == nil:
		return dozeErr(linux.EBADF)
	case f.isPipe():
		return dozeErr(linux.ESPIPE)
	case advice > last || int(n) < 0:
		return dozeErr(linux.EINVAL)
	}
	return 0
}

// dozeSyncRange serves sync_file_range(2): there is no disk.
func dozeSyncRange(fd, off, n, flags uintptr) uintptr {
	const known = 7
	f := dozeUsable(fd)
	switch {
	case f == nil:
		return dozeErr(linux.EBADF)
	case flags&^known != 0 || int(off) < 0 || int(n) < 0 || int(off+n) < 0:
		return dozeErr(linux.EINVAL)
	case f.ops.stream:
		return dozeErr(linux.ESPIPE)
	}
	return 0
}

// dozeSyncfs serves syncfs(2): there is no disk.
func dozeSyncfs(fd uintptr) uintptr {
	if dozeUsable(fd) == nil {
		return dozeErr(linux.EBADF)
	}
	return 0
}

// dozeMemfd serves memfd_create(2) without sealing.
func dozeMemfd(name, flags uintptr) uintptr {
	const cloexec, known = 1, 1 | 2 | 8 | 16 // and MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC
	if flags&^known != 0 {
		return dozeErr(linux.EINVAL)
	}
	const longest = 249 // without "memfd:" in a name of NAME_MAX
	if _, n, errno := dozeCopyPath(0, name); errno == linux.EFAULT {
		return dozeErr(errno)
	} else if errno != 0 || n > longest {
		return dozeErr(linux.EINVAL)
	}
	n, errno := dozeFiles().NewFile(0o777)
	if errno != 0 {
		return dozeErr(errno)
	}
	return dozeOpenNode(n, linux.ORdwr|linux.OLargefile, flags&cloexec)
}
