package guestmem

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/kernel/abi"
)

// tablesFor maps virtual 0x8000000000 + x to x for the first 2 MiB by small
// pages' tables at 0x1000, and the next 2 MiB by a huge one.
func tablesFor(ram virtio.RAM) {
	put := func(at, v uint64) { binary.LittleEndian.PutUint64(ram[at:], v) }
	put(0x1000+8, 0x2000|abi.PtePresent)
	put(0x2000, 0x3000|abi.PtePresent)
	put(0x3000, 0x4000|abi.PtePresent)
	put(0x3008, 0x200000|abi.PtePresent|abi.PteHuge|abi.PteNX)
	for i := range uint64(16) {
		put(0x4000+8*i, i*0x1000|abi.PtePresent|abi.PteNX)
	}
}

func TestTraceFollowsFramePointers(t *testing.T) {
	const base = 0x8000000000
	ram := make(virtio.RAM, 4<<20)
	tablesFor(ram)
	frame := func(at, next, pc uint64) {
		binary.LittleEndian.PutUint64(ram[at:], next)
		binary.LittleEndian.PutUint64(ram[at+8:], pc)
	}
	frame(0x8000, base+0x9000, 0x401000)
	frame(0x9000, base+0x200010, 0x402000)
	frame(0x200010, 0, 0x403000)
	require.Equal(t, []uint64{0x400123, 0x401000, 0x402000, 0x403000}, Trace(ram, 0x1000, 0x400123, base+0x8000))

	frame(0x9000, base+0x8000, 0x402000) // a loop
	require.Equal(t, []uint64{1, 0x401000, 0x402000}, Trace(ram, 0x1000, 1, base+0x8000))
}

func FuzzTrace(f *testing.F) {
	ram := make(virtio.RAM, 0x9010)
	tablesFor(ram)
	f.Add([]byte(ram), uint64(0x1000), uint64(0x8000008000))
	f.Add([]byte{1, 2, 3}, ^uint64(0), ^uint64(7))
	f.Fuzz(func(t *testing.T, content []byte, cr3, rbp uint64) {
		require.LessOrEqual(t, len(Trace(virtio.RAM(content), cr3, 1, rbp)), MaxFrames)
	})
}
