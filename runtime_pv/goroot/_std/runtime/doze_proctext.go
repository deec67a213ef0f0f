package runtime

// The files of /proc whose text is made when they are opened: a snapshot, in a
// file without a name that goes when it is closed.

import (
	"internal/runtime/doze/fs"
	"internal/runtime/doze/mmio"
)

// dozeTexts are those files, by the directory they are in.
var dozeTexts = [...]struct {
	dir  uint32
	name string
}{
	{dozeTagProc, "doze"}, {dozeTagProc, "cpuinfo"}, {dozeTagProc, "loadavg"}, {dozeTagProc, "meminfo"},
	{dozeTagProc, "stat"}, {dozeTagProc, "uptime"}, {dozeTagProc, "version"},
	{dozeTagProcSelf, "cmdline"}, {dozeTagProcSelf, "environ"}, {dozeTagProcSelf, "maps"}, {dozeTagProcSelf, "mountinfo"},
	{dozeTagProcSelf, "mounts"}, {dozeTagProcSelf, "stat"}, {dozeTagProcSelf, "statm"}, {dozeTagProcSelf, "status"},
	{dozeTagProcSelf, "comm"},
}

const dozeReleaseName = "6.1.0-doze"

// dozeSnapshot is a text on its way into a file, piece by piece.
type dozeSnapshot struct {
	dozeText
	node  fs.Node
	errno fs.Errno
}

var dozeSnapshotBuffer [dozePage]byte

// dozeOpenText makes a file with the text of a tag, held once.
func dozeOpenText(tag uint32) (fs.Node, fs.Errno) {
	f := &dozeTree.fs
	n, errno := f.NewFile(0o444)
	if errno != 0 {
		return 0, errno
	}
	s := dozeSnapshot{node: n}
	s.p, s.size = dozeAddr(&dozeSnapshotBuffer[0]), dozePage
	what := &dozeTexts[tag-dozeTagText]
	if what.dir == dozeTagProc {
		s.system(what.name)
	} else {
		s.process(what.name)
	}
	s.flush()
	if s.errno != 0 {
		f.Release(n)
		return 0, s.errno
	}
	return n, 0
}

// flush moves what is in the buffer into the file.
func (s *dozeSnapshot) flush() {
	s.copy(s.p, s.n)
	s.n = 0
}

func (s *dozeSnapshot) copy(p, n uintptr) {
	f := &dozeTree.fs
	for n > 0 && s.errno == 0 {
		off := f.Size(s.node)
		to, room, errno := f.Prepare(s.node, off, uint64(n))
		if errno == 0 {
			mmio.Copy(to, p, room)
			f.Wrote(s.node, off+uint64(room))
			p, n = p+room, n-room
		}
		s.errno = errno
	}
}

func (s *dozeSnapshot) system(name string) {
	switch name {
	case "doze":
		s.n = dozeDescribe(s.p, s.size)
	case "cpuinfo":
		s.cpuinfo()
	case "loadavg":
		s.str("0.00 0.00 0.00 ")
		s.dec(uint64(dozeSched.ready) + 1)
		s.byte('/')
		s.dec(uint64(dozeSched.live))
		s.str(" 1\n")
	case "meminfo":
		m := &dozeMem.frames
		s.kib("MemTotal:       ", dozeTotalPages())
		s.kib("MemFree:        ", m.FreePages())
		s.kib("MemAvailable:   ", m.FreePages()+dozeTreeSpares())
		s.str("Buffers:               0 kB\n")
		s.kib("Cached:         ", dozeTree.fs.Pages())
		s.kib("Shmem:          ", dozeTree.fs.Pages())
		s.str("SwapTotal:             0 kB\nSwapFree:              0 kB\n")
	case "stat":
		s.cpuTimes()
	case "uptime":
		s.hundredths(dozeNow())
		s.byte(' ')
		s.hundredths(dozeAllTimes().idle)
		s.byte('\n')
	case "version":
		s.str("Linux version " + dozeReleaseName + " #1 Doze\n")
	}
}

// kib puts "key N kB" for a number of pages.
func (s *dozeSnapshot) kib(key string, pages uintptr) {
	v := uint64(pages * (dozePage >> 10))
	s.str(key)
	for w := uint64(10_000_000); w > v && w > 1; w /= 10 {
		s.byte(' ')
	}
	s.dec(v)
	s.str(" kB\n")
}

func (s *dozeSnapshot) hundredths(ns int64) {
	v := uint64(ns) / 1e7
	s.dec(v / 100)
	s.byte('.')
	s.dec(v / 10 % 10)
	s.dec(v % 10)
}

// dozeCPUs counts the vCPUs.
func dozeCPUs() (n uint64) {
	for m := dozeOnline; m != 0; m &= m - 1 {
		n++
	}
	return n
}

// cpuTimes puts what threads had of the vCPUs, how long these were idle, and what
// was stolen from them: all together, then each.
func (s *dozeSnapshot) cpuTimes() {
	s.str("cpu ")
	s.times(dozeAllTimes())
	now := dozeNow()
	for i := uintptr(0); dozeOnline>>i != 0; i++ {
		if dozeOnline>>i&1 != 0 {
			s.str("cpu")
			s.dec(uint64(i))
			s.times(dozeVCPUAt(i).times(now))
		}
	}
	s.str("ctxt 0\nbtime ")
	s.dec(uint64(dozeWallNow()-dozeNow()) / 1e9)
	s.str("\nprocesses 1\nprocs_running ")
	s.dec(uint64(dozeSched.ready) + 1)
	s.str("\nprocs_blocked 0\n")
}

// times puts user, nice, system, idle, iowait, irq, softirq, steal, guest and
// guest_nice, in hundredths of a second (proc(5), /proc/stat).
func (s *dozeSnapshot) times(t dozeTimes) {
	const tick = 1e7 // ns, 1/USER_HZ s
	s.byte(' ')
	s.dec(uint64(t.ran) / tick)
	s.str(" 0 0 ")
	s.dec(uint64(t.idle) / tick)
	s.str(" 0 0 0 ")
	s.dec(uint64(t.stolen) / tick)
	s.str(" 0 0\n")
	s.flush()
}

func (s *dozeSnapshot) cpuinfo() {
	const brand, brandEnd, ext = 0x80000002, 0x80000004, 0x80000000
	highest, _, _, _ := mmio.CPUID(ext, 0)
	_, b, c, d := mmio.CPUID(0, 0)
	for i := uint64(0); i < dozeCPUs(); i++ {
		s.str("processor\t: ")
		s.dec(i)
		s.str("\nvendor_id\t: ")
		for _, r := range [...]uint32{b, d, c} {
			s.register(r)
		}
		s.str("\nmodel name\t: ")
		for leaf := uint32(brand); leaf <= min(highest, brandEnd); leaf++ {
			w, x, y, z := mmio.CPUID(leaf, 0)
			for _, r := range [...]uint32{w, x, y, z} {
				s.register(r)
			}
		}
		s.str("\n\n")
		s.flush()
	}
}

// register puts the four characters in a register of CPUID.
func (s *dozeSnapshot) register(r uint32) {
	for ; r != 0; r >>= 8 {
		if c := byte(r); c != 0 {
			s.byte(c)
		}
	}
}
