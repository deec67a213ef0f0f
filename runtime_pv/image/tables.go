package image

import (
	"debug/elf"
	"encoding/binary"
	"fmt"

	"github.com/doze-vm/doze/kernel/abi"
)

// Where firmware, PVH loader and VMM leave their tables: page zero too, until
// ReqHideLow.
const (
	lowStart = 0
	lowEnd   = 0x100000
)

// Devices: virtio-mmio windows and the IOAPIC for ring 3, the LAPIC for ring 0.
const (
	userDevices   = 0xfea00000
	kernelDevices = abi.LAPICBase
	devicesEnd    = 0xff000000
)

// Leaf entries by what a page is for (docs/nucleus.md 1). Accessed and dirty
// are set so that the CPU never writes to the tables.
const (
	leaf       = abi.PtePresent | abi.PteAccessed
	kernelRX   = leaf
	kernelRO   = leaf | abi.PteNX
	kernelRW   = leaf | abi.PteWrite | abi.PteDirty | abi.PteNX
	userRX     = leaf | abi.PteUser
	userRO     = leaf | abi.PteUser | abi.PteNX
	userRW     = kernelRW | abi.PteUser
	uncached   = abi.PtePCD | abi.PtePWT
	tableEntry = abi.PtePresent | abi.PteWrite | abi.PteUser | abi.PteAccessed | abi.PteDirty
)

// mapping is a range of pages, identity-mapped.
type mapping struct {
	start, end uint64
	bits       uint64
}

// fixed is the part of the first slot that is the same in every image.
var fixed = []mapping{
	{lowStart, lowEnd, userRO},
	{abi.BlobBase, abi.IDTBase, kernelRX},
	{abi.IDTBase, abi.GatePage, kernelRO},
	{abi.GatePage, abi.BlobEnd, userRX},
	{abi.MachinePage, abi.TablesBase, userRW},
	{abi.TablesBase, abi.VCPUPage0, kernelRW},
	{abi.VCPUPage0, abi.LowEnd, userRW},
	{userDevices, kernelDevices, userRW | uncached},
	{kernelDevices, devicesEnd, kernelRW | uncached},
}

// tables is a set of page tables under construction, PML4 first, as they will
// lie at abi.TablesBase.
type tables struct{ bytes []byte }

// buildTables returns the page tables of an image with the given segments.
func buildTables(loads []elf.ProgHeader) ([]byte, error) {
	t := &tables{bytes: make([]byte, abi.PageSize)}
	for _, m := range append(fixed[:len(fixed):len(fixed)], segments(loads)...) {
		if err := t.add(m); err != nil {
			return nil, err
		}
	}
	t.put(abi.TablesBase, abi.SlotTablesRO, abi.TablesBase|leaf|abi.PteUser|abi.PteDirty|abi.PteNX)
	t.put(abi.TablesBase, abi.SlotTablesRW, abi.TablesBase|kernelRW)
	return t.bytes, nil
}

func segments(loads []elf.ProgHeader) []mapping {
	var out []mapping
	for _, h := range loads {
		bits := uint64(userRO)
		switch {
		case h.Flags&elf.PF_X != 0:
			bits = userRX
		case h.Flags&elf.PF_W != 0:
			bits = userRW
		}
		out = append(out, mapping{h.Vaddr, align(h.Vaddr+h.Memsz, abi.PageSize), bits})
	}
	return out
}

// add maps a range, by 2 MiB where an aligned 2 MiB lies within it.
func (t *tables) add(m mapping) error {
	for addr := m.start; addr < m.end; {
		level, size := 1, uint64(abi.PageSize)
		if addr%abi.HugePageSize == 0 && m.end-addr >= abi.HugePageSize {
			level, size = 2, abi.HugePageSize
		}
		table, err := t.walk(addr, level)
		if err != nil {
			return err
		}
		bits := m.bits
		if level == 2 {
			bits |= abi.PteHuge
		}
		if t.get(table, slot(addr, level)) != 0 {
			return fmt.Errorf("two things at address %#x", addr)
		}
		t.put(table, slot(addr, level), addr|bits)
		addr += size
	}
	return nil
}

// walk returns the address of the table of the given level for addr and makes
// what is missing on the way.
func (t *tables) walk(addr uint64, level int) (uint64, error) {
	table := uint64(abi.TablesBase)
	for l := 4; l > level; l-- {
		entry := t.get(table, slot(addr, l))
		if entry&abi.PteHuge != 0 {
			return 0, fmt.Errorf("two things at address %#x", addr)
		}
		if entry == 0 {
			next := abi.TablesBase + uint64(len(t.bytes))
			if next+abi.PageSize > abi.TablesLimit {
				return 0, fmt.Errorf("program is too large: its page tables need more than %d pages", (abi.TablesLimit-abi.TablesBase)/abi.PageSize)
			}
			t.bytes = append(t.bytes, make([]byte, abi.PageSize)...)
			entry = next | tableEntry
			t.put(table, slot(addr, l), entry)
		}
		table = entry & abi.PteAddrMask
	}
	return table, nil
}

// slot returns the index of addr in a table of the given level (Intel SDM 3A,
// 4.5.4: nine bits a level).
func slot(addr uint64, level int) uint64 { return addr >> (12 + 9*(level-1)) & 511 }

func (t *tables) at(table, index uint64) []byte { return t.bytes[table-abi.TablesBase+8*index:] }

func (t *tables) get(table, index uint64) uint64 {
	return binary.LittleEndian.Uint64(t.at(table, index))
}

func (t *tables) put(table, index, entry uint64) {
	binary.LittleEndian.PutUint64(t.at(table, index), entry)
}
