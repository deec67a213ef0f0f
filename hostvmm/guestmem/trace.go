// Package guestmem reads a guest's memory as the guest sees it: by its page tables, and
// along its stacks. A guest may have written anything there. The package must never
// read outside the guest's RAM, follow a chain without an end, or write.
package guestmem

import (
	"encoding/binary"

	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/kernel/abi"
)

// MaxFrames bounds a Trace; the chain of frame pointers may be anything.
const MaxFrames = 64

// Trace follows the frame pointers of a stopped guest, as Go keeps them: at RBP
// lies the caller's RBP, above it the return address. Innermost first.
func Trace(ram virtio.RAM, cr3, rip, rbp uint64) []uint64 {
	pcs := []uint64{rip}
	for len(pcs) < MaxFrames {
		next, ok1 := ReadVirtual(ram, cr3, rbp)
		pc, ok2 := ReadVirtual(ram, cr3, rbp+8)
		if !ok1 || !ok2 || pc == 0 {
			break
		}
		pcs = append(pcs, pc)
		if next <= rbp { // stacks grow down, so callers lie above
			break
		}
		rbp = next
	}
	return pcs
}

// ReadVirtual reads 8 bytes by the guest's page tables (Intel SDM 3A, 4.5), which
// may be anything, too.
func ReadVirtual(ram virtio.RAM, cr3, addr uint64) (uint64, bool) {
	const index, levels = 9, 4
	if addr&7 != 0 {
		return 0, false
	}
	table := cr3 & abi.PteAddrMask
	for level := levels; level > 0; level-- {
		shift := 12 + index*(level-1)
		entry, ok := Read64(ram, table+8*(addr>>shift&(1<<index-1)))
		if !ok || entry&abi.PtePresent == 0 {
			return 0, false
		}
		table = entry & abi.PteAddrMask
		if huge := level == 2 && entry&abi.PteHuge != 0; huge || level == 1 {
			offset := uint64(1)<<shift - 1
			return Read64(ram, table&^offset|addr&offset)
		}
	}
	return 0, false
}

// Read64 reads 8 bytes of RAM.
func Read64(ram virtio.RAM, addr uint64) (uint64, bool) {
	b, ok := ram.Slice(addr, 8)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b), true
}
