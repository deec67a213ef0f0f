package runtime

// Files in memory: mmap(2) of a regular file. The mapping is a copy of what the file
// holds at that time, which for one that is private or never written nobody can
// tell apart, unless the file is changed meanwhile.

import "internal/runtime/doze/fs"

func dozeMmapFile(addr, n, prot, flags, fd, off uintptr) uintptr {
	f := dozeFd(fd)
	if f == nil {
		return dozeErr(dozeEBADF)
	}
	node := dozeNodeOf(f)
	switch {
	case node == 0 || dozeFiles().Type(node) != fs.TypeFile:
		return dozeErr(dozeENODEV)
	case f.flags&dozeOAccess == dozeOWronly:
		return dozeErr(dozeEACCES)
	case flags&_MAP_PRIVATE == 0 && prot&_PROT_WRITE != 0:
		return dozeErr(dozeENODEV) // writes would have to reach the file
	case off&(dozePage-1) != 0:
		return dozeErr(dozeEINVAL)
	}
	size := uintptr(dozeFiles().Size(node))
	size = min(n, max(size, off)-off)
	if size/dozePage >= dozeReachable() {
		return dozeErr(dozeENOMEM)
	}
	const write = _PROT_READ | _PROT_WRITE
	addr = dozeMmap(addr, n, write, flags&_MAP_FIXED|_MAP_ANON|_MAP_PRIVATE)
	if int(addr) < 0 {
		return addr
	}
	if r := dozeNodeRead(node, addr, size, off); int(r) < 0 {
		dozeMunmap(addr, n)
		return r
	}
	if prot&write != write {
		if r := dozeMprotect(addr, n, prot); r != 0 {
			dozeMunmap(addr, n)
			return r
		}
	}
	return addr
}
