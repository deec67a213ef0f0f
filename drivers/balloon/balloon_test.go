package balloon

import (
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	transport "github.com/doze-vm/doze/drivers/virtio/mmio"
	"github.com/doze-vm/doze/drivers/virtio/queue"
	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/kernel/mmio"
)

func outside(t testing.TB, size int) uintptr {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
}

// registers are a device's window over plain memory: what is read is what was put
// there, the same for each word of the features and each queue.
func registers(t testing.TB, features uint32) transport.Regs {
	r := transport.Regs{Base: outside(t, 4096)}
	r.Store(spec.RegMagic, spec.Magic)
	r.Store(spec.RegVersion, spec.Version)
	r.Store(spec.RegDeviceID, spec.DeviceBalloon)
	r.Store(spec.RegDeviceFeatures, features|1) // VERSION_1 in the word above, MUST_TELL_HOST here
	r.Store(spec.RegQueueSizeMax, 128)
	return r
}

func started(t testing.TB, features uint32) (*Balloon, transport.Regs) {
	t.Helper()
	r := registers(t, features)
	b := new(Balloon)
	code := initPlain(b, r, outside(t, MemSize))
	require.Equal(t, transport.OK, code)
	b.spins = 10
	return b, r
}

// initPlain is Init over registers that don't know one queue from another.
func initPlain(b *Balloon, r transport.Regs, mem uintptr) transport.Code {
	*b = Balloon{regs: r, mem: mem, spins: 10}
	var code transport.Code
	if b.features, code = r.BeginWith(spec.DeviceBalloon, known); code != transport.OK {
		return code
	}
	at := mem
	for _, q := range []struct {
		q *queue.Queue
		n uint16
	}{{&b.inflate, listQueue}, {&b.deflate, listQueue}, {&b.stats, listQueue}, {&b.report, MaxRanges}} {
		if q.q.Init(at, q.n) != queue.OK {
			return transport.BadMemory
		}
		at += (queue.Size(q.n) + 15) &^ 15
	}
	b.placeReport()
	return r.Start()
}

// take returns the buffers of the chain that the device is given next.
func take(q *queue.Queue, seen *uint16) (head uint16, bufs [][2]uintptr) {
	if mmio.Load16(q.Driver()+2) == *seen {
		return 0, nil
	}
	head = mmio.Load16(q.Driver() + 4 + uintptr(*seen%q.Len())*2)
	*seen++
	for i := head; ; {
		d := q.Desc() + uintptr(i)*16
		bufs = append(bufs, [2]uintptr{uintptr(mmio.Load64(d)), uintptr(mmio.Load32(d + 8))})
		if mmio.Load16(d+12)&1 == 0 {
			return head, bufs
		}
		i = mmio.Load16(d + 14)
	}
}

func use(q *queue.Queue, head uint16) {
	i := mmio.Load16(q.Device() + 2)
	e := q.Device() + 4 + uintptr(i%q.Len())*8
	mmio.Store32(e, uint32(head))
	mmio.Store32(e+4, 0)
	mmio.Store16(q.Device()+2, i+1)
}

func TestQueueNumbers(t *testing.T) {
	for _, c := range []struct {
		name     string
		features uint32
		exists   bool // a queue of the dense number
		want     uint32
	}{
		{"all, either way", spec.BalloonStats | spec.BalloonHint | spec.BalloonReporting, true, 4},
		{"QEMU's", spec.BalloonStats | spec.BalloonReporting, true, 3},
		{"the specification's", spec.BalloonStats | spec.BalloonReporting, false, 4},
		{"alone, dense", spec.BalloonReporting, true, 2},
		{"alone, the specification's", spec.BalloonReporting, false, 4},
		{"hint without statistics, dense", spec.BalloonHint | spec.BalloonReporting, true, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := registers(t, c.features)
			if !c.exists {
				r.Store(spec.RegQueueSizeMax, 0)
			}
			b := Balloon{regs: r, features: c.features}
			b.placeReport()
			assert.Equal(t, c.want, b.reportQueue)
		})
	}
}

func TestInit(t *testing.T) {
	r := registers(t, spec.BalloonStats|spec.BalloonPoison|1<<20)
	var b Balloon
	assert.Equal(t, transport.BadMemory, b.Init(0, outside(t, MemSize)))
	assert.Equal(t, transport.BadMemory, b.Init(r.Base, 0))
	assert.Equal(t, transport.BadMemory, b.Init(r.Base, outside(t, MemSize)+8))
	r.Store(spec.RegDeviceID, spec.DeviceConsole)
	assert.Equal(t, transport.WrongDevice, b.Init(r.Base, outside(t, MemSize)))
	assert.False(t, b.Ready())
	r.Store(spec.RegDeviceID, spec.DeviceBalloon)
	r.Store(spec.RegQueueSizeMax, 1)
	assert.Equal(t, transport.QueueTooSmall, b.Init(r.Base, outside(t, MemSize)))
	assert.False(t, b.Ready())
	assert.EqualValues(t, spec.StatusFailed, r.Load(spec.RegStatus))

	got, _ := started(t, spec.BalloonStats|spec.BalloonPoison|1<<20)
	assert.EqualValues(t, spec.BalloonStats|spec.BalloonPoison, got.features, "what is not known is not accepted")
	assert.True(t, got.Keeps())
	assert.False(t, got.Reports())
}

