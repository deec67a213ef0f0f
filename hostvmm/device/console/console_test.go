package console

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/hostvmm/device/virtio/virtiotest"
)

// driver is the guest's side.
type driver struct {
	virtiotest.Driver
	con *Console // behind Dev
	out *bytes.Buffer
}

func (d *driver) start() { d.Start(0, spec.ConsoleTransmit) }

// print writes what the console has to out, a piece of at most 7 bytes at a time.
func (d *driver) print() {
	piece := make([]byte, 7)
	for n := d.con.TakeOutput(piece); n > 0; n = d.con.TakeOutput(piece) {
		d.out.Write(piece[:n])
		d.con.OutputDone(n, nil)
	}
}

func newDriver(out *bytes.Buffer) *driver {
	mem := make(virtio.RAM, 64<<10)
	d := &driver{out: out}
	d.con = New(mem, d.print, nil, nil)
	d.Mem, d.Dev = mem, d.con.MMIO
	return d
}

func TestConsoleWritesChains(t *testing.T) {
	var out bytes.Buffer
	d := newDriver(&out)
	require.EqualValues(t, spec.Magic, d.Get(spec.RegMagic))
	require.EqualValues(t, 2, d.Get(spec.RegVersion))
	require.EqualValues(t, 3, d.Get(spec.RegDeviceID))
	d.start()
	require.EqualValues(t, 0xf, d.Get(spec.RegStatus))
	copy(d.Mem[virtiotest.TextAt:], "hello, world\n")
	for i := range 20 { // more than the queue holds: indexes wrap
		d.Desc(0, virtiotest.TextAt, 7, spec.DescFlagNext, 1)
		d.Desc(1, virtiotest.TextAt+7, 6, 0, 0)
		d.Offer(0)
		d.Set(spec.RegQueueNotify, spec.ConsoleTransmit)
		require.EqualValues(t, i+1, binary.LittleEndian.Uint16(d.Mem[virtiotest.UsedAt+2:]))
	}
	require.Equal(t, string(bytes.Repeat([]byte("hello, world\n"), 20)), out.String())
	require.EqualValues(t, spec.InterruptUsed, d.Get(spec.RegInterruptStatus))
	d.Set(spec.RegInterruptACK, spec.InterruptUsed)
	require.Zero(t, d.Get(spec.RegInterruptStatus))
	require.Equal(t, virtio.QueueCounts{Notifies: 20, Requests: 20, Bytes: uint64(out.Len())}, d.Dev.Queues()[spec.ConsoleTransmit])
}

// A doorbell takes nothing: what is taken, and when, is the caller's affair, so that no
// driver can make one exit long.
func TestOutputIsTakenInPieces(t *testing.T) {
	mem := make(virtio.RAM, 64<<10)
	rung, told := 0, 0
	d := &driver{con: New(mem, func() { rung++ }, nil, func() { told++ })}
	d.Mem, d.Dev = mem, d.con.MMIO
	d.start()
	copy(mem[virtiotest.TextAt:], "hello, world")
	d.Desc(0, virtiotest.TextAt, 12, spec.DescFlagNext, 1)
	d.Desc(1, virtiotest.TextAt+100, spec.ConsoleStatusSize, spec.DescFlagWrite, 0)
	status := func() (errno, written uint32) {
		return binary.LittleEndian.Uint32(mem[virtiotest.TextAt+100:]), binary.LittleEndian.Uint32(mem[virtiotest.TextAt+104:])
	}
	used := func() uint16 { return binary.LittleEndian.Uint16(mem[virtiotest.UsedAt+2:]) }
	d.Offer(0)
	d.Set(spec.RegQueueNotify, spec.ConsoleTransmit)
	require.Equal(t, 1, rung)
	require.Zero(t, used())
	piece := make([]byte, 5)
	require.Equal(t, 5, d.con.TakeOutput(piece))
	require.Equal(t, "hello", string(piece))
	d.con.OutputDone(2, nil) // the host took two of them
	require.Zero(t, used())
	require.Equal(t, 5, d.con.TakeOutput(piece))
	require.Equal(t, "llo, ", string(piece))
	d.con.OutputDone(5, nil)
	require.Equal(t, 5, d.con.TakeOutput(piece))
	d.con.OutputDone(5, nil)
	require.EqualValues(t, 1, used())
	e, n := status()
	require.Equal(t, []uint32{0, 12}, []uint32{e, n})
	require.Equal(t, 1, told)
	require.Zero(t, d.con.TakeOutput(piece))

	d.Offer(0)
	mem[virtiotest.AvailAt] = 1 // NO_INTERRUPT
	require.Equal(t, 5, d.con.TakeOutput(piece))
	d.con.OutputDone(3, syscall.ENOSPC)
	require.EqualValues(t, 2, used())
	e, n = status()
	require.Equal(t, []uint32{uint32(syscall.ENOSPC), 3}, []uint32{e, n})
	require.Equal(t, 1, told, "the driver does not want to be told")

	d.Offer(0)
	require.Equal(t, 5, d.con.TakeOutput(piece))
	d.start() // begins anew meanwhile
	d.con.OutputDone(5, nil)
	require.EqualValues(t, 2, used())
	require.EqualValues(t, 0xf, d.Get(spec.RegStatus))
}

