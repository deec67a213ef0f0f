package device

import (
	"encoding/binary"
	"math/bits"
)

// Registers of the virtio-mmio transport (VIRTIO 1.2, 4.2.2).
const (
	regMagic            = 0x000
	regVersion          = 0x004
	regDeviceID         = 0x008
	regVendorID         = 0x00c
	regDeviceFeatures   = 0x010
	regDeviceFeatSel    = 0x014
	regDriverFeatures   = 0x020
	regDriverFeatSel    = 0x024
	regQueueSel         = 0x030
	regQueueSizeMax     = 0x034
	regQueueSize        = 0x038
	regQueueReady       = 0x044
	regQueueNotify      = 0x050
	regInterruptStatus  = 0x060
	regInterruptACK     = 0x064
	regStatus           = 0x070
	regQueueDescLow     = 0x080
	regQueueDescHigh    = 0x084
	regQueueDriverLow   = 0x090
	regQueueDriverHigh  = 0x094
	regQueueDeviceLow   = 0x0a0
	regQueueDeviceHigh  = 0x0a4
	regConfigGeneration = 0x0fc
	regConfig           = 0x100

	magicValue   = 0x74726976 // "virt"
	mmioVersion  = 2
	vendorID     = 0x657a6f44 // "Doze"
	usedBuffer   = 1          // InterruptStatus bits
	configChange = 2
	featVersion1 = 1 << 32 // VIRTIO_F_VERSION_1
)

// Bits of the device status (VIRTIO 1.2, 2.1).
const (
	statusFeaturesOK = 8
	statusDriverOK   = 4
	statusNeedsReset = 0x40
)

// handler is what makes a transport a certain device.
type handler interface {
	id() uint32
	queues() int
	queueMax() uint32
	// features are those offered besides VERSION_1.
	features() uint64
	// config reads, and setConfig writes, the configuration word at an offset.
	config(offset uint64) uint32
	setConfig(offset uint64, v uint32)
	// reset forgets what the driver did.
	reset()
	// notify serves queue i; the queue is ready.
	notify(i int, q *queue, mem Memory) (served int, err error)
}

// MMIO is a virtio device behind a window of registers. One goroutine uses it.
type MMIO struct {
	dev       handler
	mem       Memory
	interrupt func() // nil: the driver polls

	status, selFeatures, selDriver, selQueue uint32
	driverFeatures                           uint64
	pending                                  uint32
	queues                                   []queue
	generation                               uint32
	unfinished                               uint32 // a bit for each queue whose doorbell may have more to serve
}

func newMMIO(dev handler, mem Memory, interrupt func()) *MMIO {
	return &MMIO{dev: dev, mem: mem, interrupt: interrupt, queues: make([]queue, dev.queues())}
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
	case offset < regConfig:
		binary.LittleEndian.PutUint32(data, m.read(uint32(offset)))
	default:
		binary.LittleEndian.PutUint32(data, m.dev.config(offset-regConfig))
	}
}

func (m *MMIO) read(reg uint32) uint32 {
	switch reg {
	case regMagic:
		return magicValue
	case regVersion:
		return mmioVersion
	case regDeviceID:
		return m.dev.id()
	case regVendorID:
		return vendorID
	case regDeviceFeatures:
		if m.selFeatures < 2 {
			return uint32(m.offered() >> (32 * m.selFeatures))
		}
	case regQueueSizeMax:
		if m.queue() != nil {
			return m.dev.queueMax()
		}
	case regQueueReady:
		if q := m.queue(); q != nil && q.ready {
			return 1
		}
	case regInterruptStatus:
		return m.pending
	case regStatus:
		return m.status
	case regConfigGeneration:
		return m.generation
	}
	return 0
}

func (m *MMIO) offered() uint64 { return featVersion1 | m.dev.features() }

// configChanged tells the driver to look at the configuration.
func (m *MMIO) configChanged() {
	m.generation++
	m.pending |= configChange
	if m.interrupt != nil {
		m.interrupt()
	}
}

// Write takes a write at an offset of the window.
func (m *MMIO) Write(offset uint64, data []byte) {
	switch {
	case len(data) != 4 || offset&3 != 0:
	case offset < regConfig:
		m.write(uint32(offset), binary.LittleEndian.Uint32(data))
	default:
		m.dev.setConfig(offset-regConfig, binary.LittleEndian.Uint32(data))
	}
}

func (m *MMIO) write(reg, v uint32) {
	switch reg {
	case regDeviceFeatSel:
		m.selFeatures = v
	case regDriverFeatSel:
		m.selDriver = v
	case regDriverFeatures:
		if m.selDriver < 2 {
			shift := 32 * m.selDriver
			m.driverFeatures = m.driverFeatures&^(0xffffffff<<shift) | uint64(v)<<shift
		}
	case regQueueSel:
		m.selQueue = v
	case regQueueNotify:
		m.notify(v)
	case regInterruptACK:
		m.pending &^= v
	case regStatus:
		m.setStatus(v)
	default:
		m.writeQueue(reg, v)
	}
}

func (m *MMIO) queue() *queue {
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
	case reg == regQueueReady:
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
	case regQueueSize:
		q.size = v
	case regQueueDescLow:
		low(&q.desc)
	case regQueueDescHigh:
		high(&q.desc)
	case regQueueDriverLow:
		low(&q.avail)
	case regQueueDriverHigh:
		high(&q.avail)
	case regQueueDeviceLow:
		low(&q.used)
	case regQueueDeviceHigh:
		high(&q.used)
	}
}

// setStatus follows the driver through its set-up; 0 is a reset. FEATURES_OK
// stays off unless the driver took VERSION_1 and nothing that was not offered.
func (m *MMIO) setStatus(v uint32) {
	if v == 0 {
		*m = MMIO{dev: m.dev, mem: m.mem, interrupt: m.interrupt, generation: m.generation, queues: m.queues}
		for i := range m.queues {
			m.queues[i] = queue{counts: m.queues[i].counts}
		}
		m.dev.reset()
		return
	}
	if v&statusFeaturesOK != 0 && (m.driverFeatures&featVersion1 == 0 || m.driverFeatures&^m.offered() != 0) {
		v &^= statusFeaturesOK
	}
	m.status = v | m.status&statusNeedsReset
}

// live says whether the driver has set the device up and broken nothing since.
func (m *MMIO) live() bool {
	return m.status&statusDriverOK != 0 && m.status&statusNeedsReset == 0
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
	if !m.live() {
		return
	}
	served, err := m.dev.notify(i, &m.queues[i], m.mem)
	switch {
	case err != nil:
		m.status |= statusNeedsReset
		m.notice()
	case served > 0:
		m.pending |= usedBuffer // no interrupt: the driver is at the doorbell
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

// notice tells the driver to look at its queues.
func (m *MMIO) notice() {
	m.pending |= usedBuffer
	if m.interrupt != nil {
		m.interrupt()
	}
}

// Receive puts input into the memory that the driver offers and returns how much
// it took: nothing, if none is offered.
func (m *MMIO) Receive(b []byte) int {
	q := &m.queues[consoleIn]
	if !m.live() || !q.ready {
		return 0
	}
	n, err := q.fill(m.mem, b)
	if err != nil {
		m.status |= statusNeedsReset
	}
	if n > 0 || err != nil {
		m.notice()
	}
	return n
}
