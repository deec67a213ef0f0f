package console

import (
	"bytes"
	"math/rand/v2"
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

// fake is a console device over plain memory: its registers do nothing by themselves,
// and serve takes what is in the ring. What it needs to know it reads from its
// registers, as a device does.
type fake struct {
	transport.Regs
	text    bytes.Buffer
	seen    uint16
	errno   uint32 // of the next requests
	part    uint32 // bytes of them that are written before that
	written uint32 // what it says it wrote, spec.ConsoleStatusSize if right
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
	d := &fake{Regs: transport.Regs{Base: base}, written: spec.ConsoleStatusSize}
	d.Store(spec.RegMagic, spec.Magic)
	d.Store(spec.RegVersion, spec.Version)
	d.Store(spec.RegDeviceID, spec.DeviceConsole)
	d.Store(spec.RegDeviceFeatures, 1)
	d.Store(spec.RegQueueSizeMax, 128)
	return d
}

func (d *fake) address(reg uintptr) uintptr {
	return uintptr(d.Load(reg)) | uintptr(d.Load(reg+4))<<32
}

// serve takes one request, if there is one.
func (d *fake) serve() bool {
	desc, avail, used := d.address(spec.RegQueueDesc), d.address(spec.RegQueueDriver), d.address(spec.RegQueueDevice)
	if avail == 0 || mmio.Load16(avail+2) == d.seen {
		return false
	}
	n := uint16(d.Load(spec.RegQueueSize))
	head := mmio.Load16(avail + 4 + uintptr(d.seen%n)*2)
	at, length := mmio.Load64(desc+uintptr(head)*16), mmio.Load32(desc+uintptr(head)*16+8)
	if d.errno != 0 {
		length = min(length, d.part)
	}
	for i := range uintptr(length) {
		d.text.WriteByte(mmio.Load8(uintptr(at) + i))
	}
	status := uintptr(mmio.Load64(desc + uintptr(mmio.Load16(desc+uintptr(head)*16+14))*16))
	mmio.Store32(status+spec.ConsoleStatusErrno, d.errno)
	mmio.Store32(status+spec.ConsoleStatusWritten, length)
	entry := used + 4 + uintptr(d.seen%n)*8
	mmio.Store32(entry, uint32(head))
	mmio.Store32(entry+4, d.written)
	d.seen++
	mmio.Store16(used+2, d.seen)
	return true
}

func started(t testing.TB, d *fake) *Console {
	t.Helper()
	_, mem := outside(t, MemSize)
	c := new(Console)
	require.Equal(t, transport.OK, c.Init(d.Base, mem))
	return c
}

// put hands the device as much of b as there is space for at once.
func put(c *Console, b []byte) (ticket int, n uintptr) {
	at, room := c.Space()
	if n = min(room, uintptr(len(b))); n == 0 {
		return -1, 0
	}
	for i := range n {
		mmio.Store8(at+i, b[i])
	}
	return c.Put(n), n
}

func text(n int) []byte {
	b := make([]byte, n)
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func TestInit(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	assert.True(t, c.Ready())
	assert.EqualValues(t, 0xf, d.Load(spec.RegStatus))
	assert.EqualValues(t, spec.ConsoleTransmit, d.Load(spec.RegQueueSel))
	assert.EqualValues(t, queueSize, d.Load(spec.RegQueueSize))
	assert.EqualValues(t, 1, d.Load(spec.RegQueueReady))
}

func TestInitRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		reg   uintptr
		value uint32
		code  transport.Code
	}{
		{"no device", spec.RegDeviceID, 0, transport.NoDevice},
		{"a disk", spec.RegDeviceID, 2, transport.WrongDevice},
		{"legacy", spec.RegVersion, 1, transport.BadVersion},
		{"no transmit queue", spec.RegQueueSizeMax, 0, transport.NoQueue},
		{"eight descriptors", spec.RegQueueSizeMax, 8, transport.QueueTooSmall},
	} {
		d := newFake(t)
		d.Store(c.reg, c.value)
		_, mem := outside(t, MemSize)
		var con Console
		assert.Equal(t, c.code, con.Init(d.Base, mem), c.name)
		assert.False(t, con.Ready(), c.name)
		_, room := con.Space()
		assert.Zero(t, room, c.name)
	}
	d := newFake(t)
	var con Console
	assert.Equal(t, transport.BadMemory, con.Init(d.Base, 0))
	assert.Equal(t, transport.BadMemory, con.Init(d.Base, 8))
	assert.Equal(t, transport.BadMemory, con.Init(0, 4096))
}

