package device

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// driver is the guest's side, as a plain program.
type driver struct {
	mem RAM
	dev *MMIO
	con *Console // behind dev, if it is one
	out *bytes.Buffer
	idx uint16
}

// print writes what the console has to out, a piece of at most 7 bytes at a time.
func (d *driver) print() {
	piece := make([]byte, 7)
	for n := d.con.TakeOutput(piece); n > 0; n = d.con.TakeOutput(piece) {
		d.out.Write(piece[:n])
		d.con.OutputDone(n, nil)
	}
}

const (
	descAt, availAt, usedAt, textAt = 0x1000, 0x2000, 0x3000, 0x4000
	queueSize                       = 8
)

func (d *driver) set(reg uint64, v uint32) {
	d.dev.Write(reg, binary.LittleEndian.AppendUint32(nil, v))
}

func (d *driver) get(reg uint64) uint32 {
	b := make([]byte, 4)
	d.dev.Read(reg, b)
	return binary.LittleEndian.Uint32(b)
}

// start goes through the set-up of VIRTIO 1.2, 3.1.1.
func (d *driver) start() {
	d.set(regStatus, 0)
	d.set(regStatus, 3)
	d.set(regDriverFeatSel, 1)
	d.set(regDriverFeatures, 1)
	d.set(regStatus, 0xb)
	d.set(regQueueSel, consoleOut)
	d.set(regQueueSize, queueSize)
	d.set(regQueueDescLow, descAt)
	d.set(regQueueDriverLow, availAt)
	d.set(regQueueDeviceLow, usedAt)
	d.set(regQueueReady, 1)
	d.set(regStatus, 0xf)
}

func (d *driver) desc(i int, addr uint64, length uint32, flags, next uint16) {
	b := d.mem[descAt+descSize*i:]
	binary.LittleEndian.PutUint64(b, addr)
	binary.LittleEndian.PutUint32(b[8:], length)
	binary.LittleEndian.PutUint16(b[12:], flags)
	binary.LittleEndian.PutUint16(b[14:], next)
}

func (d *driver) offer(head uint16) {
	binary.LittleEndian.PutUint16(d.mem[availAt+availRing+2*int(d.idx%queueSize):], head)
	d.idx++
	binary.LittleEndian.PutUint16(d.mem[availAt+2:], d.idx)
}

func newDriver(out *bytes.Buffer) *driver {
	mem := make(RAM, 64<<10)
	d := &driver{mem: mem, out: out}
	d.con = NewConsole(mem, d.print, nil, nil)
	d.dev = d.con.MMIO
	return d
}

func TestConsoleWritesChains(t *testing.T) {
	var out bytes.Buffer
	d := newDriver(&out)
	require.EqualValues(t, magicValue, d.get(regMagic))
	require.EqualValues(t, 2, d.get(regVersion))
	require.EqualValues(t, 3, d.get(regDeviceID))
	d.start()
	require.EqualValues(t, 0xf, d.get(regStatus))
	copy(d.mem[textAt:], "hello, world\n")
	for i := range 20 { // more than the queue holds: indexes wrap
		d.desc(0, textAt, 7, descNext, 1)
		d.desc(1, textAt+7, 6, 0, 0)
		d.offer(0)
		d.set(regQueueNotify, consoleOut)
		require.EqualValues(t, i+1, binary.LittleEndian.Uint16(d.mem[usedAt+2:]))
	}
	require.Equal(t, string(bytes.Repeat([]byte("hello, world\n"), 20)), out.String())
	require.EqualValues(t, usedBuffer, d.get(regInterruptStatus))
	d.set(regInterruptACK, usedBuffer)
	require.Zero(t, d.get(regInterruptStatus))
	require.Equal(t, QueueCounts{Notifies: 20, Requests: 20, Bytes: uint64(out.Len())}, d.dev.Queues()[consoleOut])
}

