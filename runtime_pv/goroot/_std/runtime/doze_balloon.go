package runtime

// The balloon (docs/memory.md): what the device tells is noted here, and a step
// towards its target is made when the agent calls for one, or when memory is out.
// Frames in the balloon are in use in dozeMem.frames and free in held.

import (
	"internal/runtime/atomic"
	"internal/runtime/doze/abi"
	"internal/runtime/doze/balloon"
	"internal/runtime/doze/mem"
	"internal/runtime/doze/mmio"
	"internal/runtime/doze/virtio/spec"
)

var dozeBalloon struct {
	base      uintptr // the device's window, 0 = none
	line      uintptr // its line at the IOAPIC, 0 if it has none
	event     uint64  // its bit among the VMM's events
	interrupt uint64  // and among the interrupts
	dev       balloon.Balloon
	held      mem.Frames
	target    uintptr // frames that it should hold
	missing   uintptr // how many more that is than it holds
	moved     uintptr // frames that the last step moved
	busy      bool    // memory is being got back: what that needs must be there
	mem       [balloon.MemSize + dozePage]byte
}

// dozeReserve is how many frames the balloon leaves free unless it reaches its
// target: the program's next steps must not empty it again.
func dozeReserve() uintptr { return min(dozeBlock/dozePage, dozeTotalPages()/16) }

// dozeBalloonAdd takes the balloon's window, the i-th of all; line is 0 where the VMM
// has events instead.
func dozeBalloonAdd(base, i, line uintptr) {
	b := &dozeBalloon
	if b.base != 0 {
		return
	}
	b.base, b.line = base, line
	if line == 0 {
		b.event = abi.EventDevice << i
	} else {
		b.interrupt = 1 << (abi.VectorDevice + line - abi.VectorBase)
	}
}

// dozeBalloonBoot starts the device where it interrupts: it does not before it is
// started. Elsewhere that is left until it is needed.
func dozeBalloonBoot() {
	if b := &dozeBalloon; b.line != 0 && dozeBalloonReady() {
		dozeRouteLine(b.line)
		dozeBalloonEvent()
	}
}

// dozeBalloonReady starts the device if there is one that was not.
func dozeBalloonReady() bool {
	b := &dozeBalloon
	if b.dev.Ready() || b.base == 0 {
		return b.dev.Ready()
	}
	top, ceiling := dozeBootInfo.top, dozeBootInfo.ceiling
	for p := uintptr(0); p < mem.MetadataSize(ceiling, ceiling); p += dozePage {
		if !dozeMapped(dozeHeldBase+p) && !dozeKernelPage(dozeHeldBase+p) {
			return false
		}
	}
	if b.dev.Init(b.base, alignUp(dozeAddr(&b.mem[0]), dozePage)) != 0 {
		b.base = 0
		return false
	}
	b.held.Init(dozeHeldBase, top, ceiling)
	b.held.Exclude()
	if b.dev.Reports() && !b.dev.Keeps() {
		dozeMem.zeroRAM = false
	}
	return true
}

// dozeBalloonPages is how many frames the balloon holds.
func dozeBalloonPages() uintptr { return dozeBalloon.held.FreePages() }

// dozeBalloonEvent looks what the device wants.
func dozeBalloonEvent() {
	b := &dozeBalloon
	if !dozeBalloonReady() {
		return
	}
	if b.line != 0 {
		b.dev.Acknowledge()
	}
	dozeReportsBack()
	dozeBalloonStats()
	if t := b.dev.Target(); t != b.target {
		b.target = t
		dozeGrowth.refused = false
		dozeAgentAsk()
	}
}

// dozeBalloonStep moves frames towards the target, at most what the device takes
// at a time.
func dozeBalloonStep() {
	b := &dozeBalloon
	b.moved = 0
	if !b.dev.Ready() {
		return
	}
	b.target = b.dev.Target()
	have := dozeBalloonPages()
	b.busy = true
	if have < b.target {
		b.moved = dozeInflate(b.target - have)
	} else if have > b.target {
		b.moved = dozeDeflate(have - b.target)
	}
	b.busy = false
	dozeBalloonCount()
}

// dozeBalloonCount tells agent and device what the balloon holds.
func dozeBalloonCount() {
	b := &dozeBalloon
	have := dozeBalloonPages()
	atomic.Storeuintptr(&b.missing, b.target-min(have, b.target))
	b.dev.SetActual(have)
}

// dozeInflate puts up to n free frames into the balloon.
func dozeInflate(n uintptr) (moved uintptr) {
	b := &dozeBalloon
	f := &dozeMem.frames
	if b.dev.Inflating() {
		return 0
	}
	reserve := dozeReserve()
	if f.FreePages() >= n+reserve/4 {
		reserve = 0 // the target is within reach
	}
	n = min(n, balloon.InflateMax, f.FreePages()-min(f.FreePages(), reserve))
	for run := uintptr(dozeBlock / dozePage); moved < n; {
		if run > n-moved {
			run >>= 1
			continue
		}
		pa := f.AllocRun(run)
		if pa == 0 && run == 1 {
			break
		}
		if pa == 0 {
			run >>= 1
			continue
		}
		b.dev.Inflate(pa, run)
		b.held.Return(pa, run)
		moved += run
	}
	b.dev.SendInflate()
	return moved
}

