package runtime

// The files of /proc/self that tell of the program.

import "internal/runtime/doze/abi"

func (s *dozeSnapshot) process(name string) {
	i := &dozeBootInfo
	switch name {
	case "cmdline":
		s.program(i.args, i.argsEnd)
	case "environ":
		s.program(i.argsEnd, i.envEnd)
	case "comm":
		s.name()
		s.byte('\n')
	case "maps":
		s.maps()
	case "mountinfo":
		s.str("1 0 0:1 / / rw - tmpfs tmpfs rw\n2 1 0:2 / /proc ro - proc proc ro\n")
	case "mounts":
		s.str("tmpfs / tmpfs rw 0 0\nproc /proc proc ro 0 0\n")
	case "stat":
		s.stat()
	case "statm":
		s.dec(uint64(dozeTotalPages()))
		s.byte(' ')
		s.dec(uint64(dozeResident()))
		s.str(" 0 0 0 0 0\n")
	case "status":
		s.status()
	}
}

// program copies memory that the program could have changed, or given back.
func (s *dozeSnapshot) program(p, end uintptr) {
	for p < end && s.errno == 0 {
		n := min(end-p, s.size)
		left := dozeUserRead(s.p, p, n)
		s.n = n - left
		s.flush()
		if left != 0 {
			return
		}
		p += n
	}
}

// name puts the name of the first thread.
func (s *dozeSnapshot) name() {
	for _, c := range dozeThreadAt(0).comm {
		if c == 0 {
			return
		}
		s.byte(c)
	}
}

// dozeResident is how many pages are in use.
func dozeResident() uintptr {
	f := &dozeMem.frames
	return dozeTotalPages() - f.FreePages()
}

// maps puts a line for each part of the image, from which profiles take what
// belongs to the program, one for the gate to ring 0, and one for the first stack.
func (s *dozeSnapshot) maps() {
	m := &firstmoduledata
	text, rodata := m.etext, alignUp(m.etext, dozePage)
	data := m.noptrdata &^ (dozePage - 1)
	s.hexes(abi.GatePage, abi.BlobEnd)
	s.str(" r-xp 00000000 00:00 0 [gate]\n")
	s.mapping(abi.ImageBase, alignUp(text, dozePage), "r-xp")
	s.mapping(rodata, data, "r--p")
	s.mapping(data, alignUp(m.end, dozePage), "rw-p")
	s.hexes(dozeBootInfo.stack, dozeMainStackHi)
	s.str(" rw-p 00000000 00:00 0 [stack]\n")
}

func (s *dozeSnapshot) mapping(lo, hi uintptr, access string) {
	s.hexes(lo, hi)
	s.byte(' ')
	s.str(access)
	s.byte(' ')
	s.short(lo - abi.ImageBase)
	s.str(" 00:01 1 ")
	dozePutExe(&s.dozeText)
	s.byte('\n')
	s.flush()
}

func (s *dozeSnapshot) hexes(lo, hi uintptr) {
	s.short(lo)
	s.byte('-')
	s.short(hi)
}

// short puts a number in base 16, with eight digits or more.
func (s *dozeSnapshot) short(v uintptr) {
	digits := 8
	for digits < 16 && v>>(4*digits) != 0 {
		digits++
	}
	for digits--; digits >= 0; digits-- {
		s.byte("0123456789abcdef"[v>>(4*digits)&15])
	}
}

func (s *dozeSnapshot) stat() {
	const tick = 1e7 // ns, 1/USER_HZ s
	s.str("1 (")
	s.name()
	s.str(") R 0 1 1 0 -1 0 0 0 0 0 ")
	s.dec(uint64(dozeProcessTime()) / tick)
	s.str(" 0 0 0 20 0 ")
	s.dec(uint64(dozeSched.live))
	s.str(" 0 0 ")
	s.dec(uint64(dozeTotalPages() * dozePage))
	s.byte(' ')
	s.dec(uint64(dozeResident()))
	s.str(" 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")
}

func (s *dozeSnapshot) status() {
	s.str("Name:\t")
	s.name()
	s.str("\nUmask:\t0")
	for shift := 6; shift >= 0; shift -= 3 {
		s.dec(uint64(dozeTree.umask >> shift & 7))
	}
	s.str("\nState:\tR (running)\nTgid:\t1\nPid:\t1\nPPid:\t0\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n")
	s.kib("VmSize:\t", dozeTotalPages())
	s.kib("VmRSS:\t", dozeResident())
	s.str("Threads:\t")
	s.dec(uint64(dozeSched.live))
	s.byte('\n')
}
