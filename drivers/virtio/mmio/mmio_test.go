package mmio

import (
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/drivers/virtio/queue"
)

// registers is a window of plain memory. It remembers what is written, and does
// nothing: good for the order of things and for what a device says from the
// start, not for a device that changes its mind.
func registers(t *testing.T, device uint32) Regs {
	t.Helper()
	r := Regs{outside(t, 4096)}
	r.Store(RegMagic, Magic)
	r.Store(RegVersion, Version)
	r.Store(RegDeviceID, device)
	r.Store(RegDeviceFeatures, featureVersion1)
	r.Store(RegQueueSizeMax, 256)
	return r
}

func outside(t *testing.T, size uintptr) uintptr {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
}

func newQueue(t *testing.T, n uint16) *queue.Queue {
	t.Helper()
	q := new(queue.Queue)
	require.Equal(t, queue.OK, q.Init(outside(t, queue.Size(n)), n))
	return q
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name   string
		reg    uintptr
		value  uint32
		device uint32
		code   Code
	}{
		{"a console", RegDeviceID, 3, DeviceConsole, OK},
		{"a disk", RegDeviceID, 2, 2, OK},
		{"empty slot", RegDeviceID, 0, 0, NoDevice},
		{"nothing there", RegMagic, 0xffffffff, 0, BadMagic},
		{"other byte order", RegMagic, 0x76697274, 0, BadMagic},
		{"legacy", RegVersion, 1, 0, BadVersion},
		{"from the future", RegVersion, 3, 0, BadVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := registers(t, DeviceConsole)
			r.Store(c.reg, c.value)
			device, code := r.Probe()
			assert.Equal(t, c.code, code)
			assert.Equal(t, c.device, device)
			assert.Zero(t, r.Load(RegStatus), "nothing changed")
		})
	}
	_, code := Regs{}.Probe()
	assert.Equal(t, BadMemory, code)
}

func TestBegin(t *testing.T) {
	r := registers(t, DeviceConsole)
	r.Store(RegStatus, StatusFailed) // what somebody left
	require.Equal(t, OK, r.Begin(DeviceConsole))
	assert.EqualValues(t, StatusAcknowledge|StatusDriver|StatusFeaturesOK, r.Load(RegStatus))
	assert.EqualValues(t, 1, r.Load(RegDriverFeaturesSel))
	assert.EqualValues(t, 1, r.Load(RegDriverFeatures), "VERSION_1 and nothing else of that word")
}

func TestBeginRefuses(t *testing.T) {
	r := registers(t, DeviceConsole)
	assert.Equal(t, WrongDevice, r.Begin(1))
	assert.Zero(t, r.Load(RegStatus), "another driver's device is left alone")
	r.Store(RegDeviceFeatures, ^uint32(featureVersion1))
	assert.Equal(t, NoVersion1, r.Begin(DeviceConsole))
	r.Store(RegMagic, 0)
	assert.Equal(t, BadMagic, r.Begin(DeviceConsole))
}

func TestSetQueue(t *testing.T) {
	r := registers(t, DeviceConsole)
	q := newQueue(t, 64)
	require.Equal(t, OK, r.SetQueue(5, q))
	assert.EqualValues(t, 5, r.Load(RegQueueSel))
	assert.EqualValues(t, 64, r.Load(RegQueueSize))
	assert.EqualValues(t, 1, r.Load(RegQueueReady))
	for reg, want := range map[uintptr]uintptr{
		RegQueueDesc: q.Desc(), RegQueueDriver: q.Driver(), RegQueueDevice: q.Device(),
	} {
		assert.Equal(t, uint64(want), uint64(r.Load(reg+4))<<32|uint64(r.Load(reg)), "register %#x", reg)
	}
	assert.Equal(t, QueueInUse, r.SetQueue(5, q))
}

func TestSetQueueRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		max  uint32
		size uint16
		code Code
	}{
		{"no such queue", 0, 4, NoQueue},
		{"too small", 32, 64, QueueTooSmall},
		{"just fits", 64, 64, OK},
	} {
		r := registers(t, DeviceConsole)
		r.Store(RegQueueSizeMax, c.max)
		assert.Equal(t, c.code, r.SetQueue(0, newQueue(t, c.size)), c.name)
		assert.Equal(t, c.code == OK, r.Load(RegQueueReady) == 1, c.name)
	}
	assert.Equal(t, BadMemory, registers(t, 3).SetQueue(0, new(queue.Queue)))
}

func TestStatus(t *testing.T) {
	r := registers(t, DeviceConsole)
	require.Equal(t, OK, r.Start())
	assert.EqualValues(t, 0xf, r.Load(RegStatus))
	assert.Equal(t, OK, r.Check())
	r.Store(RegStatus, 0xf|StatusNeedsReset)
	assert.Equal(t, DeviceFailed, r.Check())
	r.Fail()
	assert.EqualValues(t, StatusFailed, r.Load(RegStatus))
	assert.Equal(t, DeviceFailed, r.Check())
	assert.Equal(t, OK, r.Reset())
	assert.Equal(t, OK, r.Check())
}

func TestNotifyAndAcknowledge(t *testing.T) {
	r := registers(t, DeviceConsole)
	r.Notify(3)
	assert.EqualValues(t, 3, r.Load(RegQueueNotify))
	assert.Zero(t, r.Acknowledge())
	r.Store(RegInterruptStatus, 3)
	assert.EqualValues(t, 3, r.Acknowledge())
	assert.EqualValues(t, 3, r.Load(RegInterruptACK))
}

func TestCodeText(t *testing.T) {
	seen := map[string]bool{}
	for c := OK; c <= BadMemory; c++ {
		assert.False(t, seen[c.Text()], "%d", c)
		seen[c.Text()] = true
	}
	assert.Equal(t, "unknown code", (BadMemory + 1).Text())
}
