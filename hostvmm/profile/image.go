package profile

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/doze-vm/doze/hostvmm/symbols"
	"github.com/doze-vm/doze/kernel/abi"
)

// image is what a machine runs, as far as a profile needs it.
type image struct {
	path    string
	syms    *symbols.Table // nil if there are none
	why     error          // why there are none
	buildID string
	end     uint64 // of the addresses that code can be at
}

// readImage reads the symbols of an image if it is what lies in memory.
func readImage(o Options, memory []byte) image {
	path := o.Image
	im := image{path: path, end: max(uint64(len(memory)), abi.ImageBase)}
	open := o.Symbols
	if open == nil {
		open = func() (*symbols.Table, error) { return symbols.Open(path) }
	}
	syms, err := open()
	if err != nil {
		im.why = err
		return im
	}
	note, addr := syms.BuildID()
	if addr < uint64(len(memory)) && !bytes.HasPrefix(memory[addr:], note) {
		syms.Close()
		im.why = fmt.Errorf("%s was replaced since the machine was started: its build ID is another", path)
		return im
	}
	im.syms, im.buildID = syms, buildID(note)
	return im
}

// noteHead is the length of a note's head with the owner "GNU".
const noteHead = 16

// buildID is the descriptor of a note, as tools print it.
func buildID(note []byte) string {
	if len(note) <= noteHead {
		return ""
	}
	return hex.EncodeToString(note[noteHead:])
}

func (im image) close() {
	if im.syms != nil {
		im.syms.Close()
	}
}
