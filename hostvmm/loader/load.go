package loader

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/kernel/abi"
)

// Open opens and checks an image file.
func Open(name string) (*Image, error) {
	// To open a FIFO waits for a writer, and nobody could interrupt that.
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotImage
	}
	var im *Image
	if err == nil {
		im, err = Parse(file, info.Size())
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	im.close = file.Close
	return im, nil
}

// Close gives up the file and the shared pages; machines that map them keep them.
func (im *Image) Close() error {
	im.shared.close()
	im.shared = nil
	if im.close == nil {
		return nil
	}
	return im.close()
}

// mib is what memory sizes are counted in.
const mib = 1 << 20

// headroom is what the smallest program needs beside its image: page tables, stacks
// of its first threads, the start of its heap.
const headroom = mib / 2

// TooSmallError says that the image does not fit.
type TooSmallError struct{ Memory, Need uint64 }

func (e *TooSmallError) Error() string {
	return fmt.Sprintf("the machine's memory of %d MiB is too small: this image needs at least %d MiB (see --memory)",
		e.Memory/mib, e.Need/mib)
}

// Fits checks that the image fits into memory.
func (im *Image) Fits(memory uint64) error {
	if im.End > memory {
		return &TooSmallError{Memory: memory, Need: im.Needs()}
	}
	return nil
}

// Needs is the memory, in whole MiB, below which no program runs in this image.
func (im *Image) Needs() uint64 { return (im.End + headroom + mib - 1) &^ (mib - 1) }

// Load puts the image into mem, zeroed memory that starts at guest-physical 0.
// If mem is a private mapping of its own and starts at a multiple of 2 MiB, and
// Share was called, text and read-only data are mapped, not copied.
func (im *Image) Load(mem []byte) error {
	if err := im.Fits(uint64(len(mem))); err != nil {
		return err
	}
	if im.shared != nil && aligned(mem) {
		if err := im.shared.mapInto(mem); err != nil {
			return err
		}
	}
	for _, s := range im.Segments {
		if err := im.copySegment(mem, s); err != nil {
			return err
		}
	}
	return nil
}

// copySegment copies those pages of a segment that are not shared.
func (im *Image) copySegment(mem []byte, s Segment) error {
	for start, end := s.Addr, s.Addr+s.FileSize; start < end; {
		stop := end
		if r, ok := im.shared.next(start, aligned(mem)); ok && r.start < end {
			if r.start <= start {
				start = r.end
				continue
			}
			stop = r.start
		}
		if n, err := im.file.ReadAt(mem[start:stop], int64(s.Offset+start-s.Addr)); n < int(stop-start) {
			return fmt.Errorf("read the image's segment at %#x: %w", start, err)
		}
		start = stop
	}
	return nil
}

// Entry64 is where a vCPU in 64-bit mode starts.
func (im *Image) Entry64() uint64 { return abi.BlobBase + abi.Entry64 }

// EntryAP is where a further vCPU starts.
func (im *Image) EntryAP() uint64 { return abi.BlobBase + abi.EntryAP }
