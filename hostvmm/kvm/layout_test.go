package kvm

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The size of an ioctl's structure is part of its number (bits 16 to 29), so the
// numbers check the types.
func TestSizesMatchTheNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		number uintptr
		size   uintptr
	}{
		"kvm_userspace_memory_region": {ioSetUserMemoryRegion, unsafe.Sizeof(userspaceMemoryRegion{})},
		"kvm_clock_data":              {ioGetClock, unsafe.Sizeof(ClockData{})},
		"kvm_msi":                     {ioSignalMSI, unsafe.Sizeof(msi{})},
		"kvm_regs get":                {ioGetRegs, unsafe.Sizeof(Regs{})},
		"kvm_regs set":                {ioSetRegs, unsafe.Sizeof(Regs{})},
		"kvm_sregs get":               {ioGetSregs, unsafe.Sizeof(Sregs{})},
		"kvm_sregs set":               {ioSetSregs, unsafe.Sizeof(Sregs{})},
		"kvm_xcrs":                    {ioSetXcrs, unsafe.Sizeof(xcrs{})},
		"kvm_cpuid2 head":             {ioSetCPUID2, unsafe.Offsetof(cpuidList{}.entries)},
	} {
		assert.Equal(t, c.number>>16&0x3fff, c.size, name)
	}
}

func TestOffsets(t *testing.T) {
	var s Sregs
	var r Regs
	var c ClockData
	for name, got := range map[string][2]uintptr{
		"cs.limit":    {unsafe.Offsetof(s.CS.Limit), 8},
		"cs.selector": {unsafe.Offsetof(s.CS.Selector), 12},
		"cs.type":     {unsafe.Offsetof(s.CS.Type), 14},
		"cs.l":        {unsafe.Offsetof(s.CS.L), 19},
		"cs.unusable": {unsafe.Offsetof(s.CS.Unusable), 22},
		"tr":          {unsafe.Offsetof(s.TR), 144},
		"gdt":         {unsafe.Offsetof(s.GDT), 192},
		"cr0":         {unsafe.Offsetof(s.CR0), 224},
		"efer":        {unsafe.Offsetof(s.EFER), 264},
		"bitmap":      {unsafe.Offsetof(s.InterruptBitmap), 280},
		"rip":         {unsafe.Offsetof(r.RIP), 128},
		"realtime":    {unsafe.Offsetof(c.Realtime), 16},
		"host_tsc":    {unsafe.Offsetof(c.HostTSC), 24},
		"entry size":  {unsafe.Sizeof(CPUIDEntry{}), 40},
		"entry eax":   {unsafe.Offsetof(CPUIDEntry{}.EAX), 12},
		"xcr":         {unsafe.Sizeof(xcr{}), 16},
		"xcrs list":   {unsafe.Offsetof(xcrs{}.list), 8},
	} {
		assert.Equal(t, got[1], got[0], name)
	}
}

func TestIOIsBoundedByTheMapping(t *testing.T) {
	c := &VCPU{mem: make([]byte, 8192)}
	c.mem[runIODir], c.mem[runIOSize] = 1, 2
	binary.LittleEndian.PutUint16(c.mem[runIOPort:], 0xe9)
	binary.LittleEndian.PutUint32(c.mem[runIOCount:], 3)
	binary.LittleEndian.PutUint64(c.mem[runIOData:], 4096)
	io := c.IO()
	assert.Equal(t, IO{Out: true, Size: 2, Port: 0xe9, Data: c.mem[4096:4102]}, io)

	binary.LittleEndian.PutUint32(c.mem[runIOCount:], 1<<31)
	assert.Empty(t, c.IO().Data)
	binary.LittleEndian.PutUint64(c.mem[runIOData:], 1<<63)
	assert.Empty(t, c.IO().Data)
}

func TestKickIsSeenByTheNextRun(t *testing.T) {
	c := &VCPU{mem: make([]byte, runSize)}
	c.Kick()
	assert.EqualValues(t, 1, c.mem[1], "immediate_exit is byte 1")
	assert.EqualValues(t, 0, c.mem[0])
	c.ClearKick()
	assert.EqualValues(t, 0, c.mem[1])
}

func TestDescribeExit(t *testing.T) {
	c := &VCPU{mem: make([]byte, runSize)}
	c.mem[runExitReason] = ExitInternalError
	c.mem[runSuberror], c.mem[runNdata], c.mem[runErrorData] = 1, 1, 0x2a
	assert.Equal(t, "KVM internal error: KVM could not emulate an instruction 0x2a", c.DescribeExit())
	c.mem[runExitReason] = ExitShutdown
	assert.Equal(t, "triple fault", c.DescribeExit())
	c.mem[runExitReason] = 77
	assert.Equal(t, "unexpected exit: exit 77", c.DescribeExit())
}

func TestOpenSaysWhatToDo(t *testing.T) {
	s, err := Open()
	if err != nil {
		require.ErrorContains(t, err, Device)
		if errors.Is(err, os.ErrNotExist) {
			require.ErrorContains(t, err, "load kvm_intel or kvm_amd")
		}
		return
	}
	defer s.Close()
	entries, err := s.SupportedCPUID()
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	require.NotZero(t, s.Check(CapIRQChip))
}
