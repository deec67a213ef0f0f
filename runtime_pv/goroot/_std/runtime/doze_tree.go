package runtime

// The tree of files: kernel/fs over pages of the kernel's. It is made when the
// first call wants a path, and the parts of /dev, /etc and /proc when somebody
// looks into them.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/fs"
	"internal/runtime/doze/linux"
	"internal/runtime/doze/mmio"
	"unsafe"
)

// dozeTree is the file system and what a process has of it.
var dozeTree struct {
	fs    fs.FS
	ready bool
	cwd   fs.Node
	umask uint32

	writable bool // doze.tree=rw
	first    [dozePathMax]byte
	firstLen uintptr // of the first working directory, 0 for /

	stream fs.Node   // stands for an open file that is no node, found through /proc/self/fd
	via    *dozeFile // that open file
}

const dozeUmask = 0o022

// Pages of the tree come and go one by one, and each change of the page tables
// may be an exit: so they are mapped in runs, and some are kept.
const (
	dozeTreeRun   = 16
	dozeTreeSpare = 64
	// dozeTreeReserve is the part of the memory that files leave to the program.
	dozeTreeReserve = 16
)

// dozeTreePages are the spare pages: those that were used, the first word of each
// being the next one and the rest of it zero; and those of the latest run that
// nobody has touched yet.
var dozeTreePages struct {
	list, n    uintptr
	fresh, end uintptr

	letting dozeLetting
}

// dozeTreeSpares is how many spare pages there are.
func dozeTreeSpares() uintptr {
	s := &dozeTreePages
	return s.n + (s.end-s.fresh)/dozePage
}

// dozeTreePage returns a zero page, 0 if files may have no more.
func dozeTreePage() uintptr {
	s := &dozeTreePages
	if p := s.list; p != 0 {
		s.list = uintptr(mmio.Load64(p))
		s.n--
		mmio.Store64(p, 0)
		return p
	}
	if s.fresh == s.end && !dozeTreeMore() {
		return 0
	}
	p := s.fresh
	s.fresh += dozePage
	return p
}

// dozeTreeMore maps a new run.
func dozeTreeMore() bool {
	f := &dozeMem.frames
	if dozeReachable() < dozeMostPages()/dozeTreeReserve+dozeTreeRun {
		return false
	}
	n := uintptr(dozeTreeRun)
	pa := f.AllocRun(n)
	if pa == 0 {
		n = 1
		if pa = dozeAllocFrames(1); pa == 0 {
			return false
		}
	}
	va := dozePagesBase + pa
	if !dozeLink(va, 1) {
		dozeFree(pa, n)
		return false
	}
	dozeClearFrames(pa, n)
	dozeMap(va, pa|dozeRW, n, 1, dozePage)
	dozeTreePages.fresh, dozeTreePages.end = va, va+n*dozePage
	return true
}

func dozeTreePageFree(p uintptr) {
	s := &dozeTreePages
	mmio.Clear(p, dozePage)
	if s.n >= dozeTreeSpare {
		s.letting.add(p)
		return
	}
	mmio.Store64(p, uint64(s.list))
	s.list = p
	s.n++
}

// dozeTreeRoom is how many pages files may have.
func dozeTreeRoom() uintptr {
	free, kept := dozeReachable(), dozeMostPages()/dozeTreeReserve+dozeTreeRun
	return free - min(free, kept) + dozeTreeSpares()
}

// dozeTreeReap gives back pages of files that are gone, until time is up and no whole
// block seems to be within reach. It reports whether there are more.
func dozeTreeReap(until int64) bool {
	t, l := &dozeTree, &dozeTreePages.letting
	for t.fs.Doomed() && (dozeNow() < until || l.n > dozeUnmaps && l.promising()) {
		t.fs.Reap(dozeEntries)
	}
	if !t.fs.Doomed() {
		l.flush()
	}
	return t.fs.Doomed()
}

// dozeFiles returns the file system, made and knowing what time it is.
func dozeFiles() *fs.FS {
	t := &dozeTree
	t.fs.Now = dozeWallNow()
	if !t.ready {
		t.ready = true
		dozeTreeInit()
	}
	return &t.fs
}

func dozeTreeInit() {
	t := &dozeTree
	if t.fs.Init(dozeTreePage, dozeTreePageFree) != 0 {
		dozeFatal("no memory for the tree of files: give the machine more")
	}
	t.fs.Hooks(dozeFillDir, dozeFollowLink)
	t.fs.OnUnmap(dozeUnmapPages)
	t.fs.OnRoom(dozeTreeRoom)
	t.umask = dozeUmask
	root := t.fs.Root()
	for _, d := range [...]struct {
		name string
		perm uint32
		tag  uint32
	}{
		{"dev", 0o755, dozeTagDev}, {"etc", 0o755, dozeTagEtc}, {"home", 0o755, 0}, {"proc", 0o555, dozeTagProc},
		{"root", 0o700, 0}, {"run", 0o755, 0}, {"tmp", 0o1777, 0}, {"usr", 0o755, dozeTagUsr}, {"var", 0o755, dozeTagVar},
	} {
		dozePlantDir(root, d.name, d.perm, d.tag)
	}
	dozeMount()
	t.cwd = root
	if t.firstLen != 0 {
		p, errno := t.fs.Lookup(root, dozeStr(dozeAddr(&t.first[0]), t.firstLen), fs.Follow)
		if errno != 0 || p.Node == 0 || t.fs.Type(p.Node) != fs.TypeDir {
			dozeFatal("doze.cwd names no directory of the image")
		}
		t.cwd = p.Node
	}
	t.fs.Hold(t.cwd)
}