func TestPortOfADeviceWithSeveral(t *testing.T) {
	d := newFake(t)
	d.Store(spec.RegDeviceFeatures, 1|spec.ConsoleMultiport)
	c := started(t, d)
	assert.EqualValues(t, spec.ConsoleTransmitPort1, d.Load(spec.RegQueueSel))
	put(c, []byte("x"))
	assert.EqualValues(t, spec.ConsoleTransmitPort1, d.Load(spec.RegQueueNotify))
}

func TestLayoutFits(t *testing.T) {
	assert.LessOrEqual(t, queue.Size(queueSize), uintptr(statusAt), "the queue ends before the statuses")
	assert.Less(t, ringAt, 0x1000, "a short line touches the first page only")
}

func TestBytesArriveInOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	d := newFake(t)
	c := started(t, d)
	b := text(300_000)
	left := b
	var tickets []int
	for len(left) > 0 || len(tickets) > 0 {
		if ticket, n := put(c, left[:min(len(left), rnd.IntN(9000)+1)]); n > 0 {
			tickets = append(tickets, ticket)
			left = left[n:]
		}
		for range rnd.IntN(3) {
			d.serve()
		}
		c.Collect()
		for len(tickets) > 0 {
			_, errno, ok := c.Result(tickets[0])
			if !ok {
				break
			}
			require.Zero(t, errno)
			tickets = tickets[1:]
		}
	}
	assert.True(t, bytes.Equal(b, d.text.Bytes()))
	assert.True(t, c.Idle())
}

// A device that takes nothing fills the ring, and then nobody waits for anything.
func TestDeviceThatTakesNothing(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	b := text(2 * ringSize)
	first, n := put(c, b)
	require.EqualValues(t, ringSize, n)
	_, n = put(c, b)
	assert.Zero(t, n)
	assert.False(t, c.Collect())
	_, _, ok := c.Result(first)
	assert.False(t, ok)
	require.True(t, d.serve())
	assert.True(t, c.Collect())
	written, errno, ok := c.Result(first)
	assert.True(t, ok)
	assert.EqualValues(t, ringSize, written)
	assert.Zero(t, errno)
	_, _, ok = c.Result(first)
	assert.False(t, ok, "a result is given once")
}

func TestTicketsEnd(t *testing.T) {
	c := started(t, newFake(t))
	for range Tickets {
		_, n := put(c, []byte("x"))
		require.EqualValues(t, 1, n)
	}
	_, room := c.Space()
	assert.Zero(t, room)
}

func TestErrorsReachWhoeverWrote(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	first, _ := put(c, text(100))
	second, _ := put(c, text(100))
	d.serve()
	d.errno, d.part = 28, 60
	d.serve()
	require.True(t, c.Collect())
	written, errno, ok := c.Result(second)
	assert.Equal(t, []any{uint32(60), uint32(28), true}, []any{written, errno, ok})
	written, errno, ok = c.Result(first)
	assert.Equal(t, []any{uint32(100), uint32(0), true}, []any{written, errno, ok})
}

func TestAbandonedBytesAreWritten(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	for range 5 * Tickets { // each ticket comes back
		ticket, _ := put(c, []byte("abc"))
		assert.EqualValues(t, 3, c.Abandon(ticket))
		require.True(t, d.serve())
		require.True(t, c.Collect())
	}
	ticket, _ := put(c, []byte("abc"))
	require.True(t, d.serve())
	require.True(t, c.Collect())
	c.Abandon(ticket)
	assert.Equal(t, 15*Tickets+3, d.text.Len())
	assert.GreaterOrEqual(t, c.free(), 0)
}

