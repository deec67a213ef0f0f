package image

import (
	"debug/elf"
	"fmt"

	"github.com/doze-vm/doze/kernel/abi"
)

// addTree gives the embedded tree a segment of its own behind the program,
// before anything asks where the program ends. A large tree begins at a multiple
// of 2 MiB, so that large pages map it and the page tables stay small.
func (p *program) addTree(tree []byte) error {
	if len(tree) == 0 {
		return nil
	}
	start := p.end()
	if len(tree) >= abi.HugePageSize {
		start = align(start, abi.HugePageSize)
	}
	size := uint64(len(tree))
	if end := start + size; end > programTop {
		return fmt.Errorf("the embedded files have %d MiB, and an image ends below %d MiB: embed less", size>>20, uint64(programTop)>>20)
	}
	p.tree = &elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_R, Vaddr: start, Paddr: start,
		Filesz: size, Memsz: size, Align: abi.PageSize}
	p.treeData = tree
	p.loads = append(p.loads, *p.tree)
	return nil
}
