package spec

// The split virtqueue (2.7). All numbers are little-endian; offsets and sizes are bytes.

// QueueMax is the most descriptors that a queue has (2.7).
const QueueMax = 32768

// A descriptor (2.7.5): an address at 0, a length, flags, and the next of its chain.
const (
	DescSize  = 16
	DescLen   = 8
	DescFlags = 12
	DescNext  = 14

	DescFlagNext  = 1
	DescFlagWrite = 2 // the device writes
)

// The available ring (2.7.6) and the used ring (2.7.8): flags at 0, an index, entries.
const (
	RingIndex   = 2
	RingEntries = 4

	AvailEntry           = 2
	AvailFlagNoInterrupt = 1

	UsedEntry        = 8 // the chain's first descriptor at 0
	UsedLen          = 4 // how many bytes were written into it
	UsedFlagNoNotify = 1
)