func TestDeviceThatBreaksTheRules(t *testing.T) {
	for name, spoil := range map[string]func(*fake){
		"it claims to have written more than there is room for": func(d *fake) { d.written = spec.ConsoleStatusSize + 1 },
		"it uses the second request first":                      func(d *fake) { d.seen++ },
	} {
		t.Run(name, func(t *testing.T) {
			d := newFake(t)
			c := started(t, d)
			first, _ := put(c, text(10))
			second, _ := put(c, text(10))
			spoil(d)
			d.serve()
			if name[3] == 'u' { // the ring's entry is the first, what is in it the second
				used := d.address(spec.RegQueueDevice)
				mmio.Store32(used+4, mmio.Load32(used+4+8))
				mmio.Store16(used+2, 1)
			}
			require.True(t, c.Collect())
			for _, ticket := range []int{first, second} {
				written, errno, ok := c.Result(ticket)
				assert.Equal(t, []any{uint32(0), uint32(EIO), true}, []any{written, errno, ok})
			}
			assert.False(t, c.Ready())
			_, room := c.Space()
			assert.Zero(t, room)
		})
	}
}

func TestStatusIsBounded(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	ticket, _ := put(c, text(10))
	d.errno, d.part = 5, 10
	d.serve()
	mmio.Store32(c.mem+statusAt+uintptr(ticket)*spec.ConsoleStatusSize+spec.ConsoleStatusWritten, 1<<31)
	c.Collect()
	written, _, _ := c.Result(ticket)
	assert.EqualValues(t, 10, written)
}

func TestErrorThatIsNone(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	ticket, _ := put(c, text(10))
	d.errno = 1 << 31
	d.serve()
	c.Collect()
	_, errno, _ := c.Result(ticket)
	assert.EqualValues(t, EIO, errno)
}

func TestWriteOnlyRingsWhenAsked(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	mmio.Store16(c.q.Device(), 1) // NO_NOTIFY
	d.Notify(99)
	put(c, text(10))
	assert.EqualValues(t, 99, d.Load(spec.RegQueueNotify))
}

// Input may be asked for while the device has output, and a request outlives that.
func TestInputBesideOutput(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	require.False(t, c.Ask(c.mem, 10), "it can only send yet")
	ticket, _ := put(c, text(10))
	d.serve()                      // the fake has one set of registers for all queues:
	d.Store(spec.RegQueueReady, 0) // from now on they are the receive queue's
	_, mem := outside(t, InputMemSize)
	require.Equal(t, transport.OK, c.AddInput(mem))
	assert.True(t, c.Ask(c.mem, 10))
	assert.EqualValues(t, spec.ConsoleReceive, d.Load(spec.RegQueueNotify))
	assert.True(t, c.Collect())
	written, _, ok := c.Result(ticket)
	assert.True(t, ok)
	assert.EqualValues(t, 10, written)
}

func TestNothingIsAllocated(t *testing.T) {
	d := newFake(t)
	c := started(t, d)
	b := text(100)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		ticket, _ := put(c, b)
		d.serve()
		d.text.Reset()
		c.Collect()
		c.Result(ticket)
	}))
}

// FuzzStatus plays a device that uses requests as the input says.
func FuzzStatus(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 8, 2, 28, 60, 0, 8, 1, 0, 0, 0, 9})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, steps []byte) {
		d := newFake(t)
		c := started(t, d)
		var tickets []int
		for ; len(steps) >= 5; steps = steps[5:] {
			if ticket, n := put(c, text(int(steps[0]))); n > 0 {
				tickets = append(tickets, ticket)
			}
			d.errno, d.part, d.written = uint32(steps[1]), uint32(steps[2]), uint32(steps[4])
			for range steps[3] % 4 {
				d.serve()
			}
			c.Collect()
		}
		for _, ticket := range tickets {
			if written, errno, ok := c.Result(ticket); ok {
				require.LessOrEqual(t, written, uint32(255))
				_ = errno
			}
		}
	})
}