// A line of output leaves no garbage: that would become the VMM's resident memory.
func TestOutputLeavesNoGarbage(t *testing.T) {
	d := newDriver(&bytes.Buffer{})
	d.start()
	d.Desc(0, virtiotest.TextAt, 12, spec.DescFlagNext, 1)
	d.Desc(1, virtiotest.TextAt+100, spec.ConsoleStatusSize, spec.DescFlagWrite, 0)
	piece := make([]byte, 20)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		d.Offer(0)
		d.con.OutputDone(d.con.TakeOutput(piece), nil)
	}))
}

func TestFeaturesMustBeVersion1Alone(t *testing.T) {
	d := newDriver(&bytes.Buffer{})
	d.Set(spec.RegDeviceFeaturesSel, 1)
	require.EqualValues(t, 1, d.Get(spec.RegDeviceFeatures))
	d.Set(spec.RegDeviceFeaturesSel, 0)
	require.Zero(t, d.Get(spec.RegDeviceFeatures))
	d.Set(spec.RegStatus, 0xb)
	require.EqualValues(t, 3, d.Get(spec.RegStatus), "VERSION_1 was not taken")
}

// startInput sets up the queue for input, too, once the device is live: Doze's driver
// does when its program first reads.
func (d *driver) startInput() {
	d.start()
	d.SetQueue(spec.ConsoleReceive)
}

func TestInput(t *testing.T) {
	var rooms []int
	interrupts := 0
	mem := make(virtio.RAM, 64<<10)
	d := &driver{con: New(mem, func() {}, func(n int) { rooms = append(rooms, n) }, func() { interrupts++ })}
	d.Mem, d.Dev = mem, d.con.MMIO
	require.Zero(t, d.con.Receive([]byte("too soon")))
	d.startInput()
	d.Set(spec.RegQueueNotify, spec.ConsoleReceive)
	require.Empty(t, rooms, "nothing was offered")
	require.Zero(t, d.con.Receive([]byte("too soon")))
	for i := range 20 {
		d.Desc(0, virtiotest.TextAt, 3, spec.DescFlagWrite|spec.DescFlagNext, 1)
		d.Desc(1, virtiotest.TextAt+100, 5, spec.DescFlagWrite, 0)
		d.Offer(0)
		d.Set(spec.RegQueueNotify, spec.ConsoleReceive)
		require.Len(t, rooms, i+1)
		require.Equal(t, 8, rooms[i])
		require.Zero(t, d.con.Receive(nil))
		require.Equal(t, 8, d.con.Receive([]byte("seven and more")))
		require.Equal(t, "sev", string(mem[virtiotest.TextAt:virtiotest.TextAt+3]))
		require.Equal(t, "en an\x00", string(mem[virtiotest.TextAt+100:virtiotest.TextAt+106]))
		require.Zero(t, d.con.Receive([]byte("full")))
		require.EqualValues(t, i+1, binary.LittleEndian.Uint16(mem[virtiotest.UsedAt+2:]))
		require.EqualValues(t, 8, binary.LittleEndian.Uint32(mem[virtiotest.UsedAt+spec.RingEntries+spec.UsedEntry*(i%virtiotest.QueueSize)+4:]))
		require.Equal(t, i+1, interrupts)
	}
	d.Desc(0, 1<<40, 3, spec.DescFlagWrite, 0)
	d.Offer(0)
	require.Zero(t, d.con.Receive([]byte("x")))
	require.EqualValues(t, 0x4f, d.Get(spec.RegStatus))
}

func TestInputIsAcceptedAndIgnored(t *testing.T) {
	d := newDriver(&bytes.Buffer{})
	d.start()
	d.Set(spec.RegQueueNotify, 0)
	d.Set(spec.RegQueueNotify, 77)
	require.EqualValues(t, 0xf, d.Get(spec.RegStatus))
}

