package runtime

// The calls about files, by number (arch/x86/entry/syscalls/syscall_64.tbl). Each
// group of siblings ends in the one that takes the most arguments.

import "internal/runtime/doze/fs"

const dozeCwdFd = ^uintptr(0) - 99 // AT_FDCWD as a register holds it

// dozeServeFiles serves the calls about open files, then those about paths.
func dozeServeFiles(t *dozeThread, nr uintptr) (uintptr, bool) {
	a, b, c, d := t.rdi, t.rsi, t.rdx, t.r10
	switch nr {
	case 3:
		return dozeClose(a), true
	case 5:
		return dozeFstat(a, b), true
	case 8:
		return dozeSeek(a, b, c), true
	case 16:
		return dozeIoctl(a, b, c), true
	case 17:
		return dozePread(a, b, c, d), true
	case 18:
		return dozePwrite(a, b, c, d), true
	case 19, 20:
		return dozeVector(a, b, c, dozeNoOffset, nr == 20), true
	case 295, 296: // preadv, pwritev
		if int(d) < 0 {
			return dozeErr(dozeEINVAL), true
		}
		return dozeVector(a, b, c, d, nr == 296), true
	case 327, 328: // preadv2, pwritev2
		return dozeVector2(a, b, c, d, t.r9, nr == 328), true
	case 40: // sendfile
		return dozeSendfile(a, b, c, d), true
	case 326:
		return dozeCopyRange(a, b, c, d, t.r8, t.r9), true
	case 275, 276, 278:
		return dozeErr(dozeEINVAL), true // splice, tee, vmsplice: read and write instead
	case 73:
		return dozeFlock(a, b), true
	case 74, 75: // fsync, fdatasync
		return dozeSync(a, dozeEINVAL), true
	case 187, 221, 277, 306:
		return dozeAdvice(nr, a, b, c, d), true
	case 217:
		return dozeGetdents(a, b, c), true
	case 77:
		return dozeFtruncate(a, b), true
	case 285:
		return dozeFallocate(t, a, b, c, d), true
	case 91:
		n, errno := dozeFdNode(a)
		if errno == 0 {
			errno = dozeTree.fs.Chmod(n, uint32(b))
		}
		return dozeErr(errno), true
	case 93:
		n, errno := dozeFdNode(a)
		if errno == 0 {
			errno = dozeTree.fs.Chown(n, uint32(b), uint32(c))
		}
		return dozeErr(errno), true
	case 81:
		return dozeFchdir(a), true
	case 138:
		dozeFiles()
		errno := uintptr(0)
		if dozeFd(a) == nil {
			errno = dozeEBADF
		}
		return dozeStatfs(errno, b), true
	case 319:
		return dozeMemfd(a, b), true
	case 95:
		return dozeSetUmask(a), true
	case 79:
		return dozeGetcwd(a, b), true
	}
	if r, ok := dozeServeLookups(t, nr); ok {
		return r, true
	}
	return dozeServeNames(t, nr)
}

// dozeServeLookups has the calls that find something by its path.
func dozeServeLookups(t *dozeThread, nr uintptr) (uintptr, bool) {
	a, b, c, d := t.rdi, t.rsi, t.rdx, t.r10
	switch nr {
	case 2:
		return dozeOpenAt(dozeCwdFd, a, b, c), true
	case 257:
		return dozeOpenAt(a, b, c, d), true
	case 85:
		return dozeOpenAt(dozeCwdFd, a, fs.OpenCreate|fs.OpenTrunc|dozeOWronly, b), true
	case 437:
		return dozeOpenat2(a, b, c, d), true
	case 4:
		return dozeStatAt(dozeCwdFd, a, b, 0), true
	case 6:
		return dozeStatAt(dozeCwdFd, a, b, dozeAtNoFollow), true
	case 262:
		return dozeStatAt(a, b, c, d), true
	case 332:
		return dozeStatx(a, b, c, d, t.r8), true
	case 21:
		return dozeAccess(dozeCwdFd, a, b, 0), true
	case 269:
		return dozeAccess(a, b, c, 0), true
	case 439:
		return dozeAccess(a, b, c, d), true
	case 89:
		return dozeReadlink(dozeCwdFd, a, b, c), true
	case 267:
		return dozeReadlink(a, b, c, d), true
	case 80:
		return dozeChdir(dozeFind(dozeCwdFd, a, fs.Follow)), true
	case 76:
		n, errno := dozeFind(dozeCwdFd, a, fs.Follow)
		return dozeTruncate(n, errno, b), true
	case 137:
		_, errno := dozeFind(dozeCwdFd, a, fs.Follow)
		return dozeStatfs(errno, b), true
	case 188, 189, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199:
		return dozeErr(dozeENOTSUP), true // extended attributes
	}
	return 0, false
}

