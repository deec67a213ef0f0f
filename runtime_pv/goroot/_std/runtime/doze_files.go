package runtime

// Descriptors: the three standard streams and a few read-only files that
// programs look for. A tree of real files is not here.

import "internal/runtime/doze/mmio"

const dozeMaxFiles = 64

// Kinds of files.
const (
	dozeFileNone = iota
	dozeFileConsole
	dozeFileNull
	dozeFileZero
	dozeFileRandom
	dozeFileText // a snapshot of text in the descriptor's own page
)

// dozeFile is one descriptor.
type dozeFile struct {
	kind     uint8
	pos, len uintptr
}

var dozeFiles = [dozeMaxFiles]dozeFile{{kind: dozeFileConsole}, {kind: dozeFileConsole}, {kind: dozeFileConsole}}

// dozeNames are the files there are.
var dozeNames = [...]struct {
	path string
	kind uint8
}{
	{"/dev/null", dozeFileNull},
	{"/dev/zero", dozeFileZero},
	{"/dev/random", dozeFileRandom},
	{"/dev/urandom", dozeFileRandom},
	{"/proc/doze", dozeFileText},
}

func dozeFd(fd uintptr) *dozeFile {
	if fd >= dozeMaxFiles || dozeFiles[fd].kind == dozeFileNone {
		return nil
	}
	return &dozeFiles[fd]
}

// dozeFindFile returns the index in dozeNames of the path at p, or -1.
func dozeFindFile(p uintptr) int {
	if p < dozePage {
		return -1
	}
	for i := range dozeNames {
		name := dozeNames[i].path
		n := 0
		for n < len(name) && mmio.Load8(p+uintptr(n)) == name[n] {
			n++
		}
		if n == len(name) && mmio.Load8(p+uintptr(n)) == 0 {
			return i
		}
	}
	return -1
}

func dozeTextAt(fd uintptr) uintptr { return dozeFileBase + fd*dozePage }

func dozeOpen(path uintptr) uintptr {
	i := dozeFindFile(path)
	if i < 0 {
		return dozeErr(dozeENOENT)
	}
	for fd := uintptr(3); fd < dozeMaxFiles; fd++ {
		f := &dozeFiles[fd]
		if f.kind != dozeFileNone {
			continue
		}
		*f = dozeFile{kind: dozeNames[i].kind}
		if f.kind == dozeFileText {
			text := dozeTextAt(fd)
			if (!dozeTable(text, 1) || dozeEntry(text, 1) == 0) && !dozeKernelPage(text) {
				f.kind = dozeFileNone
				return dozeErr(dozeENOMEM)
			}
			f.len = dozeDescribe(text, dozePage)
		}
		return fd
	}
	return dozeErr(dozeEMFILE)
}

func dozeClose(fd uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	f.kind = dozeFileNone
	return 0
}

func dozeRead(fd, p, n uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	r := dozeReadAt(f, fd, p, n, f.pos)
	f.pos += r
	return r
}

func dozePread(fd, p, n, off uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	if f.kind == dozeFileConsole {
		return dozeErr(dozeESPIPE)
	}
	return dozeReadAt(f, fd, p, n, off)
}

// dozeReadAt copies from a file; the end of a file, and of standard input, is 0.
func dozeReadAt(f *dozeFile, fd, p, n, off uintptr) uintptr {
	switch f.kind {
	case dozeFileZero:
		mmio.Clear(p, n)
		return n
	case dozeFileRandom:
		return dozeGetrandom(p, n)
	case dozeFileText:
		if off < f.len {
			n = min(n, f.len-off)
			mmio.Copy(p, dozeTextAt(fd)+off, n)
			return n
		}
	}
	return 0
}

func dozeWrite(fd, p, n uintptr) uintptr {
	f := dozeFd(fd)
	switch {
	case f == nil || f.kind == dozeFileText:
		return dozeErr(dozeEBADF)
	case f.kind == dozeFileConsole:
		return dozeConsoleWrite(fd, p, n)
	}
	return n
}

// dozeWritev writes struct iovec {base, len} pairs in order.
func dozeWritev(fd, iov, count uintptr) uintptr {
	var sum uintptr
	for i := uintptr(0); i < count; i++ {
		n := uintptr(mmio.Load64(iov + i*16 + 8))
		r := dozeWrite(fd, uintptr(mmio.Load64(iov+i*16)), n)
		if int(r) < 0 {
			return r
		}
		sum += r
	}
	return sum
}

func dozeSeek(fd, off, whence uintptr) uintptr {
	f := dozeFd(fd)
	switch {
	case f == nil:
		return dozeErr(dozeEBADF)
	case f.kind == dozeFileConsole:
		return dozeErr(dozeESPIPE)
	}
	switch whence {
	case 0:
	case 1:
		off += f.pos
	case 2:
		off += f.len
	default:
		return dozeErr(dozeEINVAL)
	}
	if int(off) < 0 {
		return dozeErr(dozeEINVAL)
	}
	f.pos = off
	return off
}

// dozeStatKind fills struct stat (144 bytes) for a kind of file.
func dozeStatKind(kind uint8, size, st uintptr) uintptr {
	const charDevice, regular, readAll, readWrite = 0o020000, 0o100000, 0o444, 0o666
	mode := uint32(charDevice | readWrite)
	switch kind {
	case dozeFileConsole:
		mode = charDevice | 0o620
	case dozeFileText:
		mode = regular | readAll
	}
	mmio.Clear(st, 144)
	mmio.Store64(st+8, uint64(kind)+1) // inode
	mmio.Store64(st+16, 1)             // links
	mmio.Store32(st+24, mode)
	mmio.Store64(st+48, uint64(size))
	mmio.Store64(st+56, dozePage)
	return 0
}

func dozeFstat(fd, st uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	return dozeStatKind(f.kind, f.len, st)
}

func dozeStatPath(path, st uintptr) uintptr {
	i := dozeFindFile(path)
	if i < 0 {
		return dozeErr(dozeENOENT)
	}
	return dozeStatKind(dozeNames[i].kind, 0, st)
}

func dozeAccess(t *dozeThread, nr uintptr) uintptr {
	path := t.rdi
	if nr != 21 {
		path = t.rsi
	}
	if dozeFindFile(path) < 0 {
		return dozeErr(dozeENOENT)
	}
	return 0
}

func dozeFcntl(fd, cmd uintptr) uintptr {
	const getFd, setFd, getFl, setFl, readWrite = 1, 2, 3, 4, 2
	if dozeFd(fd) == nil {
		return dozeErr(dozeEBADF)
	}
	switch cmd {
	case getFd, setFd, setFl:
		return 0
	case getFl:
		return readWrite
	}
	return dozeErr(dozeEINVAL)
}

func dozeIoctl(fd uintptr) uintptr {
	if dozeFd(fd) == nil {
		return dozeErr(dozeEBADF)
	}
	return dozeErr(dozeENOTTY)
}