func TestMemoryHoldsTheQueues(t *testing.T) {
	sum := uintptr(0)
	for _, n := range []uint16{listQueue, listQueue, listQueue, MaxRanges} {
		sum += (queue.Size(n) + 15) &^ 15
	}
	assert.LessOrEqual(t, sum, uintptr(statsAt))
	assert.LessOrEqual(t, statsAt+MaxStats*spec.StatSize, inflateAt)
}

func TestInflate(t *testing.T) {
	b, r := started(t, known)
	var seen uint16
	assert.EqualValues(t, 512, b.Inflate(2<<20, 512))
	assert.EqualValues(t, 1, b.Inflate(5<<12, 1))
	assert.False(t, b.SendInflate(), "the device has not answered")
	assert.Zero(t, r.Load(spec.RegQueueNotify))
	assert.Zero(t, b.Inflate(7<<12, 1), "nor may its buffer change")
	head, bufs := take(&b.inflate, &seen)
	require.Len(t, bufs, 1)
	require.EqualValues(t, 513*4, bufs[0][1])
	for i := range uintptr(512) {
		require.EqualValues(t, 512+i, mmio.Load32(bufs[0][0]+4*i))
	}
	assert.EqualValues(t, 5, mmio.Load32(bufs[0][0]+4*512))
	use(&b.inflate, head)
	assert.False(t, b.Inflating())
	assert.EqualValues(t, InflateMax, b.Inflate(8<<20, InflateMax+5), "as many as fit")
	assert.Zero(t, b.Inflate(1<<30, 1))
	b.SendInflate()
	_, bufs = take(&b.inflate, &seen)
	assert.EqualValues(t, InflateMax*4, bufs[0][1])
}

func TestDeflateWaitsForNobody(t *testing.T) {
	b, r := started(t, known)
	assert.EqualValues(t, 3, b.Deflate(3<<12, 3))
	b.SendDeflate()
	assert.EqualValues(t, spec.BalloonDeflateQueue, r.Load(spec.RegQueueNotify))
	var seen uint16
	_, bufs := take(&b.deflate, &seen)
	require.Len(t, bufs, 1)
	assert.EqualValues(t, 12, bufs[0][1])
	assert.True(t, b.SendInflate(), "nothing to send is no wait")
}

func TestReport(t *testing.T) {
	b, r := started(t, known)
	require.True(t, b.Reports())
	list := make([]Range, MaxRanges+1)
	for i := range list {
		list[i] = Range{uintptr(i+1) << 21, 512}
	}
	assert.False(t, b.Report(list))
	assert.False(t, b.Report(nil))
	require.True(t, b.Report(list[:MaxRanges]))
	assert.EqualValues(t, 4, r.Load(spec.RegQueueNotify))
	assert.False(t, b.Reported(false))
	assert.EqualValues(t, 1, mmio.Load16(b.report.Driver()), "no interrupt while the driver looks itself")
	assert.False(t, b.Reported(true))
	assert.Zero(t, mmio.Load16(b.report.Driver()))
	assert.False(t, b.Report(list[:1]), "one at a time")
	var seen uint16
	head, bufs := take(&b.report, &seen)
	require.Len(t, bufs, MaxRanges)
	assert.Equal(t, [2]uintptr{32 << 21, 2 << 20}, bufs[31])
	use(&b.report, head)
	assert.True(t, b.Reported(false))
	assert.True(t, b.Report(list[:1]))
}

func TestStats(t *testing.T) {
	b, _ := started(t, known)
	var seen uint16
	require.True(t, b.StatsDue(), "the device has none")
	b.SetStat(0, spec.StatFree, 1<<40)
	b.SetStat(1, spec.StatTotal, 7)
	b.SetStat(MaxStats, spec.StatTotal, 7)
	assert.False(t, b.SendStats(MaxStats+1))
	require.True(t, b.SendStats(2))
	assert.False(t, b.StatsDue())
	assert.False(t, b.SendStats(2))
	head, bufs := take(&b.stats, &seen)
	require.EqualValues(t, 20, bufs[0][1])
	assert.EqualValues(t, spec.StatFree, mmio.Load16(bufs[0][0]))
	assert.EqualValues(t, 1<<40, mmio.Load64(bufs[0][0]+2))
	assert.EqualValues(t, spec.StatTotal, mmio.Load16(bufs[0][0]+10))
	use(&b.stats, head)
	assert.True(t, b.StatsDue())
}

func TestABrokenDeviceIsLeftAlone(t *testing.T) {
	b, _ := started(t, known)
	b.Inflate(2<<20, 1)
	b.SendInflate()
	mmio.Store16(b.inflate.Device()+2, 9) // more than it was given
	assert.True(t, b.Inflating())
	assert.Zero(t, b.Inflate(3<<20, 1))
}

func TestZeroValueAndAllocations(t *testing.T) {
	var none Balloon
	assert.Zero(t, none.Target())
	assert.Zero(t, none.Inflate(1<<20, 1))
	assert.Zero(t, none.Deflate(1<<20, 1))
	assert.False(t, none.Report([]Range{{1 << 20, 1}}))
	assert.False(t, none.StatsDue())
	none.Acknowledge()
	b, _ := started(t, known)
	list := []Range{{1 << 20, 1}}
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		b.Inflate(1<<20, 3)
		b.SendInflate()
		b.Report(list)
		b.Reported(true)
		b.SendStats(1)
	}))
}
