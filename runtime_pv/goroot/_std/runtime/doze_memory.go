package runtime

// Memory: which addresses the program owns (Regions), which frames are free
// (Frames), and the page tables that tie the two, read through the window at
// abi.TablesRO and written by the nucleus.
//
// Every free frame is zero: frames are cleared when they are given back, while no
// vCPU runs the program (dozeStill), and RAM is zero at boot (or is cleared when
// first mapped, where the VMM does not promise it). So a page that is filled is
// always zero, as Linux has it and as the Go heap relies on.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mem"
	"unsafe"
)

// Kinds of regions: dozeNone, or dozeOwned and more.
const (
	dozeNone     = 0
	dozeOwned    = 1 << iota // the program's
	dozeCanRead              // by the program
	dozeCanWrite             // by the program, which then can read, too
	dozeBlocks               // filled in 2 MiB blocks while there are plenty
	dozeShared               // what is written is the object's; without it, a copy is
	dozeMayWrite             // of what is shared: the program may ask for it
	dozeGoing                // being unmapped: nobody's any more, and not free yet
	dozeImage                // the program's own: it stays, and its access

	dozeSmall = dozeOwned | dozeCanRead | dozeCanWrite
)

// dozeHas reports whether a region is there for the program.
func dozeHas(kind uint32) bool { return kind&(dozeOwned|dozeGoing) == dozeOwned }

var dozeMem struct {
	frames    mem.Frames
	regions   mem.Regions
	zeroRAM   bool   // RAM beyond the image was zero at boot
	keepsZero bool   // and what the VMM takes and gives back is zero, too
	unmapped  uint32 // counts the times translations were taken away

	imageEnd  uintptr
	shownLow  uintptr // blocks of RAM from here on may be shown as a whole: none of the image
	shown     uintptr // the block at dozeWindowBase, 0 if none is
	shownPage bool    // a page is at dozeScratchBase
}

const (
	dozePage  = abi.PageSize
	dozeBlock = abi.HugePageSize
)

// dozeKernelPage maps a zero page of the kernel's own at va. It returns false
// when memory is out.
func dozeKernelPage(va uintptr) bool {
	return dozeFillPages(va, 1, dozeRW)
}

func dozePtr(a uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&a)) }

// dozeAddr is the address of something that does not move: a global.
func dozeAddr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

func dozeString(s string) (p, n uintptr) {
	return uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(len(s))
}

func (t *dozeThread) addr() uintptr { return uintptr(unsafe.Pointer(t)) }
