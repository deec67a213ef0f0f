package virtio

import (
	"encoding/binary"
	"math/bits"

	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/kernel/abi"
)

// vendorID is what RegVendorID reads.
const vendorID = abi.CPUIDSignature // "Doze"

// Handler is what makes a transport a certain device.
type Handler interface {
	// ID is the device's type (spec.Device...).
	ID() uint32
	// Queues is how many it has, and QueueMax how many descriptors each at most.
	Queues() int
	QueueMax() uint32
	// Features are those offered besides VERSION_1.
	Features() uint64
	// Config reads, and SetConfig writes, the configuration word at an offset.
	Config(offset uint64) uint32
	SetConfig(offset uint64, v uint32)
	// Reset forgets what the driver did.
	Reset()
	// Notify serves one request of queue i, and returns how many it served.
	Notify(i int, q *Queue, mem Memory) (served int, err error)
}

// MMIO is a virtio device behind a window of registers. One goroutine uses it.
type MMIO struct {
	dev       Handler
	mem       Memory
	interrupt func() // nil: the driver polls

	status, selFeatures, selDriver, selQueue uint32
	driverFeatures                           uint64
	pending                                  uint32
	queues                                   []Queue
	generation                               uint32
	unfinished                               uint32 // a bit for each queue whose doorbell may have more to serve
}

// NewMMIO makes the window of a device. interrupt is called when the driver should look at
// it; nil: the driver polls.
func NewMMIO(dev Handler, mem Memory, interrupt func()) *MMIO {
	return &MMIO{dev: dev, mem: mem, interrupt: interrupt, queues: make([]Queue, dev.Queues())}
}

// Queues are the counts of each queue so far.
func (m *MMIO) Queues() []QueueCounts {
	counts := make([]QueueCounts, len(m.queues))
	for i := range m.queues {
		counts[i] = m.queues[i].counts
	}
	return counts
}

// Read answers a read at an offset of the window.
func (m *MMIO) Read(offset uint64, data []byte) {
	clear(data)
	switch {
	case len(data) != 4 || offset&3 != 0:
	case offset < spec.RegConfig:
		binary.LittleEndian.PutUint32(data, m.read(uint32(offset)))
	default:
		binary.LittleEndian.PutUint32(data, m.dev.Config(offset-spec.RegConfig))
	}
}

func (m *MMIO) read(reg uint32) uint32 {
	switch reg {
	case spec.RegMagic:
		return spec.Magic
	case spec.RegVersion:
		return spec.Version
	case spec.RegDeviceID:
		return m.dev.ID()
	case spec.RegVendorID:
		return vendorID
	case spec.RegDeviceFeatures:
		if m.selFeatures < 2 {
			return uint32(m.offered() >> (32 * m.selFeatures))
		}
	case spec.RegQueueSizeMax:
		if m.queue() != nil {
			return m.dev.QueueMax()
		}
	case spec.RegQueueReady:
		if q := m.queue(); q != nil && q.ready {
			return 1
		}
	case spec.RegInterruptStatus:
		return m.pending
	case spec.RegStatus:
		return m.status
	case spec.RegConfigGeneration:
		return m.generation
	}
	return 0
}

func (m *MMIO) offered() uint64 { return spec.FeatureVersion1 | m.dev.Features() }

// ConfigChanged tells the driver to look at the configuration.
func (m *MMIO) ConfigChanged() {
	m.generation++
	m.pending |= spec.InterruptConfig
	if m.interrupt != nil {
		m.interrupt()
	}
}

// Write takes a write at an offset of the window.
func (m *MMIO) Write(offset uint64, data []byte) {
	switch {
	case len(data) != 4 || offset&3 != 0:
	case offset < spec.RegConfig:
		m.write(uint32(offset), binary.LittleEndian.Uint32(data))
	default:
		m.dev.SetConfig(offset-spec.RegConfig, binary.LittleEndian.Uint32(data))
	}
}

func (m *MMIO) write(reg, v uint32) {
	switch reg {
	case spec.RegDeviceFeaturesSel:
		m.selFeatures = v
	case spec.RegDriverFeaturesSel:
		m.selDriver = v
	case spec.RegDriverFeatures:
		if m.selDriver < 2 {
			shift := 32 * m.selDriver
			m.driverFeatures = m.driverFeatures&^(0xffffffff<<shift) | uint64(v)<<shift
		}
	case spec.RegQueueSel:
		m.selQueue = v
	case spec.RegQueueNotify:
		m.notify(v)
	case spec.RegInterruptACK:
		m.pending &^= v
	case spec.RegStatus:
		m.setStatus(v)
	default:
		m.writeQueue(reg, v)
	}
}

