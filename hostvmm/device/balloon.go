package device

import "encoding/binary"

// The balloon (VIRTIO 1.2, 5.5), with all its features but free page hinting and
// MUST_TELL_HOST. Its queues are numbered as QEMU's: those of offered features only.
const (
	idBalloon = 5

	balloonInflate = 0
	balloonDeflate = 1
	balloonStats   = 2
	balloonReport  = 3
	balloonQueues  = 4

	featStats        = 1 << 1
	featDeflateOnOOM = 1 << 2
	featPagePoison   = 1 << 4
	featReporting    = 1 << 5

	configNumPages   = 0
	configActual     = 4
	configPoisonVal  = 12
	balloonPageShift = 12 // of a page number, whatever the guest's pages are
)

// Bounds of what one doorbell makes the VMM do: so many requests, so many page
// numbers in one, so many statistics.
const (
	balloonQueueMax = 32
	maxPFNBytes     = 16 << 10
	maxStats        = 64
	statSize        = 10 // tag u16, value u64, packed (5.5.6.3)
)

// statNames are the tags of statistics (5.5.6.3), by number.
var statNames = [...]string{
	"swap_in", "swap_out", "major_faults", "minor_faults", "free", "total", "available", "caches",
	"hugepages_allocated", "hugepages_failed",
}

// Balloon is a virtio-balloon. One goroutine at a time uses it.
type Balloon struct {
	*MMIO
	b *balloon
}

type balloon struct {
	release          func(addr, length uint64)
	numPages, actual uint32
	poison           uint32
	stats            map[string]uint64
	fresh            uint64 // counts the statistics that came
}

// NewBalloon makes a balloon. release is told what the host may take back:
// page-aligned, within memory as mem has it, read as zero afterwards if it is
// read. interrupt is called when the driver should look.
func NewBalloon(mem Memory, release func(addr, length uint64), interrupt func()) *Balloon {
	b := &balloon{release: release}
	return &Balloon{MMIO: newMMIO(b, mem, interrupt), b: b}
}

// SetTarget says how many pages the balloon should hold.
func (b *Balloon) SetTarget(pages uint32) {
	b.b.numPages = pages
	b.configChanged()
}

// Actual is how many pages it holds, as the driver says.
func (b *Balloon) Actual() uint32 { return b.b.actual }

// Started says whether a driver has set the device up.
func (b *Balloon) Started() bool { return b.live() }

// Stats returns the statistics that the driver gave last, by name, and how often it
// gave any.
func (b *Balloon) Stats() (stats map[string]uint64, times uint64) { return b.b.stats, b.b.fresh }

// AskStats asks the driver for new statistics. It returns false if it can't be
// asked: it has not given any yet, or not since it was asked.
func (b *Balloon) AskStats() bool {
	q := &b.queues[balloonStats]
	if !b.live() || !q.ready {
		return false
	}
	waiting, err := q.waiting(b.mem)
	if err != nil || waiting == 0 {
		return false
	}
	c, used, err := q.first(b.mem)
	if err != nil {
		b.status |= statusNeedsReset
		return false
	}
	q.complete(used, c.head, 0)
	b.notice()
	return true
}

func (b *balloon) id() uint32       { return idBalloon }
func (b *balloon) queues() int      { return balloonQueues }
func (b *balloon) queueMax() uint32 { return balloonQueueMax }
func (b *balloon) features() uint64 {
	return featStats | featDeflateOnOOM | featPagePoison | featReporting
}

func (b *balloon) config(offset uint64) uint32 {
	switch offset {
	case configNumPages:
		return b.numPages
	case configActual:
		return b.actual
	case configPoisonVal:
		return b.poison
	}
	return 0
}

func (b *balloon) setConfig(offset uint64, v uint32) {
	switch offset {
	case configActual:
		b.actual = v
	case configPoisonVal:
		b.poison = v
	}
}

func (b *balloon) reset() { b.actual, b.poison, b.stats = 0, 0, nil }

func (b *balloon) notify(i int, q *queue, mem Memory) (int, error) {
	switch i {
	case balloonInflate:
		return q.serve(mem, func(c chain) error { return b.pages(c, mem) })
	case balloonDeflate:
		return q.serve(mem, func(c chain) error { return nil }) // they are there when they are touched
	case balloonReport:
		return q.serve(mem, b.report)
	}
	return 0, b.takeStats(q, mem)
}

// pages gives back the pages whose numbers a request holds, neighbours at once.
func (b *balloon) pages(c chain, mem Memory) error {
	if size(c.readable) > maxPFNBytes {
		return errQueue
	}
	var start, end uint64
	for _, part := range c.readable {
		for ; len(part) >= 4; part = part[4:] {
			addr := uint64(binary.LittleEndian.Uint32(part)) << balloonPageShift
			if addr != end || start == end {
				b.giveBack(mem, start, end)
				start, end = addr, addr
			}
			end += 1 << balloonPageShift
		}
	}
	b.giveBack(mem, start, end)
	return nil
}

func (b *balloon) giveBack(mem Memory, start, end uint64) {
	if start == end {
		return
	}
	if _, ok := mem.Slice(start, end-start); ok {
		b.release(start, end-start)
	}
}

// report gives back the pages of a request that lists free ones. If the driver wants
// to find another value than zero in them, they stay.
func (b *balloon) report(c chain) error {
	if b.poison != 0 {
		return nil
	}
	const page = 1 << balloonPageShift
	for i, part := range c.writable {
		start := (c.at[i] + page - 1) &^ (page - 1)
		if end := (c.at[i] + uint64(len(part))) &^ (page - 1); start < end {
			b.release(start, end-start)
		}
	}
	return nil
}

// takeStats reads the statistics that the driver has put into its queue, where they
// stay until others are wanted.
func (b *balloon) takeStats(q *queue, mem Memory) error {
	if !q.ready {
		return nil
	}
	waiting, err := q.waiting(mem)
	if waiting == 0 || err != nil {
		return err
	}
	c, _, err := q.first(mem)
	if err != nil {
		return err
	}
	var bytes [maxStats * statSize]byte
	n := 0
	for _, part := range c.readable {
		n += copy(bytes[n:], part)
	}
	stats := make(map[string]uint64, len(statNames))
	for s := bytes[:n]; len(s) >= statSize; s = s[statSize:] {
		if tag := binary.LittleEndian.Uint16(s); int(tag) < len(statNames) {
			stats[statNames[tag]] = binary.LittleEndian.Uint64(s[2:])
		}
	}
	b.stats = stats
	b.fresh++
	return nil
}
