// Package spec has the numbers of VIRTIO 1.2 that a driver and a device must agree on:
// the transport's registers, the status, queues, and the devices' features and
// configurations. The guest's drivers and the VMM's devices take them from here.
//
// The package holds constants and a table of names alone. It must never import, and must
// never decide what a driver or a device does with a number.
//
// The numbers in brackets are sections of the specification
// (docs.oasis-open.org/virtio/virtio/v1.2).
package spec

// Registers of the virtio-mmio transport (4.2.2), 32-bit accesses below RegConfig.
const (
	RegMagic             = 0x000
	RegVersion           = 0x004
	RegDeviceID          = 0x008
	RegVendorID          = 0x00c
	RegDeviceFeatures    = 0x010
	RegDeviceFeaturesSel = 0x014
	RegDriverFeatures    = 0x020
	RegDriverFeaturesSel = 0x024
	RegQueueSel          = 0x030
	RegQueueSizeMax      = 0x034
	RegQueueSize         = 0x038
	RegQueueReady        = 0x044
	RegQueueNotify       = 0x050
	RegInterruptStatus   = 0x060
	RegInterruptACK      = 0x064
	RegStatus            = 0x070
	RegQueueDesc         = 0x080 // low half; the high half is HighHalf further, as for the next two
	RegQueueDriver       = 0x090
	RegQueueDevice       = 0x0a0
	RegConfigGeneration  = 0x0fc
	RegConfig            = 0x100

	HighHalf = 4
)

// What RegMagic and RegVersion read.
const (
	Magic   = 0x74726976 // "virt"
	Version = 2
)

// Bits of RegStatus (2.1).
const (
	StatusAcknowledge = 1
	StatusDriver      = 2
	StatusDriverOK    = 4
	StatusFeaturesOK  = 8
	StatusNeedsReset  = 0x40
	StatusFailed      = 0x80
)

// Bits of RegInterruptStatus (4.2.2).
const (
	InterruptUsed   = 1 // the device has used a buffer
	InterruptConfig = 2 // the configuration has changed
)

// FeatureVersion1 is VIRTIO_F_VERSION_1 (6). The registers have features in words of
// FeatureWord bits.
const (
	FeatureVersion1 = 1 << 32
	FeatureWord     = 32
)

// Device types (5).
const (
	DeviceNone    = 0
	DeviceConsole = 3
	DeviceBalloon = 5
)