func (m *MMIO) queue() *Queue {
	if m.selQueue >= uint32(len(m.queues)) {
		return nil
	}
	return &m.queues[m.selQueue]
}

// writeQueue sets up the selected queue, which must not be in use.
func (m *MMIO) writeQueue(reg, v uint32) {
	q := m.queue()
	switch {
	case q == nil:
		return
	case reg == spec.RegQueueReady:
		q.ready = v == 1
		if q.ready {
			q.next = 0
		}
		return
	case q.ready:
		return
	}
	low := func(a *uint64) { *a = *a&^0xffffffff | uint64(v) }
	high := func(a *uint64) { *a = *a&0xffffffff | uint64(v)<<32 }
	switch reg {
	case spec.RegQueueSize:
		q.size = v
	case spec.RegQueueDesc:
		low(&q.desc)
	case spec.RegQueueDesc + spec.HighHalf:
		high(&q.desc)
	case spec.RegQueueDriver:
		low(&q.avail)
	case spec.RegQueueDriver + spec.HighHalf:
		high(&q.avail)
	case spec.RegQueueDevice:
		low(&q.used)
	case spec.RegQueueDevice + spec.HighHalf:
		high(&q.used)
	}
}

// setStatus follows the driver through its set-up; 0 is a reset. FEATURES_OK
// stays off unless the driver took VERSION_1 and nothing that was not offered.
func (m *MMIO) setStatus(v uint32) {
	if v == 0 {
		*m = MMIO{dev: m.dev, mem: m.mem, interrupt: m.interrupt, generation: m.generation, queues: m.queues}
		for i := range m.queues {
			m.queues[i] = Queue{counts: m.queues[i].counts}
		}
		m.dev.Reset()
		return
	}
	if v&spec.StatusFeaturesOK != 0 && (m.driverFeatures&spec.FeatureVersion1 == 0 || m.driverFeatures&^m.offered() != 0) {
		v &^= spec.StatusFeaturesOK
	}
	m.status = v | m.status&spec.StatusNeedsReset
}

// Live says whether the driver has set the device up and broken nothing since.
func (m *MMIO) Live() bool {
	return m.status&spec.StatusDriverOK != 0 && m.status&spec.StatusNeedsReset == 0
}

func (m *MMIO) notify(i uint32) {
	if i >= uint32(len(m.queues)) {
		return
	}
	m.queues[i].counts.Notifies++
	m.step(int(i))
}

// step serves a request of queue i, and notes that there may be more.
func (m *MMIO) step(i int) {
	m.unfinished &^= 1 << i
	if !m.Live() {
		return
	}
	served, err := m.dev.Notify(i, &m.queues[i], m.mem)
	switch {
	case err != nil:
		m.Fail()
	case served > 0:
		m.pending |= spec.InterruptUsed // no interrupt: the driver is at the doorbell
		m.unfinished |= 1 << i
	}
}

// Unfinished says whether a doorbell may have more to serve. The vCPU that rang it calls
// Continue until none has, and looks in between whether it is to stop.
func (m *MMIO) Unfinished() bool { return m.unfinished != 0 }

// Continue serves one more request.
func (m *MMIO) Continue() {
	if m.unfinished != 0 {
		m.step(bits.TrailingZeros32(m.unfinished))
	}
}

// Queue returns a queue of the device.
func (m *MMIO) Queue(i int) *Queue { return &m.queues[i] }

// Memory returns the guest's memory.
func (m *MMIO) Memory() Memory { return m.mem }

// Notice tells the driver to look at its queues.
func (m *MMIO) Notice() {
	m.pending |= spec.InterruptUsed
	if m.interrupt != nil {
		m.interrupt()
	}
}

// Used tells the driver to look at a queue, unless it does not want to be told.
func (m *MMIO) Used(q *Queue) {
	m.pending |= spec.InterruptUsed
	if q.wantsInterrupts(m.mem) && m.interrupt != nil {
		m.interrupt()
	}
}

// Fail gives the driver up, which broke the rules: it must reset the device.
func (m *MMIO) Fail() {
	m.status |= spec.StatusNeedsReset
	m.Notice()
}
