package mmio

import (
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/drivers/virtio/queue"
	"github.com/doze-vm/doze/drivers/virtio/spec"
)

// registers is a window of plain memory. It remembers what is written, and does
// nothing: good for the order of things and for what a device says from the
// start, not for a device that changes its mind.
func registers(t *testing.T, device uint32) Regs {
	t.Helper()
	r := Regs{outside(t, 4096)}
	r.Store(spec.RegMagic, spec.Magic)
	r.Store(spec.RegVersion, spec.Version)
	r.Store(spec.RegDeviceID, device)
	r.Store(spec.RegDeviceFeatures, featureVersion1)
	r.Store(spec.RegQueueSizeMax, 256)
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
		{"a console", spec.RegDeviceID, 3, spec.DeviceConsole, OK},
		{"a disk", spec.RegDeviceID, 2, 2, OK},
		{"empty slot", spec.RegDeviceID, 0, 0, NoDevice},
		{"nothing there", spec.RegMagic, 0xffffffff, 0, BadMagic},
		{"other byte order", spec.RegMagic, 0x76697274, 0, BadMagic},
		{"legacy", spec.RegVersion, 1, 0, BadVersion},
		{"from the future", spec.RegVersion, 3, 0, BadVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := registers(t, spec.DeviceConsole)
			r.Store(c.reg, c.value)
			device, code := r.Probe()
			assert.Equal(t, c.code, code)
			assert.Equal(t, c.device, device)
			assert.Zero(t, r.Load(spec.RegStatus), "nothing changed")
		})
	}
	_, code := Regs{}.Probe()
	assert.Equal(t, BadMemory, code)
}

func TestBegin(t *testing.T) {
	r := registers(t, spec.DeviceConsole)
	r.Store(spec.RegStatus, spec.StatusFailed) // what somebody left
	require.Equal(t, OK, r.Begin(spec.DeviceConsole))
	assert.EqualValues(t, spec.StatusAcknowledge|spec.StatusDriver|spec.StatusFeaturesOK, r.Load(spec.RegStatus))
	assert.EqualValues(t, 1, r.Load(spec.RegDriverFeaturesSel))
	assert.EqualValues(t, 1, r.Load(spec.RegDriverFeatures), "VERSION_1 and nothing else of that word")
}

func TestBeginRefuses(t *testing.T) {
	r := registers(t, spec.DeviceConsole)
	assert.Equal(t, WrongDevice, r.Begin(1))
	assert.Zero(t, r.Load(spec.RegStatus), "another driver's device is left alone")
	r.Store(spec.RegDeviceFeatures, ^uint32(featureVersion1))
	assert.Equal(t, NoVersion1, r.Begin(spec.DeviceConsole))
	r.Store(spec.RegMagic, 0)
	assert.Equal(t, BadMagic, r.Begin(spec.DeviceConsole))
}

func TestSetQueue(t *testing.T) {
	r := registers(t, spec.DeviceConsole)
	q := newQueue(t, 64)
	require.Equal(t, OK, r.SetQueue(5, q))
	assert.EqualValues(t, 5, r.Load(spec.RegQueueSel))
	assert.EqualValues(t, 64, r.Load(spec.RegQueueSize))
	assert.EqualValues(t, 1, r.Load(spec.RegQueueReady))
	for reg, want := range map[uintptr]uintptr{
		spec.RegQueueDesc: q.Desc(), spec.RegQueueDriver: q.Driver(), spec.RegQueueDevice: q.Device(),
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
		r := registers(t, spec.DeviceConsole)
		r.Store(spec.RegQueueSizeMax, c.max)
		assert.Equal(t, c.code, r.SetQueue(0, newQueue(t, c.size)), c.name)
		assert.Equal(t, c.code == OK, r.Load(spec.RegQueueReady) == 1, c.name)
	}
	assert.Equal(t, BadMemory, registers(t, 3).SetQueue(0, new(queue.Queue)))
}

func TestStatus(t *testing.T) {
	r := registers(t, spec.DeviceConsole)
	require.Equal(t, OK, r.Start())
	assert.EqualValues(t, 0xf, r.Load(spec.RegStatus))
	assert.Equal(t, OK, r.Check())
	r.Store(spec.RegStatus, 0xf|spec.StatusNeedsReset)
	assert.Equal(t, DeviceFailed, r.Check())
	r.Fail()
	assert.EqualValues(t, spec.StatusFailed, r.Load(spec.RegStatus))
	assert.Equal(t, DeviceFailed, r.Check())
	assert.Equal(t, OK, r.Reset())
	assert.Equal(t, OK, r.Check())
}

func TestNotifyAndAcknowledge(t *testing.T) {
	r := registers(t, spec.DeviceConsole)
	r.Notify(3)
	assert.EqualValues(t, 3, r.Load(spec.RegQueueNotify))
	assert.Zero(t, r.Acknowledge())
	r.Store(spec.RegInterruptStatus, 3)
	assert.EqualValues(t, 3, r.Acknowledge())
	assert.EqualValues(t, 3, r.Load(spec.RegInterruptACK))
}

func TestCodeText(t *testing.T) {
	seen := map[string]bool{}
	for c := OK; c <= BadMemory; c++ {
		assert.False(t, seen[c.Text()], "%d", c)
		seen[c.Text()] = true
	}
	assert.Equal(t, "unknown code", (BadMemory + 1).Text())
}
