package balloon

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/hostvmm/device/virtio/virtiotest"
)

// balloonDriver is the guest's side, with one queue of the balloon set up.
type balloonDriver struct {
	virtiotest.Driver
	b          *Balloon
	released   [][2]uint64
	interrupts int
}

func newBalloonDriver(size int, queue uint32) *balloonDriver {
	d := &balloonDriver{}
	d.Mem = make(virtio.RAM, size)
	d.b = New(d.Mem, func(addr, length uint64) { d.released = append(d.released, [2]uint64{addr, length}) },
		func() { d.interrupts++ })
	d.Dev = d.b.MMIO
	d.Start(spec.BalloonStats|spec.BalloonReporting|spec.BalloonPoison|spec.BalloonDeflateOnOOM, queue)
	return d
}

// give offers n bytes at virtiotest.TextAt as request 0 and rings.
func (d *balloonDriver) give(queue uint32, n uint32, flags uint16) {
	d.Desc(0, virtiotest.TextAt, n, flags, 0)
	d.Offer(0)
	d.Set(spec.RegQueueNotify, queue)
}

func (d *balloonDriver) pfns(list ...uint32) uint32 {
	for i, p := range list {
		binary.LittleEndian.PutUint32(d.Mem[virtiotest.TextAt+4*i:], p)
	}
	return uint32(4 * len(list))
}

func TestBalloonFeatures(t *testing.T) {
	d := newBalloonDriver(64<<10, spec.BalloonInflateQueue)
	assert.EqualValues(t, 5, d.Get(spec.RegDeviceID))
	assert.EqualValues(t, 0xf, d.Get(spec.RegStatus))
	d.Set(spec.RegDeviceFeaturesSel, 0)
	assert.EqualValues(t, spec.BalloonStats|spec.BalloonReporting|spec.BalloonPoison|spec.BalloonDeflateOnOOM, d.Get(spec.RegDeviceFeatures))
	d.Set(spec.RegStatus, 0)
	d.Set(spec.RegStatus, 3)
	d.Set(spec.RegDriverFeaturesSel, 0)
	d.Set(spec.RegDriverFeatures, 1) // MUST_TELL_HOST was not offered
	d.Set(spec.RegDriverFeaturesSel, 1)
	d.Set(spec.RegDriverFeatures, 1)
	d.Set(spec.RegStatus, 0xb)
	assert.EqualValues(t, 3, d.Get(spec.RegStatus))
	for i, want := range []uint32{balloonQueueMax, balloonQueueMax, balloonQueueMax, balloonQueueMax, 0} {
		d.Set(spec.RegQueueSel, uint32(i))
		assert.Equal(t, want, d.Get(spec.RegQueueSizeMax), "queue %d", i)
	}
}

func TestInflateReleasesNeighboursAtOnce(t *testing.T) {
	d := newBalloonDriver(1<<20, spec.BalloonInflateQueue)
	d.give(spec.BalloonInflateQueue, d.pfns(16, 17, 18, 40, 39, 100, 255, 256, 1<<20, 1<<31, 50), 0)
	// 255 and 256 are one piece, of which the second half is no RAM.
	assert.Equal(t, [][2]uint64{{16 << 12, 3 << 12}, {40 << 12, 1 << 12}, {39 << 12, 1 << 12}, {100 << 12, 1 << 12}, {50 << 12, 1 << 12}}, d.released)
	assert.EqualValues(t, 1, binary.LittleEndian.Uint16(d.Mem[virtiotest.UsedAt+2:]))
	d.released = nil
	d.give(spec.BalloonInflateQueue, d.pfns(7)+3, 0)
	assert.Equal(t, [][2]uint64{{7 << 12, 1 << 12}}, d.released, "the rest of a number is none")
	d.Set(spec.RegQueueNotify, spec.BalloonInflateQueue)
	assert.Len(t, d.released, 1)
}

