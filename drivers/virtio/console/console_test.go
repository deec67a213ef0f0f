package console

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	transport "github.com/doze-vm/doze/drivers/virtio/mmio"
	"github.com/doze-vm/doze/drivers/virtio/queue"
	"github.com/doze-vm/doze/kernel/mmio"
)

// fake is a console device over plain memory: its registers do nothing by
// themselves, and a goroutine serves what is in the ring. What it needs to know
// it reads from its registers, as a device does.
type fake struct {
	transport.Regs
	text    bytes.Buffer
	seen    uint16
	limit   int // buffers that it takes, then none
	badUsed bool
}

func outside(t testing.TB, size int) ([]byte, uintptr) {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	return b, uintptr(unsafe.Pointer(unsafe.SliceData(b)))
}

func newFake(t testing.TB) *fake {
	_, base := outside(t, 4096)
	d := &fake{Regs: transport.Regs{Base: base}, limit: 1 << 30}
	d.Store(transport.RegMagic, transport.Magic)
	d.Store(transport.RegVersion, transport.Version)
	d.Store(transport.RegDeviceID, transport.DeviceConsole)
	d.Store(transport.RegDeviceFeatures, 1)
	d.Store(transport.RegQueueSizeMax, 128)
	return d
}

func (d *fake) address(reg uintptr) uintptr {
	return uintptr(d.Load(reg)) | uintptr(d.Load(reg+4))<<32
}

// serve takes one buffer from the transmit queue.
func (d *fake) serve() {
	desc, avail, used := d.address(transport.RegQueueDesc), d.address(transport.RegQueueDriver), d.address(transport.RegQueueDevice)
	if avail == 0 || d.limit == 0 || mmio.Load16(avail+2) == d.seen {
		return
	}
	n := uint16(d.Load(transport.RegQueueSize))
	head := mmio.Load16(avail + 4 + uintptr(d.seen%n)*2)
	at, length := mmio.Load64(desc+uintptr(head)*16), mmio.Load32(desc+uintptr(head)*16+8)
	for i := range uintptr(length) {
		d.text.WriteByte(mmio.Load8(uintptr(at) + i))
	}
	entry := used + 4 + uintptr(d.seen%n)*8
	written := uint32(0)
	if d.badUsed {
		written = 1
	}
	mmio.Store32(entry, uint32(head))
	mmio.Store32(entry+4, written)
	d.seen++
	d.limit--
	mmio.Store16(used+2, d.seen)
}

// run serves until the test is over or stop is called.
func (d *fake) run(t testing.TB) (stop func()) {
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !over.Load() {
			d.serve()
		}
	})
	stop = func() { over.Store(true); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// patient makes a console wait for a device as slow as a goroutine may be.
func patient(t testing.TB, d *fake) *Console {
	c := started(t, d)
	c.spins = 1 << 30
	return c
}

func started(t testing.TB, d *fake) *Console {
	t.Helper()
	_, mem := outside(t, MemSize)
	c := new(Console)
	require.Equal(t, transport.OK, c.Init(d.Base, mem))
	return c
}

func text(t testing.TB, n int) ([]byte, uintptr) {
	b, p := outside(t, max(n, 1))
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b[:n], p
}

func TestInit(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	assert.True(t, c.Ready())
	assert.EqualValues(t, 0xf, d.Load(transport.RegStatus))
	assert.EqualValues(t, transmitQueue, d.Load(transport.RegQueueSel))
	assert.EqualValues(t, queueSize, d.Load(transport.RegQueueSize))
	assert.EqualValues(t, 1, d.Load(transport.RegQueueReady))
}

func TestInitRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		reg   uintptr
		value uint32
		code  transport.Code
	}{
		{"no device", transport.RegDeviceID, 0, transport.NoDevice},
		{"a disk", transport.RegDeviceID, 2, transport.WrongDevice},
		{"legacy", transport.RegVersion, 1, transport.BadVersion},
		{"no transmit queue", transport.RegQueueSizeMax, 0, transport.NoQueue},
		{"two descriptors", transport.RegQueueSizeMax, 2, transport.QueueTooSmall},
	} {
		d := newFake(t)
		d.Store(c.reg, c.value)
		_, mem := outside(t, MemSize)
		var con Console
		assert.Equal(t, c.code, con.Init(d.Base, mem), c.name)
		assert.False(t, con.Ready(), c.name)
		assert.Zero(t, con.Write(mem, 10), c.name)
		assert.Zero(t, con.WriteCrash(mem, 10), c.name)
	}
	d := newFake(t)
	var con Console
	assert.Equal(t, transport.BadMemory, con.Init(d.Base, 0))
	assert.Equal(t, transport.BadMemory, con.Init(d.Base, 8))
	assert.Equal(t, transport.BadMemory, con.Init(0, 4096))
}

