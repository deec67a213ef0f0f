package device

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// balloonDriver is the guest's side, with one queue of the balloon set up.
type balloonDriver struct {
	driver
	b          *Balloon
	released   [][2]uint64
	interrupts int
}

func newBalloonDriver(size int, queue uint32) *balloonDriver {
	d := &balloonDriver{}
	d.mem = make(RAM, size)
	d.b = NewBalloon(d.mem, func(addr, length uint64) { d.released = append(d.released, [2]uint64{addr, length}) },
		func() { d.interrupts++ })
	d.dev = d.b.MMIO
	d.set(regStatus, 3)
	d.set(regDriverFeatSel, 0)
	d.set(regDriverFeatures, featStats|featReporting|featPagePoison|featDeflateOnOOM)
	d.set(regDriverFeatSel, 1)
	d.set(regDriverFeatures, 1)
	d.set(regStatus, 0xb)
	d.set(regQueueSel, queue)
	d.set(regQueueSize, queueSize)
	d.set(regQueueDescLow, descAt)
	d.set(regQueueDriverLow, availAt)
	d.set(regQueueDeviceLow, usedAt)
	d.set(regQueueReady, 1)
	d.set(regStatus, 0xf)
	return d
}

// give offers n bytes at textAt as request 0 and rings.
func (d *balloonDriver) give(queue uint32, n uint32, flags uint16) {
	d.desc(0, textAt, n, flags, 0)
	d.offer(0)
	d.set(regQueueNotify, queue)
}

func (d *balloonDriver) pfns(list ...uint32) uint32 {
	for i, p := range list {
		binary.LittleEndian.PutUint32(d.mem[textAt+4*i:], p)
	}
	return uint32(4 * len(list))
}

func TestBalloonFeatures(t *testing.T) {
	d := newBalloonDriver(64<<10, balloonInflate)
	assert.EqualValues(t, 5, d.get(regDeviceID))
	assert.EqualValues(t, 0xf, d.get(regStatus))
	d.set(regDeviceFeatSel, 0)
	assert.EqualValues(t, featStats|featReporting|featPagePoison|featDeflateOnOOM, d.get(regDeviceFeatures))
	d.set(regStatus, 0)
	d.set(regStatus, 3)
	d.set(regDriverFeatSel, 0)
	d.set(regDriverFeatures, 1) // MUST_TELL_HOST was not offered
	d.set(regDriverFeatSel, 1)
	d.set(regDriverFeatures, 1)
	d.set(regStatus, 0xb)
	assert.EqualValues(t, 3, d.get(regStatus))
	for i, want := range []uint32{balloonQueueMax, balloonQueueMax, balloonQueueMax, balloonQueueMax, 0} {
		d.set(regQueueSel, uint32(i))
		assert.Equal(t, want, d.get(regQueueSizeMax), "queue %d", i)
	}
}

func TestInflateReleasesNeighboursAtOnce(t *testing.T) {
	d := newBalloonDriver(1<<20, balloonInflate)
	d.give(balloonInflate, d.pfns(16, 17, 18, 40, 39, 100, 255, 256, 1<<20, 1<<31, 50), 0)
	// 255 and 256 are one piece, of which the second half is no RAM.
	assert.Equal(t, [][2]uint64{{16 << 12, 3 << 12}, {40 << 12, 1 << 12}, {39 << 12, 1 << 12}, {100 << 12, 1 << 12}, {50 << 12, 1 << 12}}, d.released)
	assert.EqualValues(t, 1, binary.LittleEndian.Uint16(d.mem[usedAt+2:]))
	d.released = nil
	d.give(balloonInflate, d.pfns(7)+3, 0)
	assert.Equal(t, [][2]uint64{{7 << 12, 1 << 12}}, d.released, "the rest of a number is none")
	d.set(regQueueNotify, balloonInflate)
	assert.Len(t, d.released, 1)
}

func TestInflateIsBounded(t *testing.T) {
	d := newBalloonDriver(1<<20, balloonInflate)
	d.give(balloonInflate, maxPFNBytes, 0)
	assert.EqualValues(t, 0xf, d.get(regStatus))
	d.give(balloonInflate, maxPFNBytes+1, 0)
	assert.EqualValues(t, 0x4f, d.get(regStatus), "more than a request may hold")
}

func TestReport(t *testing.T) {
	d := newBalloonDriver(1<<20, balloonReport)
	d.desc(0, 0x10000, 0x20000, descWrite|descNext, 1)
	d.desc(1, 0x50800, 0x2000, descWrite|descNext, 2) // half pages are not given
	d.desc(2, 0x60800, 0x7ff, descWrite, 0)
	d.offer(0)
	d.set(regQueueNotify, balloonReport)
	assert.Equal(t, [][2]uint64{{0x10000, 0x20000}, {0x51000, 0x1000}}, d.released)

	d.released = nil
	d.set(regConfig+configPoisonVal, 0xaa)
	d.give(balloonReport, 0x4000, descWrite)
	assert.Empty(t, d.released, "the driver wants other bytes than zero")
	d.desc(0, 1<<30, 0x1000, descWrite, 0)
	d.offer(0)
	d.set(regQueueNotify, balloonReport)
	assert.EqualValues(t, 0x4f, d.get(regStatus))
}

