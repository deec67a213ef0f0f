package balloon

import (
	"github.com/doze-vm/doze/drivers/virtio/queue"
	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/kernel/mmio"
)

// MaxStats is how many statistics one SendStats gives.
const MaxStats = 16

// StatsDue reports whether the device waits for statistics: it has returned the
// last ones, or has had none.
func (b *Balloon) StatsDue() bool {
	if b.features&spec.BalloonStats == 0 {
		return false
	}
	if b.stats.InFlight() > 0 {
		_, _, code := b.stats.Poll()
		return code == queue.OK
	}
	return b.stats.Broken() == queue.OK
}

// SetStat writes entry i of the next SendStats.
func (b *Balloon) SetStat(i uintptr, tag uint16, value uint64) {
	if b.mem == 0 || i >= MaxStats {
		return
	}
	at := b.mem + statsAt + i*spec.StatSize
	mmio.Store16(at, tag)
	mmio.Store64(at+spec.StatValue, value)
}

// SendStats gives n entries to the device, which keeps the buffer until it wants
// others.
func (b *Balloon) SendStats(n uintptr) bool {
	if b.features&spec.BalloonStats == 0 || n == 0 || n > MaxStats || b.stats.InFlight() > 0 {
		return false
	}
	bufs := [1]queue.Buffer{{Addr: b.mem + statsAt, Len: uint32(n * spec.StatSize)}}
	if _, code := b.stats.Add(bufs[:]); code != queue.OK {
		return false
	}
	b.kick(&b.stats, spec.BalloonStatsQueue)
	return true
}
