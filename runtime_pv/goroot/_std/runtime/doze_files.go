package runtime

// Descriptors: the three standard streams and a few read-only files that
// programs look for. A tree of real files is not here.

import "internal/runtime/doze/mmio"

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

func dozeOpen(path, flags uintptr) uintptr {
	p, _, errno := dozeCopyPath(0, path)
	if errno != 0 {
		return dozeErr(errno)
	}
	i := dozeFindFile(p)
	if i < 0 {
		return dozeErr(dozeENOENT)
	}
	f := dozeNewFile(uint32(dozeNames[i].kind), uint32(flags)&^dozeOCloexec)
	if f == nil {
		return dozeErr(dozeENOMEM)
	}
	if f.kind == dozeFileText {
		if f.obj = dozePageAlloc(); f.obj == 0 {
			dozeDrop(f)
			return dozeErr(dozeENOMEM)
		}
		f.size = dozeDescribe(f.obj, dozePage)
	}
	return dozeInstall(f, 0, dozeCloexec(flags))
}

// dozeFileEnd frees what a file that is no longer open was open on.
func dozeFileEnd(f *dozeFile) {
	if f.kind == dozeFileText && f.obj != 0 {
		dozePageFree(f.obj)
	}
	dozeStreamEnd(f)
}

func dozeRead(fd, p, n uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	if dozeIsStream(f) {
		return dozeStreamRead(f, p, n)
	}
	r := dozeReadAt(f, p, n, f.pos)
	if int(r) > 0 {
		f.pos += r
	}
	return r
}

func dozePread(fd, p, n, off uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	if f.kind == dozeFileConsole || dozeIsStream(f) {
		return dozeErr(dozeESPIPE)
	}
	return dozeReadAt(f, p, n, off)
}

// dozeReadAt copies from a file; the end of a file, and of standard input, is 0.
func dozeReadAt(f *dozeFile, p, n, off uintptr) uintptr {
	switch f.kind {
	case dozeFileZero:
		if dozeTryClear(p, n) != 0 {
			return dozeErr(dozeEFAULT)
		}
		return n
	case dozeFileRandom:
		return dozeGetrandom(p, n)
	case dozeFileText:
		if off < f.size {
			n = min(n, f.size-off)
			if !dozeCopyOut(p, f.obj+off, n) {
				return dozeErr(dozeEFAULT)
			}
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
		return dozeConsoleWrite(f.obj, p, n)
	case dozeIsStream(f):
		return dozeStreamWrite(f, p, n)
	}
	return n
}

// dozeWritev writes struct iovec {base, len} pairs in order.
func dozeWritev(fd, iov, count uintptr) uintptr {
	var sum uintptr
	for i := uintptr(0); i < count; i++ {
		n := uintptr(mmio.Load64(iov + i*16 + 8))
		if f := dozeFd(fd); i > 0 && f != nil && dozeIsStream(f) {
			return sum // one part at a time: a write that waits begins anew
		}
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
	case f.kind == dozeFileConsole || dozeIsStream(f):
		return dozeErr(dozeESPIPE)
	}
	switch whence {
	case 0:
	case 1:
		off += f.pos
	case 2:
		off += f.size
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
	const charDevice, regular, fifo, readAll, readWrite, owner = 0o020000, 0o100000, 0o010000, 0o444, 0o666, 0o600
	mode := uint32(charDevice | readWrite)
	switch kind {
	case dozeFileConsole:
		mode = charDevice | 0o620
	case dozeFileText:
		mode = regular | readAll
	case dozeFilePipeIn, dozeFilePipeOut, dozeFileInput:
		mode = fifo | owner
	case dozeFileCounter, dozeFileEpoll:
		mode = owner
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
	return dozeStatKind(uint8(f.kind), f.size, st)
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

func dozeIoctl(fd, cmd, arg uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	return dozeStreamIoctl(f, cmd, arg)
}