func TestTarget(t *testing.T) {
	d := newBalloonDriver(64<<10, balloonInflate)
	before := d.get(regConfigGeneration)
	d.b.SetTarget(12345)
	assert.Equal(t, 1, d.interrupts)
	assert.EqualValues(t, configChange, d.get(regInterruptStatus))
	assert.NotEqual(t, before, d.get(regConfigGeneration))
	assert.EqualValues(t, 12345, d.get(regConfig+configNumPages))
	d.set(regConfig+configNumPages, 1)
	assert.EqualValues(t, 12345, d.get(regConfig+configNumPages), "it is the host's")
	d.set(regConfig+configActual, 777)
	assert.EqualValues(t, 777, d.b.Actual())
	assert.Zero(t, d.get(regConfig+64))
	d.set(regStatus, 0)
	assert.Zero(t, d.b.Actual())
	assert.EqualValues(t, 12345, d.get(regConfig+configNumPages), "a reset leaves the target")
}

func TestStats(t *testing.T) {
	d := newBalloonDriver(64<<10, balloonStats)
	assert.False(t, d.b.AskStats(), "none was given")
	put := func(i int, tag uint16, v uint64) {
		binary.LittleEndian.PutUint16(d.mem[textAt+statSize*i:], tag)
		binary.LittleEndian.PutUint64(d.mem[textAt+statSize*i+2:], v)
	}
	put(0, 4, 1<<40)
	put(1, 5, 9)
	put(2, 999, 9)
	d.give(balloonStats, 3*statSize+4, 0)
	got, times := d.b.Stats()
	assert.Equal(t, map[string]uint64{"free": 1 << 40, "total": 9}, got)
	assert.EqualValues(t, 1, times)
	assert.Zero(t, binary.LittleEndian.Uint16(d.mem[usedAt+2:]), "the buffer stays until others are wanted")
	assert.True(t, d.b.AskStats())
	assert.False(t, d.b.AskStats(), "once")
	assert.EqualValues(t, 1, binary.LittleEndian.Uint16(d.mem[usedAt+2:]))
	assert.Equal(t, 1, d.interrupts)
	put(0, 4, 2)
	d.give(balloonStats, 1<<15, 0) // far more than there are tags
	got, _ = d.b.Stats()
	assert.EqualValues(t, 2, got["free"])
	assert.LessOrEqual(t, len(got), len(statNames))
}

// fuzzBalloon plays a guest that has set a queue up and then writes what it likes:
// memory, registers, doorbells.
func fuzzBalloon(f *testing.F, queue uint32) {
	const size, page = 1 << 15, 4096
	request := func(length uint32, flags uint16) []byte {
		d := newBalloonDriver(size, queue)
		d.desc(0, textAt, length, flags, 0)
		d.offer(0)
		copy(d.mem[textAt:], []byte{4, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
		return d.mem[descAt : textAt+64]
	}
	bell := []byte{regQueueNotify, 0, byte(queue), 0, 0, 0}
	f.Add(request(16, 0), bell)
	f.Add(request(page*3, descWrite), bell)
	f.Add(request(1<<31, 0), append(append([]byte{}, bell...), regQueueSize, 0, 3, 0, 0, 0))
	f.Add(request(40, 0), append(append([]byte{regQueueReady, 0, 0, 0, 0, 0, regQueueDescLow, 0, 0xf0, 0xff, 0, 0,
		regQueueReady, 0, 1, 0, 0, 0}, bell...), 0x0c, 1, 1, 0, 0, 0))
	f.Fuzz(func(t *testing.T, content, writes []byte) {
		d := newBalloonDriver(size, queue)
		copy(d.mem[descAt:], content)
		given, work := 0, 0
		d.b.b.release = func(addr, length uint64) {
			if (addr|length)%page != 0 || length == 0 || addr > size || length > size-addr {
				t.Fatalf("%#x bytes at %#x were given back", length, addr)
			}
			given++
		}
		for range min(len(writes)/6, 16) {
			given = 0
			d.dev.Write(uint64(binary.LittleEndian.Uint16(writes)), writes[2:6])
			writes = writes[6:]
			require.LessOrEqual(t, given, balloonQueueMax*(maxPFNBytes/4), "work for one access")
			work += given
			if work > 1000 {
				return // enough of it: other inputs have their turn
			}
			d.b.AskStats()
			stats, _ := d.b.Stats()
			require.LessOrEqual(t, len(stats), len(statNames))
		}
	})
}

func FuzzInflate(f *testing.F)    { fuzzBalloon(f, balloonInflate) }
func FuzzDeflate(f *testing.F)    { fuzzBalloon(f, balloonDeflate) }
func FuzzStatistics(f *testing.F) { fuzzBalloon(f, balloonStats) }
func FuzzReporting(f *testing.F)  { fuzzBalloon(f, balloonReport) }

// A doorbell serves one request; the others wait until the vCPU has looked whether it is
// to stop.
func TestDoorbellIsBounded(t *testing.T) {
	d := newBalloonDriver(64<<20, balloonInflate)
	const requests = 5
	for range requests {
		binary.LittleEndian.PutUint32(d.mem[textAt:], 0x1000)
		d.desc(0, textAt, 4, 0, 0)
		d.offer(0)
	}
	d.set(regQueueNotify, balloonInflate)
	for i := range requests {
		require.Len(t, d.released, i+1)
		require.True(t, d.dev.Unfinished())
		d.dev.Continue()
	}
	require.Len(t, d.released, requests)
	require.False(t, d.dev.Unfinished())
	d.dev.Continue()
	require.Len(t, d.released, requests)
}
