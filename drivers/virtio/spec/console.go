package spec

// Queues of the console, and of port 1 where there are several (5.3.2).
const (
	ConsoleReceive       = 0
	ConsoleTransmit      = 1
	ConsoleTransmitPort1 = 5
)

// ConsoleMultiport is VIRTIO_CONSOLE_F_MULTIPORT (5.3.3).
const ConsoleMultiport = 1 << 1

// A status is what hostvmm's device adds to the specification's console: the second
// descriptor of a request for output, which the device may write. Other devices leave it
// zero.
const (
	ConsoleStatusSize    = 8
	ConsoleStatusErrno   = 0 // u32: the host's error number, 0 if all was written
	ConsoleStatusWritten = 4 // u32: how many bytes were written before an error
)
