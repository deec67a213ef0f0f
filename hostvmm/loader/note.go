package loader

import (
	"encoding/binary"
	"strings"

	"github.com/doze-vm/doze/kernel/abi"
)

// noteState collects what the notes say (ELF gABI, Note Section; alignment 4).
type noteState struct {
	pvh, doze   bool
	entry       uint64
	version     uint32
	machinePage uint64
}

const noteHeader = 12

func align4(n uint64) uint64 { return (n + 3) &^ 3 }

func (n *noteState) parse(data []byte) error {
	le := binary.LittleEndian
	for len(data) >= noteHeader {
		nameSize, descSize := uint64(le.Uint32(data)), uint64(le.Uint32(data[4:]))
		kind := le.Uint32(data[8:])
		rest := data[noteHeader:]
		left := uint64(len(rest))
		if nameSize > left || align4(nameSize) > left || descSize > left-align4(nameSize) {
			return bad("a note is longer than its segment")
		}
		owner := strings.TrimRight(string(rest[:nameSize]), "\x00")
		desc := rest[align4(nameSize):][:descSize]
		n.note(owner, kind, desc)
		data = rest[min(align4(nameSize)+align4(descSize), left):]
	}
	return nil
}

func (n *noteState) note(owner string, kind uint32, desc []byte) {
	le := binary.LittleEndian
	switch {
	case owner == ownerXenPVH && kind == typeXenPVH && (len(desc) == 4 || len(desc) == 8):
		n.pvh, n.entry = true, uint64(le.Uint32(desc))
	case owner == abi.NoteOwner && kind == abi.NoteType && len(desc) == 16:
		n.doze, n.version, n.machinePage = true, le.Uint32(desc), le.Uint64(desc[8:])
	}
}

// check says what is missing, and hands the rest to the image.
func (n *noteState) check(im *Image) error {
	switch {
	case !n.pvh:
		return bad("it has no PVH note")
	case !n.doze:
		return bad("it has no Doze note")
	case n.version != abi.Version:
		return bad("it was built for version %d of the machine, this is version %d", n.version, abi.Version)
	case n.machinePage != abi.MachinePage:
		return bad("its machine page is at %#x, not at %#x", n.machinePage, abi.MachinePage)
	case n.entry != abi.BlobBase+abi.EntryPVH:
		return bad("its entry is %#x, not %#x", n.entry, abi.BlobBase+abi.EntryPVH)
	}
	im.PVHEntry, im.MachinePage = n.entry, n.machinePage
	return nil
}