// dozeMount puts the embedded tree in.
func dozeMount() {
	t := &dozeTree
	lo := uintptr(mmio.Load64(abi.MachinePage + abi.MachineTree))
	hi := uintptr(mmio.Load64(abi.MachinePage + abi.MachineTreeEnd))
	if lo == 0 {
		return
	}
	switch t.fs.Mount(lo, hi, !t.writable) {
	case 0:
	case linux.ENOSPC:
		dozeFatal("no memory for the names of the embedded tree: give the machine more")
	default:
		dozeFatal("the embedded tree is damaged: build the image anew")
	}
}

// dozeStr is kernel memory as a string. It is never stored.
func dozeStr(p, n uintptr) string { return unsafe.String((*byte)(dozePtr(p)), n) }

// dozePlantDir makes a directory of the system's. With a tag it is filled when
// it is looked into.
func dozePlantDir(dir fs.Node, name string, perm, tag uint32) {
	f := &dozeTree.fs
	n, errno := f.Plant(dir, name, fs.TypeDir|perm, 0)
	if errno == 0 && tag != 0 {
		f.Mark(n, fs.Dynamic, tag)
	}
}

// dozePlantText makes a file with a constant text. What the embedded tree has
// comes first, here as everywhere.
func dozePlantText(dir fs.Node, name, body string) {
	dozeTree.fs.PlantFile(dir, name, 0o644, body)
}

// What dynamic directories, special links and files are, as tags of kernel/fs.
const (
	dozeTagNone = iota
	dozeTagDev
	dozeTagEtc
	dozeTagUsr
	dozeTagVar
	dozeTagProc
	dozeTagProcSelf
	dozeTagProcSys
	dozeTagFds    // /proc/self/fd
	dozeTagCwd    // a link to the working directory
	dozeTagExe    // a link to the image
	dozeTagStream // dozeTree.stream

	dozeTagText = 0x100   // + a dozeTexts: a file made when it is opened
	dozeTagFd   = 0x10000 // + a descriptor: a link to what it is open on
)

// dozeFillDir makes what a dynamic directory holds. All but /proc/self/fd are
// filled once.
func dozeFillDir(dir fs.Node, tag uint32) {
	f := &dozeTree.fs
	if tag == dozeTagFds {
		dozeFillFds(dir)
		return
	}
	f.Mark(dir, 0, 0)
	switch tag {
	case dozeTagDev:
		dozeFillDev(dir)
	case dozeTagEtc:
		dozePlantText(dir, "group", "root:x:0:\n")
		dozePlantText(dir, "hostname", dozeHostnameLine())
		dozePlantText(dir, "hosts", dozeHosts())
		dozePlantText(dir, "passwd", "root:x:0:0:root:/root:/bin/sh\n")
	case dozeTagUsr:
		dozePlantDir(dir, "bin", 0o755, 0) // empty: there is nothing to run
	case dozeTagVar:
		dozePlantDir(dir, "tmp", 0o1777, 0)
	default:
		dozeFillProc(dir, tag)
	}
}

// Numbers of character devices (Linux Documentation/admin-guide/devices.txt).
const (
	dozeDevMem    = 1 << 8
	dozeDevNull   = dozeDevMem | 3
	dozeDevZero   = dozeDevMem | 5
	dozeDevFull   = dozeDevMem | 7
	dozeDevRandom = dozeDevMem | 8
	dozeDevURand  = dozeDevMem | 9
	dozeDevTTY    = 5 << 8
)

func dozeFillDev(dir fs.Node) {
	f := &dozeTree.fs
	for _, d := range [...]struct {
		name string
		dev  uint64
	}{
		{"full", dozeDevFull}, {"null", dozeDevNull}, {"random", dozeDevRandom}, {"tty", dozeDevTTY},
		{"urandom", dozeDevURand}, {"zero", dozeDevZero},
	} {
		f.Plant(dir, d.name, fs.TypeChar|0o666, d.dev)
	}
	for _, l := range [...][2]string{
		{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	} {
		f.PlantLink(dir, l[0], l[1])
	}
	dozePlantDir(dir, "shm", 0o1777, 0)
}

// dozeDevOps returns the operations of a device, nil if there is no such device.
func dozeDevOps(dev uint64) *dozeFileOps {
	switch dev {
	case dozeDevNull:
		return &dozeNullOps
	case dozeDevZero:
		return &dozeZeroOps
	case dozeDevFull:
		return &dozeFullOps
	case dozeDevRandom, dozeDevURand:
		return &dozeRandomOps
	}
	return nil
}

// dozeFillPiece copies a piece of one file to a piece of another; from address 0 come
// zeros.
func dozeFillPiece(to, from, n uintptr) {
	if from == 0 {
		mmio.Clear(to, n)
		return
	}
	mmio.Copy(to, from, n)
}
