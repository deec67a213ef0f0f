package virtio

import "errors"

// Memory is guest-physical memory. Slice returns length bytes from addr, or
// false if not all of them are RAM.
type Memory interface {
	Slice(addr, length uint64) ([]byte, bool)
}

// RAM is memory from guest-physical 0.
type RAM []byte

// Slice implements Memory.
func (r RAM) Slice(addr, length uint64) ([]byte, bool) {
	size := uint64(len(r))
	if addr > size || length > size-addr {
		return nil, false
	}
	return r[addr : addr+length : addr+length], true
}

// ErrQueue is why a device needs a reset; the guest broke the protocol.
var ErrQueue = errors.New("the guest's virtqueue makes no sense")