// A doorbell takes nothing: what is taken, and when, is the caller's affair, so that no
// driver can make one exit long.
func TestOutputIsTakenInPieces(t *testing.T) {
	mem := make(RAM, 64<<10)
	rung, told := 0, 0
	d := &driver{mem: mem, con: NewConsole(mem, func() { rung++ }, nil, func() { told++ })}
	d.dev = d.con.MMIO
	d.start()
	copy(mem[textAt:], "hello, world")
	d.desc(0, textAt, 12, descNext, 1)
	d.desc(1, textAt+100, statusSize, descWrite, 0)
	status := func() (errno, written uint32) {
		return binary.LittleEndian.Uint32(mem[textAt+100:]), binary.LittleEndian.Uint32(mem[textAt+104:])
	}
	used := func() uint16 { return binary.LittleEndian.Uint16(mem[usedAt+2:]) }
	d.offer(0)
	d.set(regQueueNotify, consoleOut)
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

	d.offer(0)
	mem[availAt] = 1 // NO_INTERRUPT
	require.Equal(t, 5, d.con.TakeOutput(piece))
	d.con.OutputDone(3, syscall.ENOSPC)
	require.EqualValues(t, 2, used())
	e, n = status()
	require.Equal(t, []uint32{uint32(syscall.ENOSPC), 3}, []uint32{e, n})
	require.Equal(t, 1, told, "the driver does not want to be told")

	d.offer(0)
	require.Equal(t, 5, d.con.TakeOutput(piece))
	d.start() // begins anew meanwhile
	d.con.OutputDone(5, nil)
	require.EqualValues(t, 2, used())
	require.EqualValues(t, 0xf, d.get(regStatus))
}

// A line of output leaves no garbage: that would become the VMM's resident memory.
func TestOutputLeavesNoGarbage(t *testing.T) {
	d := newDriver(&bytes.Buffer{})
	d.start()
	d.desc(0, textAt, 12, descNext, 1)
	d.desc(1, textAt+100, statusSize, descWrite, 0)
	piece := make([]byte, 20)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		d.offer(0)
		d.con.OutputDone(d.con.TakeOutput(piece), nil)
	}))
}

func TestFeaturesMustBeVersion1Alone(t *testing.T) {
	d := newDriver(&bytes.Buffer{})
	d.set(regDeviceFeatSel, 1)
	require.EqualValues(t, 1, d.get(regDeviceFeatures))
	d.set(regDeviceFeatSel, 0)
	require.Zero(t, d.get(regDeviceFeatures))
	d.set(regStatus, 0xb)
	require.EqualValues(t, 3, d.get(regStatus), "VERSION_1 was not taken")
}

// startInput sets up the queue for input, too, once the device is live: Doze's driver
// does when its program first reads.
func (d *driver) startInput() {
	d.start()
	d.set(regQueueSel, consoleIn)
	d.set(regQueueSize, queueSize)
	d.set(regQueueDescLow, descAt)
	d.set(regQueueDriverLow, availAt)
	d.set(regQueueDeviceLow, usedAt)
	d.set(regQueueReady, 1)
}

func TestInput(t *testing.T) {
	var rooms []int
	interrupts := 0
	mem := make(RAM, 64<<10)
	d := &driver{mem: mem, con: NewConsole(mem, func() {}, func(n int) { rooms = append(rooms, n) }, func() { interrupts++ })}
	d.dev = d.con.MMIO
	require.Zero(t, d.dev.Receive([]byte("too soon")))
	d.startInput()
	d.set(regQueueNotify, consoleIn)
	require.Empty(t, rooms, "nothing was offered")
	require.Zero(t, d.dev.Receive([]byte("too soon")))
	for i := range 20 {
		d.desc(0, textAt, 3, descWrite|descNext, 1)
		d.desc(1, textAt+100, 5, descWrite, 0)
		d.offer(0)
		d.set(regQueueNotify, consoleIn)
		require.Len(t, rooms, i+1)
		require.Equal(t, 8, rooms[i])
		require.Zero(t, d.dev.Receive(nil))
		require.Equal(t, 8, d.dev.Receive([]byte("seven and more")))
		require.Equal(t, "sev", string(mem[textAt:textAt+3]))
		require.Equal(t, "en an\x00", string(mem[textAt+100:textAt+106]))
		require.Zero(t, d.dev.Receive([]byte("full")))
		require.EqualValues(t, i+1, binary.LittleEndian.Uint16(mem[usedAt+2:]))
		require.EqualValues(t, 8, binary.LittleEndian.Uint32(mem[usedAt+usedRing+usedElem*(i%queueSize)+4:]))
		require.Equal(t, i+1, interrupts)
	}
	d.desc(0, 1<<40, 3, descWrite, 0)
	d.offer(0)
	require.Zero(t, d.dev.Receive([]byte("x")))
	require.EqualValues(t, 0x4f, d.get(regStatus))
}

