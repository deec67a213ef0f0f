package cpuid

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
)

func leaf(list []kvm.CPUIDEntry, function uint32) (found []kvm.CPUIDEntry) {
	for _, e := range list {
		if e.Function == function {
			found = append(found, e)
		}
	}
	return found
}

func TestGuestCPUID(t *testing.T) {
	got := Guest([]kvm.CPUIDEntry{
		{Function: 1, EBX: 0x05100800, ECX: ecxVMX | ecxMonitor | 1},
		{Function: 7, Flags: kvm.CPUIDIndexed, EDX: edxAMX | 1},
		{Function: 0xb, Index: 1, Flags: kvm.CPUIDIndexed, EDX: 5},
		{Function: 0x80000001, ECX: ecxSVM | 1},
		{Function: 0x40000001, EAX: 0x1007efb},
		{Function: abi.CPUIDDoze, EAX: 99},
	}, true)
	require.Equal(t, []kvm.CPUIDEntry{{Function: 1, EBX: 0x0800, ECX: abi.CPUTSCDeadline | abi.CPUHypervisor | 1}}, leaf(got, 1))
	without := Guest([]kvm.CPUIDEntry{{Function: 1, ECX: abi.CPUTSCDeadline}}, false)
	require.EqualValues(t, abi.CPUHypervisor, leaf(without, 1)[0].ECX)
	require.EqualValues(t, 1, leaf(got, 7)[0].EDX)
	require.Zero(t, leaf(got, 0xb)[0].EDX)
	require.EqualValues(t, 1, leaf(got, 0x80000001)[0].ECX)
	require.EqualValues(t, 0x1007efb, leaf(got, 0x40000001)[0].EAX, "KVM's leaves stay")
	require.Len(t, leaf(got, abi.CPUIDDoze), 1)
	require.EqualValues(t, abi.CPUIDSignature, leaf(got, abi.CPUIDDoze)[0].ECX)
}

func TestEachVCPUHasItsAPICID(t *testing.T) {
	all := []kvm.CPUIDEntry{{Function: 1, EBX: 0x0800}, {Function: 0xb}, {Function: 0x1f}, {Function: 2, EBX: 7}}
	third := WithAPICID(all, 3)
	require.EqualValues(t, 0x03000800, third[0].EBX)
	require.EqualValues(t, 3, third[1].EDX)
	require.EqualValues(t, 3, third[2].EDX)
	require.Equal(t, all[3], third[3])
	require.EqualValues(t, 0x0800, all[0].EBX, "the list is shared between vCPUs")
}

func TestGuestHasTheHostsBrand(t *testing.T) {
	list := []kvm.CPUIDEntry{{Function: 0x80000000, EAX: 0x80000001}, {Function: 0x80000003}, {Function: 0x80000008, EAX: 5}}
	for name, want := range map[string]string{
		"Intel(R) Xeon(R) Processor": "Intel(R) Xeon(R) Processor",
		"":                           "",
		strings.Repeat("x", 60):      strings.Repeat("x", 47),
	} {
		got := WithBrand(list, name)
		require.EqualValues(t, 0x80000004, leaf(got, 0x80000000)[0].EAX)
		require.EqualValues(t, 5, leaf(got, 0x80000008)[0].EAX)
		var text []byte
		for f := uint32(0x80000002); f <= 0x80000004; f++ {
			e := leaf(got, f)
			require.Len(t, e, 1)
			for _, r := range []uint32{e[0].EAX, e[0].EBX, e[0].ECX, e[0].EDX} {
				text = binary.LittleEndian.AppendUint32(text, r)
			}
		}
		require.Equal(t, want, strings.TrimRight(string(text), "\x00"))
	}
	require.EqualValues(t, 0x80000001, list[0].EAX, "the list is the caller's")
	require.NotEmpty(t, HostBrand())
}

func TestGuestXCR0(t *testing.T) {
	for eax, want := range map[uint32]uint64{0x2ff: 0xe7, 0x7: 0x7, 0x3: 0x3, 0x67: 0x7, 0xe3: 0x3, 0: 1} {
		require.Equal(t, want, XCR0([]kvm.CPUIDEntry{{Function: 0xd, EAX: eax}}), "%#x", eax)
	}
	require.EqualValues(t, 1, XCR0(nil))
}
