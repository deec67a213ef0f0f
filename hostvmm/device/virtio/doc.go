// Package virtio is the device's side of VIRTIO: the virtio-mmio transport (VIRTIO 1.2,
// 4.2) and the split virtqueue (2.7). The folders beside it have the devices.
//
// All that a device reads in guest memory is hostile: addresses, lengths and
// indexes are checked against the memory each time, fields are read once, and
// work per request is bounded. A device must never panic, loop without end or
// touch memory outside Memory because of what a guest did; it stops serving a
// queue that makes no sense and asks for a reset.
package virtio
