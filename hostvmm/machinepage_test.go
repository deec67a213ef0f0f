package hostvmm

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
)

func TestMachinePageSaysWhatTheVCPUIs(t *testing.T) {
	mem := make([]byte, abi.MachinePage+abi.PageSize)
	writeMachinePage(mem, []kvm.CPUIDEntry{
		{Function: 1, ECX: abi.CPUX2APIC | abi.CPUTSCDeadline},
		{Function: 0xd, Index: 0, EAX: 0x2e7, EBX: 2440, ECX: 2440},
		{Function: 0xd, Index: 1, EAX: 0xf, EBX: 0xffff},
		{Function: 0xd, Index: 2, EAX: 256, EBX: 576},
		{Function: 0xd, Index: 7, EAX: 1024, EBX: 1408},
		{Function: 0xd, Index: 9, EAX: 8, EBX: 2432}, // protection keys: not saved
		{Function: 0x40000001, EAX: 0x1007efb},
	})
	get := func(offset int) uint32 { return binary.LittleEndian.Uint32(mem[abi.MachinePage+offset:]) }
	require.EqualValues(t, features, get(abi.MachineFeatures))
	require.EqualValues(t, 0x1007efb, get(abi.MachineKVM))
	require.EqualValues(t, abi.CPUX2APIC|abi.CPUTSCDeadline, get(abi.MachineCPU))
	require.EqualValues(t, 1408+1024, get(abi.MachineVectors))
	require.Zero(t, get(abi.MachineAPICID))
}