func TestInflateIsBounded(t *testing.T) {
	d := newBalloonDriver(1<<20, spec.BalloonInflateQueue)
	d.give(spec.BalloonInflateQueue, maxPFNBytes, 0)
	assert.EqualValues(t, 0xf, d.Get(spec.RegStatus))
	d.give(spec.BalloonInflateQueue, maxPFNBytes+1, 0)
	assert.EqualValues(t, 0x4f, d.Get(spec.RegStatus), "more than a request may hold")
}

func TestReport(t *testing.T) {
	d := newBalloonDriver(1<<20, balloonReport)
	d.Desc(0, 0x10000, 0x20000, spec.DescFlagWrite|spec.DescFlagNext, 1)
	d.Desc(1, 0x50800, 0x2000, spec.DescFlagWrite|spec.DescFlagNext, 2) // half pages are not given
	d.Desc(2, 0x60800, 0x7ff, spec.DescFlagWrite, 0)
	d.Offer(0)
	d.Set(spec.RegQueueNotify, balloonReport)
	assert.Equal(t, [][2]uint64{{0x10000, 0x20000}, {0x51000, 0x1000}}, d.released)

	d.released = nil
	d.Set(spec.RegConfig+spec.BalloonPoisonValue, 0xaa)
	d.give(balloonReport, 0x4000, spec.DescFlagWrite)
	assert.Empty(t, d.released, "the driver wants other bytes than zero")
	d.Desc(0, 1<<30, 0x1000, spec.DescFlagWrite, 0)
	d.Offer(0)
	d.Set(spec.RegQueueNotify, balloonReport)
	assert.EqualValues(t, 0x4f, d.Get(spec.RegStatus))
}

func TestTarget(t *testing.T) {
	d := newBalloonDriver(64<<10, spec.BalloonInflateQueue)
	before := d.Get(spec.RegConfigGeneration)
	d.b.SetTarget(12345)
	assert.Equal(t, 1, d.interrupts)
	assert.EqualValues(t, spec.InterruptConfig, d.Get(spec.RegInterruptStatus))
	assert.NotEqual(t, before, d.Get(spec.RegConfigGeneration))
	assert.EqualValues(t, 12345, d.Get(spec.RegConfig+spec.BalloonTarget))
	d.Set(spec.RegConfig+spec.BalloonTarget, 1)
	assert.EqualValues(t, 12345, d.Get(spec.RegConfig+spec.BalloonTarget), "it is the host's")
	d.Set(spec.RegConfig+spec.BalloonActual, 777)
	assert.EqualValues(t, 777, d.b.Actual())
	assert.Zero(t, d.Get(spec.RegConfig+64))
	d.Set(spec.RegStatus, 0)
	assert.Zero(t, d.b.Actual())
	assert.EqualValues(t, 12345, d.Get(spec.RegConfig+spec.BalloonTarget), "a reset leaves the target")
}

func TestStats(t *testing.T) {
	d := newBalloonDriver(64<<10, spec.BalloonStatsQueue)
	assert.False(t, d.b.AskStats(), "none was given")
	put := func(i int, tag uint16, v uint64) {
		binary.LittleEndian.PutUint16(d.Mem[virtiotest.TextAt+spec.StatSize*i:], tag)
		binary.LittleEndian.PutUint64(d.Mem[virtiotest.TextAt+spec.StatSize*i+2:], v)
	}
	put(0, 4, 1<<40)
	put(1, 5, 9)
	put(2, 999, 9)
	d.give(spec.BalloonStatsQueue, 3*spec.StatSize+4, 0)
	got, times := d.b.Stats()
	assert.Equal(t, map[string]uint64{"free": 1 << 40, "total": 9}, got)
	assert.EqualValues(t, 1, times)
	assert.Zero(t, binary.LittleEndian.Uint16(d.Mem[virtiotest.UsedAt+2:]), "the buffer stays until others are wanted")
	assert.True(t, d.b.AskStats())
	assert.False(t, d.b.AskStats(), "once")
	assert.EqualValues(t, 1, binary.LittleEndian.Uint16(d.Mem[virtiotest.UsedAt+2:]))
	assert.Equal(t, 1, d.interrupts)
	put(0, 4, 2)
	d.give(spec.BalloonStatsQueue, 1<<15, 0) // far more than there are tags
	got, _ = d.b.Stats()
	assert.EqualValues(t, 2, got["free"])
	assert.LessOrEqual(t, len(got), len(spec.StatNames))
}

