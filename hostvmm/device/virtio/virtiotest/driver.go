// Package virtiotest is the guest's side of a virtio device as a plain program, for the
// devices' tests: it writes what a driver would. It must never be linked into the VMM.
package virtiotest

import (
	"encoding/binary"

	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/hostvmm/device/virtio"
)

// Where a queue and the requests' bytes lie, and how many descriptors there are.
const (
	DescAt, AvailAt, UsedAt, TextAt = 0x1000, 0x2000, 0x3000, 0x4000
	QueueSize                       = 8
)

// Driver is a guest with one queue.
type Driver struct {
	Mem virtio.RAM
	Dev *virtio.MMIO
	Idx uint16 // of the available ring
}

// Set writes a register.
func (d *Driver) Set(reg uint64, v uint32) {
	d.Dev.Write(reg, binary.LittleEndian.AppendUint32(nil, v))
}

// Get reads a register.
func (d *Driver) Get(reg uint64) uint32 {
	b := make([]byte, 4)
	d.Dev.Read(reg, b)
	return binary.LittleEndian.Uint32(b)
}

// Start goes through the set-up of VIRTIO 1.2, 3.1.1, with features of the lower half.
func (d *Driver) Start(features, queue uint32) {
	const known = spec.StatusAcknowledge | spec.StatusDriver
	d.Set(spec.RegStatus, 0)
	d.Set(spec.RegStatus, known)
	d.Set(spec.RegDriverFeaturesSel, 0)
	d.Set(spec.RegDriverFeatures, features)
	d.Set(spec.RegDriverFeaturesSel, 1)
	d.Set(spec.RegDriverFeatures, spec.FeatureVersion1>>spec.FeatureWord)
	d.Set(spec.RegStatus, known|spec.StatusFeaturesOK)
	d.SetQueue(queue)
	d.Set(spec.RegStatus, known|spec.StatusFeaturesOK|spec.StatusDriverOK)
}

// SetQueue sets a queue up.
func (d *Driver) SetQueue(queue uint32) {
	d.Set(spec.RegQueueSel, queue)
	d.Set(spec.RegQueueSize, QueueSize)
	d.Set(spec.RegQueueDesc, DescAt)
	d.Set(spec.RegQueueDriver, AvailAt)
	d.Set(spec.RegQueueDevice, UsedAt)
	d.Set(spec.RegQueueReady, 1)
}

// Desc writes descriptor i.
func (d *Driver) Desc(i int, addr uint64, length uint32, flags, next uint16) {
	b := d.Mem[DescAt+spec.DescSize*i:]
	binary.LittleEndian.PutUint64(b, addr)
	binary.LittleEndian.PutUint32(b[spec.DescLen:], length)
	binary.LittleEndian.PutUint16(b[spec.DescFlags:], flags)
	binary.LittleEndian.PutUint16(b[spec.DescNext:], next)
}

// Offer makes the chain that begins at head available.
func (d *Driver) Offer(head uint16) {
	binary.LittleEndian.PutUint16(d.Mem[AvailAt+spec.RingEntries+spec.AvailEntry*int(d.Idx%QueueSize):], head)
	d.Idx++
	binary.LittleEndian.PutUint16(d.Mem[AvailAt+spec.RingIndex:], d.Idx)
}