// dozeServeNames has the calls that change names or what they stand for.
func dozeServeNames(t *dozeThread, nr uintptr) (uintptr, bool) {
	a, b, c, d, e := t.rdi, t.rsi, t.rdx, t.r10, t.r8
	switch nr {
	case 83:
		return dozeMkdir(dozeCwdFd, a, b), true
	case 258:
		return dozeMkdir(a, b, c), true
	case 133:
		return dozeMknod(dozeCwdFd, a, b, c), true
	case 259:
		return dozeMknod(a, b, c, d), true
	case 87:
		return dozeUnlink(dozeCwdFd, a, 0), true
	case 84:
		return dozeUnlink(dozeCwdFd, a, dozeAtRemoveDir), true
	case 263:
		return dozeUnlink(a, b, c), true
	case 82:
		return dozeRename(dozeCwdFd, a, dozeCwdFd, b, 0), true
	case 264:
		return dozeRename(a, b, c, d, 0), true
	case 316:
		return dozeRename(a, b, c, d, e), true
	case 86:
		return dozeHardlink(dozeCwdFd, a, dozeCwdFd, b, 0), true
	case 265:
		return dozeHardlink(a, b, c, d, e), true
	case 88:
		return dozeSymlink(a, dozeCwdFd, b), true
	case 266:
		return dozeSymlink(a, b, c), true
	case 90:
		return dozeChmod(dozeCwdFd, a, b, 0), true
	case 268:
		return dozeChmod(a, b, c, 0), true
	case 452:
		return dozeChmod(a, b, c, d), true
	case 92:
		return dozeChown(dozeCwdFd, a, b, c, 0), true
	case 94:
		return dozeChown(dozeCwdFd, a, b, c, dozeAtNoFollow), true
	case 260:
		return dozeChown(a, b, c, d, e), true
	case 235, 261: // utimes, futimesat: microseconds
		if nr == 235 {
			a, b, c = dozeCwdFd, a, b
		}
		n, errno := dozeFind(a, b, fs.Follow)
		return dozeUtimens(n, errno, c, 1000), true
	case 280:
		return dozeUtimensat(a, b, c, d), true
	}
	return 0, false
}

// dozeSync serves calls that would bring a file to a disk: there is none. What is no
// file gets an error.
func dozeSync(fd, errno uintptr) uintptr {
	f := dozeUsable(fd)
	switch {
	case f == nil:
		return dozeErr(dozeEBADF)
	case f.kind != dozeFileNode:
		return dozeErr(errno)
	}
	return 0
}

// dozeAdvice serves readahead(2), fadvise64(2), sync_file_range(2) and syncfs(2): all
// is in memory.
func dozeAdvice(nr, fd, off, n, flags uintptr) uintptr {
	const readahead, fadvise, syncRange, lastAdvice, syncFlags = 187, 221, 277, 5, 7
	f := dozeUsable(fd)
	switch {
	case f == nil:
		return dozeErr(dozeEBADF)
	case nr == fadvise && (f.kind == dozeFilePipeIn || f.kind == dozeFilePipeOut):
		return dozeErr(dozeESPIPE)
	case nr == fadvise && (flags > lastAdvice || int(n) < 0):
		return dozeErr(dozeEINVAL)
	case nr == readahead && f.flags&dozeOAccess == dozeOWronly:
		return dozeErr(dozeEBADF)
	case nr == readahead && (f.kind != dozeFileNode || dozeFiles().Type(fs.Node(f.obj)) != fs.TypeFile):
		return dozeErr(dozeEINVAL)
	case nr == syncRange && (flags&^syncFlags != 0 || int(off) < 0 || int(n) < 0 || int(off+n) < 0):
		return dozeErr(dozeEINVAL)
	case nr == syncRange && (f.kind == dozeFileConsole || dozeIsStream(f)):
		return dozeErr(dozeESPIPE)
	}
	return 0
}

// dozeMemfd serves memfd_create(2) without sealing.
func dozeMemfd(name, flags uintptr) uintptr {
	const cloexec, known = 1, 1 | 2 | 8 | 16 // and MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC
	if flags&^known != 0 {
		return dozeErr(dozeEINVAL)
	}
	const longest = 249 // without "memfd:" in a name of NAME_MAX
	if _, n, errno := dozeCopyPath(0, name); errno == dozeEFAULT {
		return dozeErr(errno)
	} else if errno != 0 || n > longest {
		return dozeErr(dozeEINVAL)
	}
	n, errno := dozeFiles().NewFile(0o777)
	if errno != 0 {
		return dozeErr(errno)
	}
	return dozeOpenNode(n, dozeORdwr|dozeOLarge, flags&cloexec)
}