// fuzzBalloon plays a guest that has set a queue up and then writes what it likes:
// memory, registers, doorbells.
func fuzzBalloon(f *testing.F, queue uint32) {
	const size, page = 1 << 15, 4096
	request := func(length uint32, flags uint16) []byte {
		d := newBalloonDriver(size, queue)
		d.Desc(0, virtiotest.TextAt, length, flags, 0)
		d.Offer(0)
		copy(d.Mem[virtiotest.TextAt:], []byte{4, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
		return d.Mem[virtiotest.DescAt : virtiotest.TextAt+64]
	}
	bell := []byte{spec.RegQueueNotify, 0, byte(queue), 0, 0, 0}
	f.Add(request(16, 0), bell)
	f.Add(request(page*3, spec.DescFlagWrite), bell)
	f.Add(request(1<<31, 0), append(append([]byte{}, bell...), spec.RegQueueSize, 0, 3, 0, 0, 0))
	f.Add(request(40, 0), append(append([]byte{spec.RegQueueReady, 0, 0, 0, 0, 0, spec.RegQueueDesc, 0, 0xf0, 0xff, 0, 0,
		spec.RegQueueReady, 0, 1, 0, 0, 0}, bell...), 0x0c, 1, 1, 0, 0, 0))
	f.Fuzz(func(t *testing.T, content, writes []byte) {
		d := newBalloonDriver(size, queue)
		copy(d.Mem[virtiotest.DescAt:], content)
		given, work := 0, 0
		d.b.b.release = func(addr, length uint64) {
			if (addr|length)%page != 0 || length == 0 || addr > size || length > size-addr {
				t.Fatalf("%#x bytes at %#x were given back", length, addr)
			}
			given++
		}
		for range min(len(writes)/6, 16) {
			given = 0
			d.Dev.Write(uint64(binary.LittleEndian.Uint16(writes)), writes[2:6])
			writes = writes[6:]
			require.LessOrEqual(t, given, balloonQueueMax*(maxPFNBytes/4), "work for one access")
			work += given
			if work > 1000 {
				return // enough of it: other inputs have their turn
			}
			d.b.AskStats()
			stats, _ := d.b.Stats()
			require.LessOrEqual(t, len(stats), len(spec.StatNames))
		}
	})
}

func FuzzInflate(f *testing.F)    { fuzzBalloon(f, spec.BalloonInflateQueue) }
func FuzzDeflate(f *testing.F)    { fuzzBalloon(f, spec.BalloonDeflateQueue) }
func FuzzStatistics(f *testing.F) { fuzzBalloon(f, spec.BalloonStatsQueue) }
func FuzzReporting(f *testing.F)  { fuzzBalloon(f, balloonReport) }

// A doorbell serves one request; the others wait until the vCPU has looked whether it is
// to stop.
func TestDoorbellIsBounded(t *testing.T) {
	d := newBalloonDriver(64<<20, spec.BalloonInflateQueue)
	const requests = 5
	for range requests {
		binary.LittleEndian.PutUint32(d.Mem[virtiotest.TextAt:], 0x1000)
		d.Desc(0, virtiotest.TextAt, 4, 0, 0)
		d.Offer(0)
	}
	d.Set(spec.RegQueueNotify, spec.BalloonInflateQueue)
	for i := range requests {
		require.Len(t, d.released, i+1)
		require.True(t, d.Dev.Unfinished())
		d.Dev.Continue()
	}
	require.Len(t, d.released, requests)
	require.False(t, d.Dev.Unfinished())
	d.Dev.Continue()
	require.Len(t, d.released, requests)
}
