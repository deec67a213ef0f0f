package cpuid

import (
	"encoding/binary"
	"os"
	"regexp"
	"slices"

	"github.com/doze-vm/doze/hostvmm/kvm"
)

// The brand string: 48 bytes in the registers of three leaves (Intel SDM 2A, CPUID).
const (
	leafMaxExtended = 0x80000000
	leafBrand       = 0x80000002
	leafBrandEnd    = 0x80000004
	brandSize       = 48
)

// WithBrand gives the list the name of the host's CPU. KVM leaves that to the
// VMM: it lists the leaves empty, or not at all. Programs print it, as go test
// does beside its benchmarks.
func WithBrand(entries []kvm.CPUIDEntry, brand string) []kvm.CPUIDEntry {
	out := slices.DeleteFunc(slices.Clone(entries), func(e kvm.CPUIDEntry) bool {
		return e.Function >= leafBrand && e.Function <= leafBrandEnd
	})
	for i := range out {
		if e := &out[i]; e.Function == leafMaxExtended {
			e.EAX = max(e.EAX, leafBrandEnd)
		}
	}
	var text [brandSize]byte
	copy(text[:brandSize-1], brand) // it ends in a zero
	for leaf, rest := uint32(leafBrand), text[:]; leaf <= leafBrandEnd; leaf, rest = leaf+1, rest[16:] {
		word := func(i int) uint32 { return binary.LittleEndian.Uint32(rest[4*i:]) }
		out = append(out, kvm.CPUIDEntry{Function: leaf, EAX: word(0), EBX: word(1), ECX: word(2), EDX: word(3)})
	}
	return out
}

var modelName = regexp.MustCompile(`(?m)^model name\s*: (.*)$`)

// HostBrand is what the host's kernel says its CPU is, empty if it doesn't.
func HostBrand() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	if m := modelName.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}
