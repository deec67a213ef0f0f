package runtime

// Text for people: a bounded buffer that numbers and words are put into.

import (
	"internal/runtime/doze/cmdline"
	"internal/runtime/doze/mmio"
)

type dozeText struct {
	p, n, size uintptr
}

func (b *dozeText) str(s string) {
	for i := 0; i < len(s); i++ {
		b.byte(s[i])
	}
}

func (b *dozeText) byte(c byte) {
	if b.n < b.size {
		mmio.Store8(b.p+b.n, c)
		b.n++
	}
}

func (b *dozeText) dec(v uint64) {
	var d [20]byte
	i := len(d)
	for {
		i--
		d[i] = byte('0' + v%10)
		if v /= 10; v == 0 {
			break
		}
	}
	for ; i < len(d); i++ {
		b.byte(d[i])
	}
}

func (b *dozeText) hex(v uintptr) {
	for s := 60; s >= 0; s -= 4 {
		b.byte("0123456789abcdef"[v>>s&15])
	}
}

// line puts "key: value\n".
func (b *dozeText) line(key string, v uint64) {
	b.str(key)
	b.str(": ")
	b.dec(v)
	b.byte('\n')
}

// short puts a text of the command line.
func (b *dozeText) short(s *cmdline.Short) {
	if s.Len() == 0 {
		b.str("unknown")
	}
	for i := range s.Len() {
		b.byte(s.Byte(i))
	}
}

// dozeDescribe writes what /proc/doze shows and returns its length.
func dozeDescribe(p, size uintptr) uintptr {
	b := dozeText{p: p, size: size}
	i := &dozeBootInfo
	b.str("vmm: ")
	b.short(&i.vmm)
	b.str("\naccel: ")
	b.short(&i.accel)
	b.str("\nclock: ")
	if dozeTime.kvmclock {
		b.str("kvmclock\nidle: ")
	} else {
		b.str("tsc\nidle: ")
	}
	if dozePark {
		b.str("park\ntimer: ")
	} else {
		b.str("hlt\ntimer: ")
	}
	b.str([...]string{"tsc-deadline\n", "x2apic\n", "xapic\n"}[dozeTime.mode])
	f := &dozeMem.frames
	b.line("memory", uint64(i.ram))
	b.line("free", uint64(f.FreePages()*dozePage))
	b.line("balloon", uint64(dozeBalloonPages()*dozePage))
	b.line("reported", dozeReports.pages*dozePage)
	b.line("cpus", uint64(dozeBootInfo.cpus))
	b.line("threads", uint64(dozeSched.live))
	b.line("start_to_now_ns", uint64(dozeSinceStart()))
	b.line("wakeups", dozeStats.wakeups)
	b.line("wakeups_early", dozeStats.early)
	b.line("timer_interrupts", dozeStats.timers)
	b.line("gates", dozeStats.gates)
	b.line("unknown_calls", dozeStats.unknown)
	b.line("interrupts_again", dozeStats.again)
	b.line("slices", dozeStats.slices)
	b.line("longest_slice_ns", dozeStats.longest)
	b.line("steal_ns", mmio.Load64(dozeStealPage))
	return b.n
}

// dozeSinceStart is the time since the VMM was started, as well as is known.
func dozeSinceStart() int64 {
	if s := dozeBootInfo.start; s != 0 {
		return dozeWallNow() - s
	}
	return dozeNow()
}
