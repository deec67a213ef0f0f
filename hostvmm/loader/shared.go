package loader

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/kernel/abi"
)

// shared holds the pages of an image that no machine writes, once per process.
// Offset in the memfd = guest-physical address, so that host address, guest
// address and offset agree modulo 2 MiB and one huge entry can map them.
type shared struct {
	fd     int
	ranges []span
}

// span is a range of guest-physical addresses, page-aligned.
type span struct{ start, end uint64 }

// minShared is the size from which sharing pays: below it the faults on a shared
// page cost more than the copy. The boot blob is below.
const minShared = 64 << 10

const (
	hugeMask = abi.HugePageSize - 1
	pageMask = abi.PageSize - 1
)

// aligned says whether huge pages can map mem.
func aligned(mem []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(mem)))&hugeMask == 0
}

// Share prepares the pages that machines share. Without it, or where the host
// can't (then it returns an error), Load copies everything.
func (im *Image) Share() error {
	ranges := im.sharable()
	if im.shared != nil || len(ranges) == 0 {
		return nil
	}
	fd, err := unix.MemfdCreate("doze-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	s := &shared{fd: fd, ranges: ranges}
	if err := s.fill(im); err != nil {
		s.close()
		return err
	}
	im.shared = s
	return nil
}

// sharable are the ranges of read-only segments that share no page with a
// writable one; a 2 MiB region that no writable segment touches is taken whole,
// so that a huge page can map it.
func (im *Image) sharable() []span {
	var out []span
	for _, s := range im.Segments {
		if s.Writable || s.MemSize < minShared {
			continue
		}
		r := span{s.Addr &^ pageMask, (s.end() + pageMask) &^ pageMask}
		if huge := (span{r.start &^ hugeMask, (r.end + hugeMask) &^ hugeMask}); huge.start >= abi.ImageBase &&
			huge.end <= im.End && !im.written(huge) {
			r = huge
		} else if im.written(r) {
			r = im.shrink(r)
		}
		if n := len(out); n > 0 && r.start <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, r.end)
		} else if r.start < r.end {
			out = append(out, r)
		}
	}
	return out
}

// written says whether a writable segment has a page in r.
func (im *Image) written(r span) bool {
	for _, s := range im.Segments {
		if s.Writable && s.Addr < r.end && r.start < (s.end()+pageMask)&^pageMask {
			return true
		}
	}
	return false
}

// shrink takes the first and last page off r if they are written too.
func (im *Image) shrink(r span) span {
	if im.written(span{r.start, r.start + abi.PageSize}) {
		r.start += abi.PageSize
	}
	if r.end > r.start && im.written(span{r.end - abi.PageSize, r.end}) {
		r.end -= abi.PageSize
	}
	if im.written(r) {
		return span{}
	}
	return r
}

// fill writes the pages once and asks for huge ones.
func (s *shared) fill(im *Image) error {
	first := s.ranges[0].start &^ hugeMask
	size := (s.ranges[len(s.ranges)-1].end + hugeMask) &^ hugeMask
	if err := unix.Ftruncate(s.fd, int64(size)); err != nil {
		return fmt.Errorf("size of the shared image: %w", err)
	}
	base, mem, err := mapAligned(size - first)
	if err != nil {
		return err
	}
	defer unix.Munmap(base)
	if err := mapFixed(mem, unix.MAP_SHARED, s.fd, first); err != nil {
		return err
	}
	for _, seg := range im.Segments {
		for _, r := range s.ranges {
			from, to := max(seg.Addr, r.start), min(seg.Addr+seg.FileSize, r.end)
			if from >= to {
				continue
			}
			if n, err := im.file.ReadAt(mem[from-first:to-first], int64(seg.Offset+from-seg.Addr)); n < int(to-from) {
				return fmt.Errorf("read the image's segment at %#x: %w", from, err)
			}
		}
	}
	// Linux 6.1 and newer; without it the pages are small ones.
	_ = unix.Madvise(mem, unix.MADV_COLLAPSE)
	return nil
}

// mapInto lays the shared pages over mem.
func (s *shared) mapInto(mem []byte) error {
	for _, r := range s.ranges {
		end := min(r.end, uint64(len(mem)))
		if r.start >= end {
			continue
		}
		part := mem[r.start:end]
		if err := mapFixed(part, unix.MAP_PRIVATE, s.fd, r.start); err != nil {
			return err
		}
		// One call instead of a fault for every few pages; a kernel before 5.14
		// does without.
		_ = unix.Madvise(part, unix.MADV_POPULATE_READ)
	}
	return nil
}

// Shared are the ranges that Load maps from the image's shared pages.
func (im *Image) Shared() (out []Range) {
	if im.shared == nil {
		return nil
	}
	for _, r := range im.shared.ranges {
		out = append(out, Range{r.start, r.end - r.start})
	}
	return out
}

// next is the first shared range that ends after addr.
func (s *shared) next(addr uint64, usable bool) (span, bool) {
	if s == nil || !usable {
		return span{}, false
	}
	for _, r := range s.ranges {
		if r.end > addr {
			return r, true
		}
	}
	return span{}, false
}

func (s *shared) close() {
	if s != nil {
		unix.Close(s.fd)
	}
}
