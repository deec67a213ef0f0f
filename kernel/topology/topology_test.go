package topology

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
)

// ram is physical memory from address 0 on.
type ram []byte

func (r ram) at(physical, n uintptr) uintptr {
	if n == 0 || physical >= uintptr(len(r)) || n > uintptr(len(r))-physical {
		return 0
	}
	return uintptr(unsafe.Pointer(&r[physical]))
}

func (r ram) put(at int, parts ...any) int {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			at += copy(r[at:], p)
		case []byte:
			at += copy(r[at:], p)
		default:
			n, err := binary.Encode(r[at:], binary.LittleEndian, p)
			if err != nil {
				panic(err)
			}
			at += n
		}
	}
	return at
}

func newRAM() ram { return make(ram, 2<<20) }

const (
	rsdpAt = 0xe0000
	rootAt = 0x180000
	madtAt = 0x190000
)

// acpi writes tables whose MADT has the given structures; version 1 has an RSDT.
func acpi(version uint8, structures []byte) ram {
	r := newRAM()
	if version >= 2 {
		r.put(rsdpAt, "RSD PTR ", make([]byte, 7), version, uint32(0), uint32(36), uint64(rootAt))
		r.put(rootAt, "XSDT", uint32(36+16), make([]byte, 28), uint64(0x1a0000), uint64(madtAt))
	} else {
		r.put(rsdpAt, "RSD PTR ", make([]byte, 7), version, uint32(rootAt))
		r.put(rootAt, "RSDT", uint32(36+8), make([]byte, 28), uint32(0x1a0000), uint32(madtAt))
	}
	r.put(0x1a0000, "FACP", uint32(36))
	r.put(madtAt, "APIC", uint32(44+len(structures)), make([]byte, 36), structures)
	return r
}

func localAPIC(id, flags byte) []byte { return []byte{0, 8, id, id, flags, 0, 0, 0} }

func x2APIC(id uint32, flags byte) []byte {
	b := make([]byte, 16)
	b[0], b[1], b[8] = 9, 16, flags
	binary.LittleEndian.PutUint32(b[4:], id)
	return b
}

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func ids(l List) []uint32 { return l.APIC[:l.N] }

func TestMADT(t *testing.T) {
	ioapic := []byte{1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}
	many := []byte{}
	for i := range 70 {
		many = append(many, localAPIC(byte(i), 1)...)
	}
	for _, c := range []struct {
		name       string
		structures []byte
		want       []uint32
	}{
		{"two, an IOAPIC between", join(localAPIC(0, 1), ioapic, localAPIC(1, 1)), []uint32{0, 1}},
		{"ids with gaps", join(localAPIC(0, 1), localAPIC(2, 1), localAPIC(8, 1)), []uint32{0, 2, 8}},
		{"one not enabled", join(localAPIC(0, 1), localAPIC(1, 0), localAPIC(2, 2)), []uint32{0}},
		{"x2APIC", join(localAPIC(0, 1), localAPIC(0xff, 1), x2APIC(300, 1), x2APIC(301, 0)), []uint32{0, 300}},
		{"too many", many, ids(allIDs())},
		{"a structure without length", join(localAPIC(0, 1), []byte{0, 0}, localAPIC(1, 1)), []uint32{0}},
		{"a structure beyond the table", join(localAPIC(0, 1), []byte{0, 200}), []uint32{0}},
	} {
		for _, version := range []uint8{0, 2} {
			t.Run(c.name, func(t *testing.T) {
				assert.Equal(t, c.want, ids(Find(rsdpAt, acpi(version, c.structures).at)))
			})
		}
	}
}

func allIDs() (l List) {
	for i := range uint32(MaxCPUs) {
		l.add(i)
	}
	return l
}

func TestBadACPI(t *testing.T) {
	good := func() ram { return acpi(2, localAPIC(0, 1)) }
	for _, c := range []struct {
		name  string
		spoil func(r ram)
	}{
		{"no RSDP", func(r ram) { r[rsdpAt] = 'X' }},
		{"root nowhere", func(r ram) { r.put(rsdpAt+rsdpXSDT, uint64(1)<<40) }},
		{"root of another kind", func(r ram) { r.put(rootAt, "RSDT") }},
		{"root longer than memory", func(r ram) { r.put(rootAt+4, uint32(0xffffffff)) }},
		{"root shorter than its header", func(r ram) { r.put(rootAt+4, uint32(8)) }},
		{"MADT nowhere", func(r ram) { r.put(rootAt+36, uint64(1)<<63, uint64(1)<<63) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good()
			c.spoil(r)
			assert.Empty(t, ids(Find(rsdpAt, r.at)))
		})
	}
}

// mp writes an MP table, its floating pointer at address at.
func mp(at int, entries uint16, table []byte) ram {
	r := newRAM()
	r.put(at, "_MP_", uint32(0x9f000), []byte{1, 4, 0, 0, 0, 0, 0, 0})
	r[at+10] = -checksum(r.at(uintptr(at), 16), 16)
	r.put(0x9f000, "PCMP", uint16(44+len(table)), []byte{4, 0}, make([]byte, 26), entries, make([]byte, 8), table)
	return r
}

func processor(id, flags byte) []byte { return append([]byte{0, id, 0x14, flags}, make([]byte, 16)...) }

func TestMPTable(t *testing.T) {
	table := join(processor(0, 3), processor(1, 1), processor(2, 0), []byte{1, 0, 'I', 'S', 'A', ' ', ' ', ' '}, processor(3, 1))
	want := []uint32{0, 1, 3}
	for name, at := range map[string]int{"BIOS": 0xf5a00, "BIOS's end": 0xffff0} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, want, ids(Find(0, mp(at, 5, table).at))) })
	}
	t.Run("EBDA", func(t *testing.T) {
		r := mp(0x9fc00, 5, table)
		r.put(0x40e, uint16(0x9fc0))
		assert.Equal(t, want, ids(Find(0, r.at)))
	})
	t.Run("base memory's end", func(t *testing.T) {
		assert.Equal(t, want, ids(Find(0, mp(639<<10, 5, table).at)))
	})
	t.Run("no entries by its own account", func(t *testing.T) {
		assert.Equal(t, want, ids(Find(0, mp(0xf5a00, 0, table).at)))
	})
	t.Run("an unknown entry", func(t *testing.T) {
		assert.Equal(t, []uint32{0}, ids(Find(0, mp(0xf5a00, 3, join(processor(0, 1), []byte{9, 0, 0}, processor(1, 1))).at)))
	})
	t.Run("wrong checksum", func(t *testing.T) {
		r := mp(0xf5a00, 5, table)
		r[0xf5a0b]++
		assert.Empty(t, ids(Find(0, r.at)))
	})
	assert.Empty(t, ids(Find(0, newRAM().at)))
}

// Whatever the tables say, the walk ends, and the list is within its bounds.
func FuzzFind(f *testing.F) {
	f.Add(uint32(rsdpAt), []byte(acpi(2, localAPIC(0, 1))[rsdpAt:rsdpAt+64]), []byte(acpi(2, localAPIC(0, 1))[madtAt:madtAt+64]))
	f.Add(uint32(0), []byte("_MP_\x00\xf0\x09\x00"), []byte("PCMP"))
	f.Fuzz(func(t *testing.T, rsdp uint32, low, high []byte) {
		r := newRAM()
		copy(r[rsdpAt:], low)
		copy(r[0xf0000:], low)
		copy(r[rootAt:], high)
		copy(r[madtAt:], high)
		l := Find(uintptr(rsdp), r.at)
		assert.LessOrEqual(t, l.N, MaxCPUs)
	})
}
