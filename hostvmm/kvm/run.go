package kvm

import (
	"encoding/binary"
	"fmt"
)

// Offsets in struct kvm_run (uapi/linux/kvm.h).
const (
	runExitReason = 8
	runIODir      = 32
	runIOSize     = 33
	runIOPort     = 34
	runIOCount    = 36
	runIOData     = 40
	runMMIOPhys   = 32
	runMMIOData   = 40
	runMMIOLen    = 48
	runMMIOWrite  = 52
	runSuberror   = 32
	runNdata      = 36
	runErrorData  = 40
	runFailReason = 32
	runEventType  = 32
	runSize       = 2352
)

// ExitReason says why the last successful Run returned.
func (c *VCPU) ExitReason() uint32 { return c.u32(runExitReason) }

func (c *VCPU) u32(offset int) uint32 { return binary.LittleEndian.Uint32(c.mem[offset:]) }

// IO is a port access. Data holds Count items of Size bytes: written by the
// guest, or to be filled in before the next Run.
type IO struct {
	Out  bool
	Size int
	Port uint16
	Data []byte
}

// IO returns the access of an ExitIO.
func (c *VCPU) IO() IO {
	io := IO{
		Out:  c.mem[runIODir] == 1,
		Size: int(c.mem[runIOSize]),
		Port: binary.LittleEndian.Uint16(c.mem[runIOPort:]),
	}
	length := uint64(io.Size) * uint64(c.u32(runIOCount))
	offset := binary.LittleEndian.Uint64(c.mem[runIOData:])
	size := uint64(len(c.mem))
	if offset < size && length <= size-offset {
		io.Data = c.mem[offset : offset+length]
	}
	return io
}

// MMIO is an access to an address without memory. Data is what was written, or
// is to be filled in before the next Run.
type MMIO struct {
	Write bool
	Addr  uint64
	Data  []byte
}

// MMIO returns the access of an ExitMMIO.
func (c *VCPU) MMIO() MMIO {
	n := min(c.u32(runMMIOLen), 8)
	return MMIO{
		Write: c.mem[runMMIOWrite] != 0,
		Addr:  binary.LittleEndian.Uint64(c.mem[runMMIOPhys:]),
		Data:  c.mem[runMMIOData : runMMIOData+int(n)],
	}
}

var suberrors = map[uint32]string{
	1: "KVM could not emulate an instruction", 2: "exceptions arrived together",
	3: "an event could not be delivered", 4: "unexpected exit of the hardware",
}

// DescribeExit says in words what ended the last Run, for crash reports.
func (c *VCPU) DescribeExit() string {
	reason := c.ExitReason()
	switch reason {
	case ExitShutdown:
		return "triple fault"
	case ExitFailEntry:
		return fmt.Sprintf("the CPU refused the guest's state (hardware reason %#x)",
			binary.LittleEndian.Uint64(c.mem[runFailReason:]))
	case ExitInternalError:
		return c.describeInternalError()
	case ExitSystemEvent:
		return fmt.Sprintf("system event %d", c.u32(runEventType))
	}
	return "unexpected exit: " + ExitName(reason)
}

func (c *VCPU) describeInternalError() string {
	sub := c.u32(runSuberror)
	text, ok := suberrors[sub]
	if !ok {
		text = fmt.Sprintf("suberror %d", sub)
	}
	text = "KVM internal error: " + text
	for i := range min(c.u32(runNdata), 16) {
		text += fmt.Sprintf(" %#x", binary.LittleEndian.Uint64(c.mem[runErrorData+8*i:]))
	}
	return text
}
