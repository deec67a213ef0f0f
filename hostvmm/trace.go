package hostvmm

import (
	"encoding/binary"

	"github.com/doze-vm/doze/hostvmm/device"
	"github.com/doze-vm/doze/kernel/abi"
)

// maxFrames bounds a trace; the chain of frame pointers may be anything.
const maxFrames = 64

// trace follows the frame pointers of a crashed guest, as Go keeps them: at RBP
// lies the caller's RBP, above it the return address. Innermost first.
func trace(ram device.RAM, cr3, rip, rbp uint64) []uint64 {
	pcs := []uint64{rip}
	for len(pcs) < maxFrames {
		next, ok1 := readVirtual(ram, cr3, rbp)
		pc, ok2 := readVirtual(ram, cr3, rbp+8)
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

// readVirtual reads 8 bytes by the guest's page tables (Intel SDM 3A, 4.5), which
// may be anything, too.
func readVirtual(ram device.RAM, cr3, addr uint64) (uint64, bool) {
	const index, levels = 9, 4
	if addr&7 != 0 {
		return 0, false
	}
	table := cr3 & abi.PteAddrMask
	for level := levels; level > 0; level-- {
		shift := 12 + index*(level-1)
		entry, ok := read64(ram, table+8*(addr>>shift&(1<<index-1)))
		if !ok || entry&abi.PtePresent == 0 {
			return 0, false
		}
		table = entry & abi.PteAddrMask
		if huge := level == 2 && entry&abi.PteHuge != 0; huge || level == 1 {
			offset := uint64(1)<<shift - 1
			return read64(ram, table&^offset|addr&offset)
		}
	}
	return 0, false
}

func read64(ram device.RAM, addr uint64) (uint64, bool) {
	b, ok := ram.Slice(addr, 8)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b), true
}
