package loader

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/doze-vm/doze/kernel/abi"
)

// Bounds of what is accepted; a Go program has three loadable segments and the
// boot blob adds a few.
const (
	ehdrSize    = 64 // ELF-64 Object File Format, 2
	phdrSize    = 56
	maxPhdrs    = 64
	maxNote     = 64 << 10
	maxAddress  = 1 << 40
	typeXenPVH  = 18 // XEN_ELFNOTE_PHYS32_ENTRY
	elfDataLSB  = 1
	elfVersion  = 1
	ownerXenPVH = "Xen"
)

// Segment is one part of the image, at its guest-physical address.
type Segment struct {
	Addr     uint64
	MemSize  uint64
	FileSize uint64
	Offset   uint64
	Writable bool
}

func (s Segment) end() uint64 { return s.Addr + s.MemSize }

// Image is a checked image.
type Image struct {
	Segments    []Segment // by address, without overlap
	PVHEntry    uint64
	MachinePage uint64
	End         uint64 // of the last segment

	file   io.ReaderAt
	close  func() error
	shared *shared
}

// errNotImage says what every wrong file has in common.
var errNotImage = errors.New("not a Doze image (make one with: doze build)")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errNotImage, fmt.Sprintf(format, args...))
}

// Parse checks an image of size bytes.
func Parse(file io.ReaderAt, size int64) (*Image, error) {
	var head [ehdrSize]byte
	if _, err := file.ReadAt(head[:min(size, ehdrSize)], 0); err != nil && err != io.EOF {
		return nil, err
	}
	phoff, phnum, err := parseHeader(head[:], size)
	if err != nil {
		return nil, err
	}
	table := make([]byte, phnum*phdrSize)
	if err := readAt(file, size, table, phoff); err != nil {
		return nil, bad("its program headers are cut off")
	}
	im := &Image{file: file}
	var note noteState
	for ; len(table) > 0; table = table[phdrSize:] {
		if err := im.header(table[:phdrSize], size, &note); err != nil {
			return nil, err
		}
	}
	if err := note.check(im); err != nil {
		return nil, err
	}
	return im, im.check()
}

func parseHeader(head []byte, size int64) (phoff uint64, phnum int, err error) {
	le := binary.LittleEndian
	switch {
	case string(head[:4]) != elf.ELFMAG:
		return 0, 0, bad("it is not an ELF file")
	case size < ehdrSize:
		return 0, 0, bad("it is cut off after %d bytes", size)
	case elf.Class(head[elf.EI_CLASS]) != elf.ELFCLASS64 || head[elf.EI_DATA] != elfDataLSB:
		return 0, 0, bad("it is not a 64-bit little-endian ELF file")
	case head[elf.EI_VERSION] != elfVersion:
		return 0, 0, bad("its ELF version is %d", head[elf.EI_VERSION])
	case elf.Machine(le.Uint16(head[18:])) != elf.EM_X86_64:
		return 0, 0, bad("it is for %v, not for x86-64", elf.Machine(le.Uint16(head[18:])))
	case elf.Type(le.Uint16(head[16:])) != elf.ET_EXEC:
		return 0, 0, bad("it is an ELF file of type %v, not a fixed executable", elf.Type(le.Uint16(head[16:])))
	case le.Uint16(head[54:]) != phdrSize:
		return 0, 0, bad("its program headers have %d bytes each, not %d", le.Uint16(head[54:]), phdrSize)
	}
	phnum = int(le.Uint16(head[56:]))
	if phnum == 0 || phnum > maxPhdrs {
		return 0, 0, bad("it has %d program headers; 1 to %d are allowed", phnum, maxPhdrs)
	}
	return le.Uint64(head[32:]), phnum, nil
}

// readAt fills buf from a part of the file that must lie within size.
func readAt(file io.ReaderAt, size int64, buf []byte, offset uint64) error {
	if offset > uint64(size) || uint64(len(buf)) > uint64(size)-offset {
		return io.ErrUnexpectedEOF
	}
	n, err := file.ReadAt(buf, int64(offset))
	if n == len(buf) {
		return nil
	}
	return err
}

// header takes in one program header.
func (im *Image) header(ph []byte, size int64, note *noteState) error {
	le := binary.LittleEndian
	offset, filesz, memsz := le.Uint64(ph[8:]), le.Uint64(ph[32:]), le.Uint64(ph[40:])
	switch elf.ProgType(le.Uint32(ph)) {
	case elf.PT_NOTE:
		if filesz > maxNote {
			return bad("a note segment has %d bytes", filesz)
		}
		data := make([]byte, filesz)
		if err := readAt(im.file, size, data, offset); err != nil {
			return bad("its notes are cut off")
		}
		return note.parse(data)
	case elf.PT_LOAD:
		return im.load(Segment{
			Addr: le.Uint64(ph[24:]), MemSize: memsz, FileSize: filesz, Offset: offset,
			Writable: elf.ProgFlag(le.Uint32(ph[4:]))&elf.PF_W != 0,
		}, size)
	case elf.PT_INTERP, elf.PT_DYNAMIC:
		return bad("it is linked dynamically")
	}
	return nil
}

func (im *Image) load(s Segment, size int64) error {
	switch {
	case s.MemSize == 0:
		return nil
	case s.FileSize > s.MemSize:
		return bad("the segment at %#x has more bytes in the file than in memory", s.Addr)
	case s.Offset > uint64(size) || s.FileSize > uint64(size)-s.Offset:
		return bad("it is cut off: the segment at %#x ends beyond the file", s.Addr)
	case s.Addr < abi.BlobBase:
		return bad("a segment lies at %#x, below %#x", s.Addr, abi.BlobBase)
	case s.Addr > maxAddress || s.MemSize > maxAddress:
		return bad("the segment at %#x has %#x bytes of memory", s.Addr, s.MemSize)
	}
	im.Segments = append(im.Segments, s)
	im.End = max(im.End, s.end())
	return nil
}

// check looks at the segments together.
func (im *Image) check() error {
	sort.Slice(im.Segments, func(i, j int) bool { return im.Segments[i].Addr < im.Segments[j].Addr })
	for i := 1; i < len(im.Segments); i++ {
		if im.Segments[i].Addr < im.Segments[i-1].end() {
			return bad("the segments at %#x and %#x overlap", im.Segments[i-1].Addr, im.Segments[i].Addr)
		}
	}
	if !im.holds(abi.BlobBase, abi.BlobEnd) {
		return bad("it has no boot blob at %#x", abi.BlobBase)
	}
	if !im.holds(im.MachinePage, im.MachinePage+abi.PageSize) {
		return bad("it has no machine page at %#x", im.MachinePage)
	}
	return nil
}

// holds says whether a range lies in the file's part of one segment.
func (im *Image) holds(start, end uint64) bool {
	for _, s := range im.Segments {
		if s.Addr <= start && end <= s.Addr+s.FileSize {
			return true
		}
	}
	return false
}
