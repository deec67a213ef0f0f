package hostvmm

import (
	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/kernel/abi"
)

// How much of free memory and of the program's data a guest touches while it
// boots: most of the first, a good part of the second.
const (
	warmRAM  = 0x180000
	warmData = 0x80000
)

// warm makes the host back what every guest touches while it boots, in a few
// calls. A fault on a page that the host has to make costs the guest several
// times as much as one on a page that is there. It is advice: what the kernel
// does not do now it does at the fault.
func warm(mem []byte, im *loader.Image) {
	ranges := []loader.Range{
		{Start: abi.NucleusVCPU0, Size: abi.PageSize},
		{Start: abi.VCPUPage0, Size: abi.PageSize},
		{Start: abi.LowEnd, Size: warmRAM},
	}
	for _, s := range im.Segments {
		if s.Writable && s.Addr >= abi.ImageBase {
			start := s.Addr &^ (abi.PageSize - 1)
			ranges = append(ranges, loader.Range{Start: start, Size: min(s.MemSize, warmData)})
		}
	}
	for _, r := range ranges {
		end := min((r.Start+r.Size+abi.PageSize-1)&^(abi.PageSize-1), uint64(len(mem)))
		if r.Start < end {
			_ = unix.Madvise(mem[r.Start:end], unix.MADV_POPULATE_WRITE) // Linux 5.14
		}
	}
}
