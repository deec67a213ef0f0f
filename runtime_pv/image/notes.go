package image

import (
	"debug/elf"
	"encoding/binary"

	"github.com/doze-vm/doze/kernel/abi"
)

// The note that makes an ELF file a PVH kernel (Xen docs/misc/pvh.pandoc,
// XEN_ELFNOTE_PHYS32_ENTRY): a 32-bit physical entry.
const (
	xenOwner       = "Xen"
	xenPhys32Entry = 18
)

// notes returns the content of the image's one PT_NOTE: QEMU takes the first
// note of type 18 whoever owns it, so Xen's comes first; other loaders take the
// last PT_NOTE, so there is one. The linker's build ids are copied.
func (p *program) notes() []byte {
	le := binary.LittleEndian
	out := note(xenOwner, xenPhys32Entry, le.AppendUint32(nil, abi.BlobBase+abi.EntryPVH))
	desc := le.AppendUint32(nil, abi.Version)
	desc = le.AppendUint32(desc, 0)
	desc = le.AppendUint64(desc, abi.MachinePage)
	out = append(out, note(abi.NoteOwner, abi.NoteType, desc)...)
	for _, s := range p.file.Sections {
		if s.Type != elf.SHT_NOTE || s.Offset+s.Size > reserve || s.Offset+s.Size < s.Offset {
			continue
		}
		out = append(out, padTo(append([]byte(nil), p.data[s.Offset:s.Offset+s.Size]...), 4)...)
	}
	return out
}

func note(owner string, typ uint32, desc []byte) []byte {
	le := binary.LittleEndian
	out := le.AppendUint32(nil, uint32(len(owner)+1))
	out = le.AppendUint32(out, uint32(len(desc)))
	out = le.AppendUint32(out, typ)
	out = padTo(append(append(out, owner...), 0), 4)
	return padTo(append(out, desc...), 4)
}

func (p *program) hasNote() bool {
	for _, prog := range p.file.Progs {
		if prog.Type == elf.PT_NOTE {
			return true
		}
	}
	return false
}
