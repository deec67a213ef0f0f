// Package balloon speaks virtio-balloon (VIRTIO 1.2, 5.5) from the guest's side:
// inflating and deflating by page numbers, free page reporting, statistics.
//
// It chooses no page and keeps no books: what is in the balloon, and that a page
// under report is in use, is the caller's business (docs/memory.md). It runs
// beneath the Go scheduler and must never allocate, panic, block or store a
// pointer, and waits for the device for a bounded number of reads only. It has no
// lock; the caller has one. Physical and virtual address of its memory are the
// same.
package balloon

import (
	transport "github.com/doze-vm/doze/drivers/virtio/mmio"
	"github.com/doze-vm/doze/drivers/virtio/queue"
	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/kernel/mmio"
)

// known are the features that the driver takes. MUST_TELL_HOST is not among them: without
// it pages may be used as soon as the device has been told. HINT is taken for its
// queue's number, and never answered.
const known = spec.BalloonStats | spec.BalloonDeflateOnOOM | spec.BalloonHint | spec.BalloonPoison | spec.BalloonReporting

// The configuration's registers.
const (
	configTarget = spec.RegConfig + spec.BalloonTarget
	configActual = spec.RegConfig + spec.BalloonActual
	configPoison = spec.RegConfig + spec.BalloonPoisonValue
)

// MaxRanges is how many ranges one report holds.
const MaxRanges = 32

// A balloon's memory: the queues, the statistics, and the page numbers on their
// way in and out.
const (
	MemSize = 0x5000

	ringsAt   = 0
	statsAt   = 0xe00
	inflateAt = 0x1000
	deflateAt = 0x4000

	InflateMax = (deflateAt - inflateAt) / spec.PFNSize // page numbers a time
	DeflateMax = (MemSize - deflateAt) / spec.PFNSize

	listQueue = 2 // descriptors of the queues with one buffer in flight
)

// patience bounds the wait for the device, in PAUSEs: some 50 ms. Devices whose
// doorbell is an exit are done when that returns.
const patience = 1 << 20

// Balloon is one device. The zero value has none.
type Balloon struct {
	regs        transport.Regs
	mem         uintptr
	features    uint32
	reportQueue uint32
	spins       int

	inflate, deflate, stats, report queue.Queue

	inflating, deflating uintptr // page numbers in the buffers
}

// Init starts the balloon whose registers are at base. mem is the address of
// MemSize bytes in a row, page-aligned, the balloon's from now on.
func (b *Balloon) Init(base, mem uintptr) transport.Code {
	*b = Balloon{}
	if base == 0 || mem == 0 || mem%spec.BalloonPage != 0 {
		return transport.BadMemory
	}
	n := Balloon{regs: transport.Regs{Base: base}, mem: mem, spins: patience}
	var code transport.Code
	if n.features, code = n.regs.BeginWith(spec.DeviceBalloon, known); code == transport.OK {
		code = n.setQueues()
	}
	if code == transport.OK {
		if n.features&spec.BalloonPoison != 0 {
			n.regs.Store(configPoison, 0)
		}
		code = n.regs.Start()
	}
	if code != transport.OK {
		n.regs.Fail()
		return code
	}
	*b = n
	return transport.OK
}

func (b *Balloon) setQueues() transport.Code {
	at := b.mem + ringsAt
	set := func(q *queue.Queue, index uint32, size uint16) transport.Code {
		if q.Init(at, size) != queue.OK {
			return transport.BadMemory
		}
		at += (queue.Size(size) + queue.Align - 1) &^ (queue.Align - 1)
		return b.regs.SetQueue(index, q)
	}
	code := set(&b.inflate, spec.BalloonInflateQueue, listQueue)
	if code == transport.OK {
		code = set(&b.deflate, spec.BalloonDeflateQueue, listQueue)
	}
	if code == transport.OK && b.features&spec.BalloonStats != 0 {
		code = set(&b.stats, spec.BalloonStatsQueue, listQueue)
		b.stats.WantInterrupts(true)
	}
	if code == transport.OK && b.features&spec.BalloonReporting != 0 {
		b.placeReport()
		code = set(&b.report, b.reportQueue, MaxRanges)
	}
	return code
}

// placeReport finds the reporting queue's number: behind those of the features in
// force, which are all that the device offers; or, if there is no such queue, the
// specification's.
func (b *Balloon) placeReport() {
	b.reportQueue = dense(b.features)
	if !b.regs.HasQueue(b.reportQueue) {
		b.reportQueue = spec.BalloonReportQueue
	}
}

// dense is the reporting queue's number if only queues of these features count.
func dense(features uint32) uint32 {
	n := uint32(spec.BalloonStatsQueue)
	for _, f := range [...]uint32{spec.BalloonStats, spec.BalloonHint} {
		if features&f != 0 {
			n++
		}
	}
	return n
}

// Ready reports whether Init was done.
func (b *Balloon) Ready() bool { return b.mem != 0 }

// Reports says whether the device takes reports, and Keeps whether it promises that a
// reported page that was zero stays zero.
func (b *Balloon) Reports() bool { return b.features&spec.BalloonReporting != 0 }
func (b *Balloon) Keeps() bool   { return b.features&spec.BalloonPoison != 0 }