func TestLayoutFits(t *testing.T) {
	c := started(t, newFake(t))
	end := c.q.Desc() + crashAt
	assert.LessOrEqual(t, c.q.Device()+6+8*queueSize+8*queueSize+8, end, "rings and notes end before the crash buffer")
}

func TestWrite(t *testing.T) {
	for _, n := range []int{0, 1, 80, bufferLen - 1, bufferLen, bufferLen + 1, 5*bufferLen + 7} {
		d := newFake(t)
		c := patient(t, d)
		stop := d.run(t)
		b, p := text(t, n)
		assert.EqualValues(t, n, c.Write(p, uintptr(n)), "%d bytes", n)
		stop()
		assert.True(t, bytes.Equal(b, d.text.Bytes()), "%d bytes", n)
		if n > 0 {
			assert.EqualValues(t, transmitQueue, d.Load(transport.RegQueueNotify))
		}
	}
}

func TestManyWrites(t *testing.T) {
	d := newFake(t)
	c := patient(t, d)
	stop := d.run(t)
	b, p := text(t, 70_000)
	for i := range uintptr(70_000) { // the ring's indices wrap
		require.EqualValues(t, 1, c.Write(p+i, 1))
	}
	stop()
	assert.True(t, bytes.Equal(b, d.text.Bytes()))
}

func TestWriteOnlyRingsWhenAsked(t *testing.T) {
	d := newFake(t)
	c := patient(t, d)
	mmio.Store16(c.q.Device(), 1) // NO_NOTIFY
	d.Notify(99)
	stop := d.run(t)
	_, p := text(t, 10)
	assert.EqualValues(t, 10, c.Write(p, 10))
	stop()
	assert.EqualValues(t, 99, d.Load(transport.RegQueueNotify))
}

func TestDeviceThatStops(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	c.spins = 100
	b, p := text(t, 3*bufferLen)
	assert.EqualValues(t, bufferLen, c.Write(p, uintptr(len(b))), "it was given the first buffer")
	assert.Zero(t, c.Write(p+bufferLen, 10), "still has it")
	d.serve()
	assert.EqualValues(t, 10, c.Write(p+bufferLen, 10), "goes on where it stopped")
	d.serve()
	assert.True(t, bytes.Equal(b[:bufferLen+10], d.text.Bytes()))
}

func TestDeviceThatBreaksTheRules(t *testing.T) {
	d := newFake(t)
	d.badUsed = true // it claims to have written into our text
	c := patient(t, d)
	d.run(t)
	_, p := text(t, 3*bufferLen)
	assert.EqualValues(t, bufferLen, c.Write(p, 3*bufferLen))
	assert.Zero(t, c.Write(p, 10))
}

func TestWriteCrash(t *testing.T) {
	for _, n := range []int{0, 1, crashSize, crashSize + 1, 10*crashSize + 3} {
		d := newFake(t)
		c := patient(t, d)
		stop := d.run(t)
		b, p := text(t, n)
		assert.EqualValues(t, n, c.WriteCrash(p, uintptr(n)))
		stop()
		assert.True(t, bytes.Equal(b, d.text.Bytes()), "%d bytes", n)
	}
}

func TestWriteCrashInTheMiddleOfWrite(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	c.spins = 100
	b, p := text(t, 50)
	require.EqualValues(t, 50, c.Write(p, 50)) // given, not taken
	mem := c.q.Desc()
	c.q = forgetful(t, mem)
	c.spins = 1 << 30
	stop := d.run(t)
	last, q := text(t, 300)
	assert.EqualValues(t, 300, c.WriteCrash(q, 300))
	stop()
	assert.True(t, bytes.Equal(append(bytes.Clone(b), last...), d.text.Bytes()), "what was in flight comes first")
}

// forgetful is a queue at that place whose counters have nothing to do with what
// happened.
func forgetful(t testing.TB, mem uintptr) queue.Queue {
	saved := make([]byte, queue.Size(queueSize))
	for i := range saved {
		saved[i] = mmio.Load8(mem + uintptr(i))
	}
	var q queue.Queue
	require.Equal(t, queue.OK, q.Init(mem, queueSize))
	for i, v := range saved {
		mmio.Store8(mem+uintptr(i), v)
	}
	return q
}

func TestWriteCrashGivesUp(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	c.spins = 100
	_, p := text(t, 1000)
	assert.Zero(t, c.WriteCrash(p, 1000))
	assert.EqualValues(t, transmitQueue, d.Load(transport.RegQueueNotify))
}

func TestNothingIsAllocated(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	c.spins = 1
	_, p := text(t, 100)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		c.Write(p, 100)
		c.WriteCrash(p, 100)
	}))
}
