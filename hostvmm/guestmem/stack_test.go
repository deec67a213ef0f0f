package guestmem

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/kernel/abi"
)

func TestStackGoesOnWithWhoCalledTheKernel(t *testing.T) {
	const base, page = 0x8000000000, 0x6000
	ram := make(virtio.RAM, 4<<20)
	tablesFor(ram)
	put := func(at, v uint64) { binary.LittleEndian.PutUint64(ram[at:], v) }
	// The kernel: one frame on its stack, then the end of the chain.
	put(0x8000, 0)
	put(0x8008, 0x401000)
	// The thread, stopped in 0x402000, called from 0x403000.
	put(0x9000+abi.ThreadRIP, 0x402000)
	put(0x9000+abi.ThreadRBP, base+0xa000)
	put(0xa000, 0)
	put(0xa008, 0x403000)
	put(page+abi.VCPUThread, base+0x9000)
	put(page+abi.VCPUStackLo, base+0x7000)
	put(page+abi.VCPUStackHi, base+0x9000)
	in := &kvm.Regs{RIP: 0x400123, RBP: base + 0x8000, RSP: base + 0x7f00}
	require.Equal(t, []uint64{0x400123, 0x401000, 0x402000, 0x403000}, Stack(ram, page, 0x1000, in))

	entering := &kvm.Regs{RIP: 0x400123, RBP: base + 0xa000, RSP: base + 0x9000}
	require.Equal(t, []uint64{0x400123, 0x402000, 0x403000}, Stack(ram, page, 0x1000, entering))

	out := &kvm.Regs{RIP: 0x400123, RBP: base + 0xa000, RSP: base + 0x9f00}
	require.Equal(t, []uint64{0x400123, 0x403000}, Stack(ram, page, 0x1000, out), "the program runs")

	for name, thread := range map[string]uint64{"none": 0, "kernel half": 1 << 63, "not mapped": base + 0x10000000} {
		put(page+abi.VCPUThread, thread)
		require.Equal(t, []uint64{0x400123, 0x401000}, Stack(ram, page, 0x1000, in), name)
	}
}

func FuzzStack(f *testing.F) {
	ram := make(virtio.RAM, 0x9010)
	tablesFor(ram)
	f.Add([]byte(ram), uint64(0x6000), uint64(0x1000), uint64(0x8000008000), uint64(0x8000008000))
	f.Add([]byte{1, 2, 3}, uint64(0), ^uint64(0), ^uint64(7), uint64(1))
	f.Fuzz(func(t *testing.T, content []byte, page, cr3, rbp, rsp uint64) {
		got := Stack(virtio.RAM(content), page, cr3, &kvm.Regs{RIP: 1, RBP: rbp, RSP: rsp})
		require.LessOrEqual(t, len(got), sample.MaxFrames)
	})
}
