// Package topology finds the CPUs that firmware tells of: the local APICs in
// ACPI's MADT (ACPI 6.5, 5.2.12), else in the MP table (MultiProcessor
// Specification 1.4, chapter 4).
//
// The tables come from the VMM's firmware and may be anything: the package bounds
// every length by what the table says and by MaxTable, follows no pointer twice, and must never write. It
// allocates nothing.
package topology

import "github.com/doze-vm/doze/kernel/mmio"

// MaxCPUs is how many CPUs a List holds.
const MaxCPUs = 64

// MaxTable bounds the size of a table that is looked at, in bytes.
const MaxTable = 64 << 10

// List holds the ids of the local APICs of the CPUs that may be used, in the
// order of the tables.
type List struct {
	APIC [MaxCPUs]uint32
	N    int
}

func (l *List) add(id uint32) {
	if l.N < MaxCPUs {
		l.APIC[l.N] = id
		l.N++
	}
}

// Map makes n bytes of physical memory readable and returns their address, 0 if
// it can't. What it returned before is then no longer used.
type Map func(physical, n uintptr) uintptr

// Find returns the CPUs: of the MADT that the RSDP at physical address rsdp leads
// to, else of an MP table below 1 MiB. N is 0 if neither tells of any.
func Find(rsdp uintptr, m Map) List {
	var l List
	if rsdp != 0 {
		m.madt(rsdp, &l)
	}
	if l.N == 0 {
		m.mpTable(&l)
	}
	return l
}

// Signatures, as little-endian words.
const (
	sigRSDP = 0x2052545020445352 // "RSD PTR "
	sigAPIC = 0x43495041         // "APIC"
	sigXSDT = 0x54445358         // "XSDT"
	sigRSDT = 0x54445352         // "RSDT"
	sigMP   = 0x5f504d5f         // "_MP_"
	sigPCMP = 0x504d4350         // "PCMP"
)

// Sizes and offsets in ACPI's tables (5.2.5 to 5.2.8).
const (
	rsdpSize     = 36
	rsdpRevision = 15
	rsdpRSDT     = 16
	rsdpXSDT     = 24
	headerLength = 4
	headerSize   = 36
)

// madt follows the root pointer to the MADT and reads it.
func (m Map) madt(rsdp uintptr, l *List) {
	p := m(rsdp, rsdpSize)
	if p == 0 || mmio.Load64(p) != sigRSDP {
		return
	}
	root, width, sig := uintptr(mmio.Load32(p+rsdpRSDT)), uintptr(4), uint32(sigRSDT)
	if mmio.Load8(p+rsdpRevision) >= 2 {
		if x := uintptr(mmio.Load64(p + rsdpXSDT)); x != 0 {
			root, width, sig = x, 8, sigXSDT
		}
	}
	for i := uintptr(0); ; i++ {
		// Mapped anew each time: the table looked at in between took its place.
		p, n := m.table(root, sig)
		at := headerSize + i*width
		if p == 0 || at+width > n {
			return
		}
		entry := uintptr(mmio.Load32(p + at))
		if width == 8 {
			entry = uintptr(mmio.Load64(p + at))
		}
		if t, n := m.table(entry, sigAPIC); t != 0 {
			readMADT(t, n, l)
			return
		}
	}
}

// table maps the table at a physical address if it has the signature, and returns
// its address and size.
func (m Map) table(physical uintptr, sig uint32) (p, n uintptr) {
	if physical == 0 {
		return 0, 0
	}
	p = m(physical, headerSize)
	if p == 0 || mmio.Load32(p) != sig {
		return 0, 0
	}
	n = uintptr(mmio.Load32(p + headerLength))
	if n < headerSize || n > MaxTable {
		return 0, 0
	}
	if p = m(physical, n); p == 0 {
		return 0, 0
	}
	return p, n
}

// readMADT reads the interrupt controller structures (5.2.12): of processors by
// their local APIC (type 0) and by their x2APIC (type 9).
func readMADT(p, n uintptr, l *List) {
	const (
		first               = 44
		typeAPIC, sizeAPIC  = 0, 8
		typeX2, sizeX2      = 9, 16
		apicID, apicFlags   = 3, 4
		x2ID, x2Flags       = 4, 8
		enabled, broadcast8 = 1, 0xff
	)
	for at := uintptr(first); at+2 <= n; {
		e, size := p+at, uintptr(mmio.Load8(p+at+1))
		if size < 2 || at+size > n {
			return
		}
		switch kind := mmio.Load8(e); {
		case kind == typeAPIC && size >= sizeAPIC:
			if id := mmio.Load8(e + apicID); mmio.Load32(e+apicFlags)&enabled != 0 && id != broadcast8 {
				l.add(uint32(id))
			}
		case kind == typeX2 && size >= sizeX2:
			if mmio.Load32(e+x2Flags)&enabled != 0 {
				l.add(mmio.Load32(e + x2ID))
			}
		}
		at += size
	}
}

// mpTable looks for the MP floating pointer where it may be (MP 4: the first KiB of
// the EBDA, the last of base memory, the BIOS's 64 KiB) and reads the table. Not
// every firmware fills in where base memory ends, so that is where it ends in PCs.
func (m Map) mpTable(l *List) {
	const (
		ebdaSegment    = 0x40e // in the BIOS's data
		baseEnd, kib   = 640 << 10, 1 << 10
		bios, biosSize = 0xf0000, 0x10000
	)
	if p := m(ebdaSegment, 2); p != 0 {
		if ebda := uintptr(mmio.Load16(p)) << 4; ebda != 0 && m.scan(ebda, kib, l) {
			return
		}
	}
	if !m.scan(baseEnd-kib, kib, l) {
		m.scan(bios, biosSize, l)
	}
}

// scan looks for the floating pointer in n bytes and reads the table it points
// to; it reports whether there was one.
func (m Map) scan(physical, n uintptr, l *List) bool {
	const floating, address = 16, 4
	p := m(physical, n)
	if p == 0 {
		return false
	}
	for at := uintptr(0); at+floating <= n; at += floating {
		if mmio.Load32(p+at) == sigMP && checksum(p+at, floating) == 0 {
			m.readMP(uintptr(mmio.Load32(p+at+address)), l)
			return true
		}
	}
	return false
}

// readMP reads the processor entries of an MP configuration table (MP 4.2, 4.3.1),
// up to its length: qboot says that it has no entries.
func (m Map) readMP(physical uintptr, l *List) {
	const (
		header, length, count    = 44, 4, 34
		processor, processorSize = 0, 20
		otherSize                = 8
		id, flags, enabled       = 1, 3, 1
		firstUnknown             = 5
	)
	if physical == 0 {
		return
	}
	p := m(physical, header)
	if p == 0 || mmio.Load32(p) != sigPCMP {
		return
	}
	n := uintptr(mmio.Load16(p + length))
	if p = m(physical, n); p == 0 || n < header {
		return
	}
	for at := uintptr(header); at < n; {
		size := uintptr(otherSize)
		kind := mmio.Load8(p + at)
		if kind == processor {
			size = processorSize
		}
		if kind >= firstUnknown || at+size > n {
			return
		}
		if kind == processor && mmio.Load8(p+at+flags)&enabled != 0 {
			l.add(uint32(mmio.Load8(p + at + id)))
		}
		at += size
	}
}

// checksum adds up n bytes; tables are made so that it is 0.
func checksum(p, n uintptr) (sum uint8) {
	for i := uintptr(0); i < n; i++ {
		sum += mmio.Load8(p + i)
	}
	return sum
}