func TestNonsenseNeedsReset(t *testing.T) {
	for name, spoil := range map[string]func(d *driver){
		"address beyond memory": func(d *driver) { d.Desc(0, 1<<40, 10, 0, 0) },
		"length beyond memory":  func(d *driver) { d.Desc(0, virtiotest.TextAt, 1<<31, 0, 0) },
		"address wraps":         func(d *driver) { d.Desc(0, ^uint64(0), 16, 0, 0) },
		"loop":                  func(d *driver) { d.Desc(0, virtiotest.TextAt, 1, spec.DescFlagNext, 0) },
		"next out of range":     func(d *driver) { d.Desc(0, virtiotest.TextAt, 1, spec.DescFlagNext, virtiotest.QueueSize) },
		"indirect":              func(d *driver) { d.Desc(0, virtiotest.TextAt, 16, 4, 0) },
		"head out of range":     func(d *driver) { d.Offer(virtiotest.QueueSize) },
		"too many at once":      func(d *driver) { d.Idx += virtiotest.QueueSize; d.Offer(0) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			d := newDriver(&out)
			d.start()
			spoil(d)
			if d.Idx == 0 {
				d.Offer(0)
			}
			d.Set(spec.RegQueueNotify, spec.ConsoleTransmit)
			require.EqualValues(t, 0x4f, d.Get(spec.RegStatus))
			d.Set(spec.RegQueueNotify, spec.ConsoleTransmit) // no harm while it waits
			d.start()
			require.EqualValues(t, 0xf, d.Get(spec.RegStatus), "a reset heals")
		})
	}
}

// A used ring over the available one offers a request whenever one is returned. That
// is the guest's to see to: the device does not stay with it.
func TestRingsThatOverlap(t *testing.T) {
	var out bytes.Buffer
	d := newDriver(&out)
	d.start()
	d.Set(spec.RegQueueReady, 0)
	d.Set(spec.RegQueueDevice, virtiotest.AvailAt)
	d.Set(spec.RegQueueReady, 1)
	d.Desc(0, virtiotest.TextAt, 0, 0, 0)
	d.Offer(0)
	d.Set(spec.RegQueueNotify, spec.ConsoleTransmit)
	require.LessOrEqual(t, d.Dev.Queues()[spec.ConsoleTransmit].Requests, uint64(2*virtiotest.QueueSize))
}

func TestNumbersOfErrors(t *testing.T) {
	require.EqualValues(t, 0, errno(nil))
	require.EqualValues(t, syscall.ENOSPC, errno(fmt.Errorf("disk: %w", syscall.ENOSPC)))
	for _, err := range []error{virtio.ErrQueue, syscall.Errno(0), syscall.Errno(4096)} {
		require.EqualValues(t, syscall.EIO, errno(err), "%#v", err)
	}
}

// FuzzDevice plays a guest that writes registers and memory at random.
func FuzzDevice(f *testing.F) {
	var ok []byte
	for _, w := range [][2]uint32{{spec.RegStatus, 3}, {spec.RegDriverFeaturesSel, 1}, {spec.RegDriverFeatures, 1}, {spec.RegStatus, 11},
		{spec.RegQueueSel, 1}, {spec.RegQueueSize, 8}, {spec.RegQueueDesc, 0x10}, {spec.RegQueueDriver, 0x100},
		{spec.RegQueueDevice, 0x200}, {spec.RegQueueReady, 1}, {spec.RegStatus, 15}, {spec.RegQueueNotify, 1}} {
		ok = binary.LittleEndian.AppendUint32(append(ok, byte(w[0]), byte(w[0]>>8)), w[1])
	}
	f.Add(ok, bytes.Repeat([]byte{1, 0, 0, 0}, 300))
	f.Add(ok, []byte{0, 1, 2, 3})
	in := bytes.Clone(ok)
	in[6*4+2] = spec.ConsoleReceive     // the value of spec.RegQueueSel
	in[len(in)-4] = spec.ConsoleReceive // of spec.RegQueueNotify
	content := make([]byte, 4096)
	copy(content[0x10:], []byte{0, 8, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, spec.DescFlagWrite}) // 100 bytes at 0x800
	content[0x102] = 1                                                                     // one request
	f.Add(in, content)
	f.Fuzz(func(t *testing.T, writes, content []byte) {
		mem := make(virtio.RAM, 4096)
		copy(mem, content)
		asked, took := 0, 0
		dev := New(mem, func() {}, func(room int) { asked = room }, func() {})
		for ; len(writes) >= 6; writes = writes[6:] {
			offset := uint64(binary.LittleEndian.Uint16(writes))
			dev.Write(offset, writes[2:6])
			dev.Read(offset, make([]byte, 4))
			dev.Write(offset, writes[2:3])
			require.LessOrEqual(t, dev.Receive(make([]byte, min(asked, 9000))), asked)
			piece := make([]byte, 100)
			n := dev.TakeOutput(piece)
			require.LessOrEqual(t, n, len(piece))
			if took += n; took%3 == 0 {
				copy(mem, content[min(len(content), 7):]) // the guest rewrites what it gave
			}
			dev.OutputDone(n/2, nil)
			if took%2 == 0 {
				dev.OutputDone(n, virtio.ErrQueue)
			}
		}
	})
}