func TestInputIsAcceptedAndIgnored(t *testing.T) {
	d := newDriver(&bytes.Buffer{})
	d.start()
	d.set(regQueueNotify, 0)
	d.set(regQueueNotify, 77)
	require.EqualValues(t, 0xf, d.get(regStatus))
}

func TestNonsenseNeedsReset(t *testing.T) {
	for name, spoil := range map[string]func(d *driver){
		"address beyond memory": func(d *driver) { d.desc(0, 1<<40, 10, 0, 0) },
		"length beyond memory":  func(d *driver) { d.desc(0, textAt, 1<<31, 0, 0) },
		"address wraps":         func(d *driver) { d.desc(0, ^uint64(0), 16, 0, 0) },
		"loop":                  func(d *driver) { d.desc(0, textAt, 1, descNext, 0) },
		"next out of range":     func(d *driver) { d.desc(0, textAt, 1, descNext, queueSize) },
		"indirect":              func(d *driver) { d.desc(0, textAt, 16, 4, 0) },
		"head out of range":     func(d *driver) { d.offer(queueSize) },
		"too many at once":      func(d *driver) { d.idx += queueSize; d.offer(0) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			d := newDriver(&out)
			d.start()
			spoil(d)
			if d.idx == 0 {
				d.offer(0)
			}
			d.set(regQueueNotify, consoleOut)
			require.EqualValues(t, 0x4f, d.get(regStatus))
			d.set(regQueueNotify, consoleOut) // no harm while it waits
			d.start()
			require.EqualValues(t, 0xf, d.get(regStatus), "a reset heals")
		})
	}
}

// A used ring over the available one offers a request whenever one is returned. That
// is the guest's to see to: the device does not stay with it.
func TestRingsThatOverlap(t *testing.T) {
	var out bytes.Buffer
	d := newDriver(&out)
	d.start()
	d.set(regQueueReady, 0)
	d.set(regQueueDeviceLow, availAt)
	d.set(regQueueReady, 1)
	d.desc(0, textAt, 0, 0, 0)
	d.offer(0)
	d.set(regQueueNotify, consoleOut)
	require.LessOrEqual(t, d.dev.queues[consoleOut].counts.Requests, uint64(2*queueSize))
}

func TestNumbersOfErrors(t *testing.T) {
	require.EqualValues(t, 0, errno(nil))
	require.EqualValues(t, syscall.ENOSPC, errno(fmt.Errorf("disk: %w", syscall.ENOSPC)))
	for _, err := range []error{errQueue, syscall.Errno(0), syscall.Errno(4096)} {
		require.EqualValues(t, syscall.EIO, errno(err), "%#v", err)
	}
}

// FuzzDevice plays a guest that writes registers and memory at random.
func FuzzDevice(f *testing.F) {
	var ok []byte
	for _, w := range [][2]uint32{{regStatus, 3}, {regDriverFeatSel, 1}, {regDriverFeatures, 1}, {regStatus, 11},
		{regQueueSel, 1}, {regQueueSize, 8}, {regQueueDescLow, 0x10}, {regQueueDriverLow, 0x100},
		{regQueueDeviceLow, 0x200}, {regQueueReady, 1}, {regStatus, 15}, {regQueueNotify, 1}} {
		ok = binary.LittleEndian.AppendUint32(append(ok, byte(w[0]), byte(w[0]>>8)), w[1])
	}
	f.Add(ok, bytes.Repeat([]byte{1, 0, 0, 0}, 300))
	f.Add(ok, []byte{0, 1, 2, 3})
	in := bytes.Clone(ok)
	in[6*4+2] = consoleIn     // the value of regQueueSel
	in[len(in)-4] = consoleIn // of regQueueNotify
	content := make([]byte, 4096)
	copy(content[0x10:], []byte{0, 8, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, descWrite}) // 100 bytes at 0x800
	content[0x102] = 1                                                            // one request
	f.Add(in, content)
	f.Fuzz(func(t *testing.T, writes, content []byte) {
		mem := make(RAM, 4096)
		copy(mem, content)
		asked, took := 0, 0
		dev := NewConsole(mem, func() {}, func(room int) { asked = room }, func() {})
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
				dev.OutputDone(n, errQueue)
			}
		}
	})
}