// DeflateOnOOM says whether the device lets the guest take pages back.
func (b *Balloon) DeflateOnOOM() bool { return b.features&spec.BalloonDeflateOnOOM != 0 }

// Target is how many pages the device wants in the balloon.
func (b *Balloon) Target() uintptr {
	if b.mem == 0 {
		return 0
	}
	return uintptr(b.regs.Load(configTarget))
}

// SetActual tells the device how many there are.
func (b *Balloon) SetActual(pages uintptr) { b.regs.Store(configActual, uint32(pages)) }

// Acknowledge takes the device's interrupts back. The line is edge-triggered: it
// must go down, or the next edge is lost.
func (b *Balloon) Acknowledge() {
	for i := 0; b.mem != 0 && i < b.spins && b.regs.Acknowledge() != 0; i++ {
	}
}

// Inflate notes pages for the next SendInflate and returns how many of them fit
// in: none while the device has the last ones.
func (b *Balloon) Inflate(addr, pages uintptr) (taken uintptr) {
	if b.mem == 0 || b.inflate.InFlight() > 0 {
		return 0
	}
	taken = min(pages, InflateMax-b.inflating)
	b.put(b.mem+inflateAt+b.inflating*spec.PFNSize, addr, taken)
	b.inflating += taken
	return taken
}

// Deflate is Inflate for pages on their way out.
func (b *Balloon) Deflate(addr, pages uintptr) (taken uintptr) {
	if b.mem == 0 || b.deflate.InFlight() > 0 {
		return 0
	}
	taken = min(pages, DeflateMax-b.deflating)
	b.put(b.mem+deflateAt+b.deflating*spec.PFNSize, addr, taken)
	b.deflating += taken
	return taken
}

// put writes page numbers (5.5.6: physical address / 4096, 32 bits).
func (b *Balloon) put(to, addr, pages uintptr) {
	for i := range pages {
		mmio.Store32(to+i*spec.PFNSize, uint32(addr/spec.BalloonPage+i))
	}
}

// SendInflate gives the noted pages to the device. It reports whether the device
// has taken them; if not, they are on their way (see Inflating), or the device is
// broken.
func (b *Balloon) SendInflate() bool {
	n := b.inflating
	b.inflating = 0
	return b.send(&b.inflate, spec.BalloonInflateQueue, inflateAt, n) && !b.Inflating()
}

// SendDeflate is SendInflate for pages on their way out. They may be used at once.
func (b *Balloon) SendDeflate() bool {
	n := b.deflating
	b.deflating = 0
	return b.send(&b.deflate, spec.BalloonDeflateQueue, deflateAt, n) && b.settle(&b.deflate)
}

func (b *Balloon) send(q *queue.Queue, index uint32, at, n uintptr) bool {
	if n == 0 {
		return true
	}
	bufs := [1]queue.Buffer{{Addr: b.mem + at, Len: uint32(n * spec.PFNSize)}}
	if _, code := q.Add(bufs[:]); code != queue.OK {
		return false
	}
	b.kick(q, index)
	return true
}

func (b *Balloon) kick(q *queue.Queue, index uint32) {
	q.Publish()
	if q.NeedsKick() {
		b.regs.Notify(index)
	}
}

// Inflating waits a while for the device and reports whether it still has pages
// that SendInflate gave it and has not said that it took them.
func (b *Balloon) Inflating() bool { return !b.settle(&b.inflate) }

// settle takes back what the device is done with and reports whether that is all.
func (b *Balloon) settle(q *queue.Queue) bool {
	for i := 0; q.InFlight() > 0; i++ {
		switch _, _, code := q.Poll(); {
		case code == queue.Empty && i < b.spins:
			mmio.Pause()
		case code != queue.OK:
			return false
		}
	}
	return true
}

// Range is a range of pages to report.
type Range struct{ Addr, Pages uintptr }

// Report gives the device ranges of free pages, at most MaxRanges; they are in use
// until Reported. It reports whether the device has been given them: it may still
// have the last ones.
func (b *Balloon) Report(list []Range) bool {
	var bufs [MaxRanges]queue.Buffer
	if b.features&spec.BalloonReporting == 0 || len(list) == 0 || len(list) > MaxRanges || b.report.InFlight() > 0 {
		return false
	}
	for i := range list {
		bufs[i] = queue.Buffer{Addr: list[i].Addr, Len: uint32(list[i].Pages * spec.BalloonPage), Write: true}
	}
	b.report.WantInterrupts(false)
	if _, code := b.report.Add(bufs[:len(list)]); code != queue.OK {
		return false
	}
	b.kick(&b.report, b.reportQueue)
	return true
}

// Reported reports whether the device has returned the ranges it was given. If it
// has not and wait is set, it will interrupt when it has.
func (b *Balloon) Reported(wait bool) bool {
	for tries := 0; b.report.InFlight() > 0; tries++ {
		_, _, code := b.report.Poll()
		if code == queue.OK {
			break
		}
		if code != queue.Empty || !wait || tries > 0 {
			return false
		}
		b.report.WantInterrupts(true) // and look once more
	}
	return true
}