// dozeDeflate takes up to n frames out of the balloon. They can be used at once.
func dozeDeflate(n uintptr) (moved uintptr) {
	b := &dozeBalloon
	if b.dev.Inflating() {
		return 0 // the device may still be at them
	}
	n = min(n, balloon.DeflateMax)
	for run := uintptr(dozeBlock / dozePage); moved < n; {
		if run > n-moved {
			run >>= 1
			continue
		}
		pa := b.held.AllocRun(run)
		if pa == 0 && run == 1 {
			break
		}
		if pa == 0 {
			run >>= 1
			continue
		}
		b.dev.Deflate(pa, run)
		dozeFromBalloon(pa, run)
		moved += run
	}
	b.dev.SendDeflate()
	return moved
}

// dozeFromBalloon makes frames free again. The host holds nothing for them.
func dozeFromBalloon(pa, pages uintptr) {
	f := &dozeMem.frames
	if !dozeMem.keepsZero {
		f.SetSuspect(pa, pages)
	}
	if !f.Return(pa, pages) {
		dozeCrash("a frame of the balloon was free", pa)
	}
}

// dozeReclaim gets memory back because none is free, without waiting for anybody. It
// returns whether it got some.
func dozeReclaim() bool {
	b := &dozeBalloon
	if b.busy {
		return false
	}
	b.busy = true
	ok := dozeReportsBack() && dozeMem.frames.FreePages() > 0
	if dozeTree.fs.Doomed() {
		dozeTree.fs.Reap(dozeEntries)
		dozeTreePages.letting.flush()
		ok = ok || dozeMem.frames.FreePages() > 0
	}
	if !ok && dozeBalloonPages() > 0 && dozeDeflate(balloon.DeflateMax) > 0 {
		dozeBalloonCount()
		ok = true
	}
	b.busy = false
	return ok || dozeGrow()
}

// dozeMemoryIdle does what is left for when the machine is about to sleep: frames for a
// balloon that waits for some, and tidying the heap. It returns whether a thread became
// ready for that, and when the machine should be awake for it.
func dozeMemoryIdle() (ready bool, tidy int64) {
	b := &dozeBalloon
	if tidy = dozeTidyDeadline(); tidy <= dozeNow() {
		dozeTidyDue.Store(1)
		dozeTidy.since = 0
		dozeAgentAsk()
	} else if b.missing > 0 && (dozeMem.frames.FreePages() > 2*dozeReserve() || dozeHeapHasLet()) {
		dozeAgentAsk()
	}
	return dozeSched.ready > 0, tidy
}

// dozeBalloonStats gives the device the statistics it waits for.
func dozeBalloonStats() {
	b := &dozeBalloon
	if !b.dev.StatsDue() {
		return
	}
	free, spare := dozeMem.frames.FreePages(), dozeTreeSpares()
	const entries = 8
	for i, s := range [entries]struct {
		tag   uint16
		value uint64
	}{
		{spec.StatSwapIn, 0}, {spec.StatSwapOut, 0}, {spec.StatMajorFaults, 0},
		{spec.StatMinorFaults, dozeFaults},
		{spec.StatFree, uint64(free * dozePage)},
		{spec.StatTotal, uint64(dozeTotalPages() * dozePage)},
		{spec.StatAvailable, uint64((free + spare) * dozePage)},
		{spec.StatCaches, uint64(dozeTree.fs.Pages() * dozePage)},
	} {
		b.dev.SetStat(uintptr(i), s.tag, s.value)
	}
	b.dev.SendStats(entries)
}

// dozeGrowth is RAM that the VMM adds when it is asked to.
var dozeGrowth struct {
	refused bool   // until the target changes
	count   uint64 // how often it was added
}

// dozeTotalPages is how many frames the machine has, dozeMostPages how many it can
// have, and dozeReachable how many of those are not in use.
func dozeTotalPages() uintptr { return dozeMem.frames.TotalPages() - dozeBalloonPages() }

func dozeMostPages() uintptr { return dozeMem.frames.TotalPages() + dozeGrowable() }

// dozeTargetPages is how many frames the machine should have. Beyond those there are
// only the VMM knows more.
func dozeTargetPages() uintptr {
	if t := atomic.Loaduintptr(&dozeBalloon.target); t > 0 {
		return dozeMem.frames.TotalPages() - min(dozeMem.frames.TotalPages(), t)
	}
	return dozeMostPages()
}

func dozeReachable() uintptr {
	return dozeMem.frames.FreePages() + dozeBalloonPages() + dozeGrowable()
}

func dozeGrowable() uintptr {
	if dozeGrowth.refused {
		return 0
	}
	return (dozeBootInfo.ceiling - dozeBootInfo.top) / dozePage
}

// dozeGrow asks the VMM for more RAM. It returns whether there is more. Its books
// lie in its own first frames.
func dozeGrow() bool {
	i, g, f := &dozeBootInfo, &dozeGrowth, &dozeMem.frames
	if i.top == i.ceiling || g.refused {
		return false
	}
	n := uintptr(mmio.In32(abi.PortGrow))
	if n == 0 || n > dozeGrowable() {
		g.refused = true
		return false
	}
	g.count++
	old, top := i.top, i.top+n*dozePage
	at := mem.MetadataSize(old, i.ceiling)
	books := mem.MetadataSize(top, i.ceiling) - at
	if books > 0 {
		dozeMap(dozeMetaBase+at, old|dozeRW, books/dozePage, 1, dozePage)
	}
	i.top, i.ram = top, i.ram+n*dozePage
	f.Grow(top)
	f.Reserve(old, old+books)
	if b := &dozeBalloon; b.dev.Ready() {
		b.held.Grow(top)
		b.held.Reserve(old, top)
	}
	return true
}
