// Package mmio finds and starts a virtio device behind the virtio-mmio transport,
// version 2 (VIRTIO 1.2, 4.2).
//
// It runs beneath the Go scheduler: it must never allocate, panic, block or store
// a pointer, and waits for a device for a bounded number of reads only. It knows
// no device: what the queues carry is the caller's business. It accepts no feature
// but VERSION_1 and those of the first 32 that the caller names.
package mmio

import (
	"github.com/doze-vm/doze/drivers/virtio/queue"
	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/kernel/mmio"
)

// Features are read in words of 32 bits (4.2.2): version1 is VERSION_1 in the upper one.
const (
	featureWordHigh = 1
	featureVersion1 = spec.FeatureVersion1 >> spec.FeatureWord
)

// resetReads bounds how often the status is read after a reset.
const resetReads = 1 << 16

// Code says how an operation ended.
type Code uint8

const (
	OK Code = iota
	BadMagic
	BadVersion
	NoDevice
	WrongDevice
	ResetStuck
	NoVersion1
	FeaturesRefused
	NoQueue
	QueueTooSmall
	QueueInUse
	DeviceFailed
	BadMemory // for callers: memory or address that can't be used
)

// Text is a few words for the code.
func (c Code) Text() string {
	switch c {
	case OK:
		return "ok"
	case BadMagic:
		return "no virtio-mmio device here (wrong magic)"
	case BadVersion:
		return "not virtio-mmio version 2 (a legacy transport?)"
	case NoDevice:
		return "empty virtio-mmio slot"
	case WrongDevice:
		return "another type of virtio device"
	case ResetStuck:
		return "device does not finish its reset"
	case NoVersion1:
		return "device does not offer VIRTIO_F_VERSION_1"
	case FeaturesRefused:
		return "device refuses the features"
	case NoQueue:
		return "device has no such queue"
	case QueueTooSmall:
		return "device's queue is too small"
	case QueueInUse:
		return "queue is in use after a reset"
	case DeviceFailed:
		return "device reports a failure"
	case BadMemory:
		return "bad memory for a queue"
	}
	return "unknown code"
}

// Regs is a device's register window.
type Regs struct{ Base uintptr }

// Load reads a register.
func (r Regs) Load(reg uintptr) uint32 { return mmio.Load32(r.Base + reg) }

// Store writes a register.
func (r Regs) Store(reg uintptr, v uint32) { mmio.Store32(r.Base+reg, v) }

// Probe says what type of device is there. It changes nothing.
func (r Regs) Probe() (device uint32, code Code) {
	switch {
	case r.Base == 0:
		return spec.DeviceNone, BadMemory
	case r.Load(spec.RegMagic) != spec.Magic:
		return spec.DeviceNone, BadMagic
	case r.Load(spec.RegVersion) != spec.Version:
		return spec.DeviceNone, BadVersion
	}
	if device = r.Load(spec.RegDeviceID); device == spec.DeviceNone {
		return spec.DeviceNone, NoDevice
	}
	return device, OK
}

// Begin resets a device of that type and agrees on features: the first six steps
// of 3.1.1. SetQueue and Start follow; Fail after any code but OK.
func (r Regs) Begin(device uint32) Code {
	_, code := r.BeginWith(device, 0)
	return code
}

// BeginWith is Begin for a driver that knows some of the features 0 to 31; it
// returns which of them the device offers, which then are in force.
func (r Regs) BeginWith(device, known uint32) (features uint32, code Code) {
	found, code := r.Probe()
	if code != OK {
		return 0, code
	}
	if found != device {
		return 0, WrongDevice
	}
	if code = r.Reset(); code != OK {
		return 0, code
	}
	r.Store(spec.RegStatus, spec.StatusAcknowledge)
	r.Store(spec.RegStatus, spec.StatusAcknowledge|spec.StatusDriver)
	if known != 0 {
		r.Store(spec.RegDeviceFeaturesSel, 0)
		features = known & r.Load(spec.RegDeviceFeatures)
	}
	return features, r.negotiate(features)
}

// Reset resets the device and waits until it says so (4.2.2.1).
func (r Regs) Reset() Code {
	r.Store(spec.RegStatus, 0)
	for range resetReads {
		if r.Load(spec.RegStatus) == 0 {
			return OK
		}
	}
	return ResetStuck
}

func (r Regs) negotiate(features uint32) Code {
	r.Store(spec.RegDeviceFeaturesSel, featureWordHigh)
	if r.Load(spec.RegDeviceFeatures)&featureVersion1 == 0 {
		return NoVersion1
	}
	r.Store(spec.RegDriverFeaturesSel, 0)
	r.Store(spec.RegDriverFeatures, features)
	r.Store(spec.RegDriverFeaturesSel, featureWordHigh)
	r.Store(spec.RegDriverFeatures, featureVersion1)
	const agreed = spec.StatusAcknowledge | spec.StatusDriver | spec.StatusFeaturesOK
	r.Store(spec.RegStatus, agreed)
	if r.Load(spec.RegStatus)&(spec.StatusFeaturesOK|spec.StatusFailed) != spec.StatusFeaturesOK {
		return FeaturesRefused
	}
	return OK
}

// SetQueue hands a queue to the device (4.2.3.2).
func (r Regs) SetQueue(index uint32, q *queue.Queue) Code {
	if q.Len() == 0 {
		return BadMemory
	}
	r.Store(spec.RegQueueSel, index)
	if r.Load(spec.RegQueueReady) != 0 {
		return QueueInUse
	}
	switch most := r.Load(spec.RegQueueSizeMax); {
	case most == 0:
		return NoQueue
	case most < uint32(q.Len()):
		return QueueTooSmall
	}
	r.Store(spec.RegQueueSize, uint32(q.Len()))
	r.storeAddr(spec.RegQueueDesc, q.Desc())
	r.storeAddr(spec.RegQueueDriver, q.Driver())
	r.storeAddr(spec.RegQueueDevice, q.Device())
	r.Store(spec.RegQueueReady, 1)
	return OK
}

func (r Regs) storeAddr(reg, addr uintptr) {
	r.Store(reg, uint32(addr))
	r.Store(reg+4, uint32(addr>>32))
}

// HasQueue says whether the device has a queue of that number.
func (r Regs) HasQueue(index uint32) bool {
	r.Store(spec.RegQueueSel, index)
	return r.Load(spec.RegQueueSizeMax) != 0
}

// Start sets DRIVER_OK: the device is live.
func (r Regs) Start() Code {
	const live = spec.StatusAcknowledge | spec.StatusDriver | spec.StatusFeaturesOK | spec.StatusDriverOK
	r.Store(spec.RegStatus, live)
	return r.Check()
}

// Check says whether the device still works.
func (r Regs) Check() Code {
	if r.Load(spec.RegStatus)&(spec.StatusNeedsReset|spec.StatusFailed) != 0 {
		return DeviceFailed
	}
	return OK
}

// Fail tells the device that the driver has given up.
func (r Regs) Fail() { r.Store(spec.RegStatus, spec.StatusFailed) }

// Notify rings the doorbell of a queue.
func (r Regs) Notify(index uint32) { r.Store(spec.RegQueueNotify, index) }

// Acknowledge reads which interrupts are due (bit 0 used buffers, bit 1 the
// configuration) and takes them back.
func (r Regs) Acknowledge() uint32 {
	due := r.Load(spec.RegInterruptStatus)
	if due != 0 {
		r.Store(spec.RegInterruptACK, due)
	}
	return due
}
