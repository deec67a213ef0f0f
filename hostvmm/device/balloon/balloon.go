// Package balloon is a virtio-balloon (VIRTIO 1.2, 5.5). It must never touch the host's
// memory by itself: who owns it is told what may go.
package balloon

import (
	"encoding/binary"

	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/hostvmm/device/virtio"
)

// The balloon (VIRTIO 1.2, 5.5), with all its features but free page hinting and
// MUST_TELL_HOST. Its queues are numbered as QEMU's: those of offered features only.
//
// balloonReport is the number of the queue for reports where BalloonHint is not offered.
const (
	balloonReport = spec.BalloonReportQueue - 1
	balloonQueues = 4
)

// Bounds of what one doorbell makes the VMM do: so many requests, so many page
// numbers in one, so many statistics.
const (
	balloonQueueMax = 32
	maxPFNBytes     = 16 << 10
	maxStats        = 64
)

// Balloon is a virtio-balloon. One goroutine at a time uses it.
type Balloon struct {
	*virtio.MMIO
	b *balloon
}

type balloon struct {
	release          func(addr, length uint64)
	numPages, actual uint32
	poison           uint32
	stats            map[string]uint64
	fresh            uint64 // counts the statistics that came
}

// New makes a balloon. release is told what the host may take back:
// page-aligned, within memory as mem has it, read as zero afterwards if it is
// read. interrupt is called when the driver should look.
func New(mem virtio.Memory, release func(addr, length uint64), interrupt func()) *Balloon {
	b := &balloon{release: release}
	return &Balloon{MMIO: virtio.NewMMIO(b, mem, interrupt), b: b}
}

// SetTarget says how many pages the balloon should hold.
func (b *Balloon) SetTarget(pages uint32) {
	b.b.numPages = pages
	b.ConfigChanged()
}

// Actual is how many pages it holds, as the driver says.
func (b *Balloon) Actual() uint32 { return b.b.actual }

// Started says whether a driver has set the device up.
func (b *Balloon) Started() bool { return b.Live() }

// Stats returns the statistics that the driver gave last, by name, and how often it
// gave any.
func (b *Balloon) Stats() (stats map[string]uint64, times uint64) { return b.b.stats, b.b.fresh }

// AskStats asks the driver for new statistics. It returns false if it can't be
// asked: it has not given any yet, or not since it was asked.
func (b *Balloon) AskStats() bool {
	q := b.Queue(spec.BalloonStatsQueue)
	if !b.Live() || !q.Ready() {
		return false
	}
	waiting, err := q.Waiting(b.Memory())
	if err != nil || waiting == 0 {
		return false
	}
	c, _, err := q.First(b.Memory())
	if err == nil {
		err = q.Return(b.Memory(), c, 0, 0)
	}
	if err != nil {
		b.Fail()
		return false
	}
	b.Notice()
	return true
}

func (b *balloon) ID() uint32       { return spec.DeviceBalloon }
func (b *balloon) Queues() int      { return balloonQueues }
func (b *balloon) QueueMax() uint32 { return balloonQueueMax }
func (b *balloon) Features() uint64 {
	return spec.BalloonStats | spec.BalloonDeflateOnOOM | spec.BalloonPoison | spec.BalloonReporting
}

func (b *balloon) Config(offset uint64) uint32 {
	switch offset {
	case spec.BalloonTarget:
		return b.numPages
	case spec.BalloonActual:
		return b.actual
	case spec.BalloonPoisonValue:
		return b.poison
	}
	return 0
}

func (b *balloon) SetConfig(offset uint64, v uint32) {
	switch offset {
	case spec.BalloonActual:
		b.actual = v
	case spec.BalloonPoisonValue:
		b.poison = v
	}
}

func (b *balloon) Reset() { b.actual, b.poison, b.stats = 0, 0, nil }

func (b *balloon) Notify(i int, q *virtio.Queue, mem virtio.Memory) (int, error) {
	switch i {
	case spec.BalloonInflateQueue:
		return q.Serve(mem, func(c virtio.Chain) error { return b.pages(c, mem) })
	case spec.BalloonDeflateQueue:
		return q.Serve(mem, func(c virtio.Chain) error { return nil }) // they are there when they are touched
	case balloonReport:
		return q.Serve(mem, b.report)
	}
	return 0, b.takeStats(q, mem)
}

// pages gives back the pages whose numbers a request holds, neighbours at once.
func (b *balloon) pages(c virtio.Chain, mem virtio.Memory) error {
	if virtio.Size(c.Readable) > maxPFNBytes {
		return virtio.ErrQueue
	}
	var start, end uint64
	for _, part := range c.Readable {
		for ; len(part) >= 4; part = part[4:] {
			addr := uint64(binary.LittleEndian.Uint32(part)) << spec.BalloonPageShift
			if addr != end || start == end {
				b.giveBack(mem, start, end)
				start, end = addr, addr
			}
			end += 1 << spec.BalloonPageShift
		}
	}
	b.giveBack(mem, start, end)
	return nil
}

func (b *balloon) giveBack(mem virtio.Memory, start, end uint64) {
	if start == end {
		return
	}
	if _, ok := mem.Slice(start, end-start); ok {
		b.release(start, end-start)
	}
}

// report gives back the pages of a request that lists free ones. If the driver wants
// to find another value than zero in them, they stay.
func (b *balloon) report(c virtio.Chain) error {
	if b.poison != 0 {
		return nil
	}
	const page = 1 << spec.BalloonPageShift
	for i, part := range c.Writable {
		start := (c.At[i] + page - 1) &^ (page - 1)
		if end := (c.At[i] + uint64(len(part))) &^ (page - 1); start < end {
			b.release(start, end-start)
		}
	}
	return nil
}

// takeStats reads the statistics that the driver has put into its queue, where they
// stay until others are wanted.
func (b *balloon) takeStats(q *virtio.Queue, mem virtio.Memory) error {
	if !q.Ready() {
		return nil
	}
	waiting, err := q.Waiting(mem)
	if waiting == 0 || err != nil {
		return err
	}
	c, _, err := q.First(mem)
	if err != nil {
		return err
	}
	var bytes [maxStats * spec.StatSize]byte
	n := 0
	for _, part := range c.Readable {
		n += copy(bytes[n:], part)
	}
	stats := make(map[string]uint64, len(spec.StatNames))
	for s := bytes[:n]; len(s) >= spec.StatSize; s = s[spec.StatSize:] {
		if tag := binary.LittleEndian.Uint16(s); int(tag) < len(spec.StatNames) {
			stats[spec.StatNames[tag]] = binary.LittleEndian.Uint64(s[2:])
		}
	}
	b.stats = stats
	b.fresh++
	return nil
}
