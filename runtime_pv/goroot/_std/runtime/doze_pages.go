package runtime

// Pages for the kernel's own structures, mapped at an address that follows from
// their frame: the same frame always comes at the same place.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
)

// dozePageAlloc returns the address of a zero page, 0 if memory is out.
func dozePageAlloc() uintptr {
	pa := dozeAllocFrames(1)
	if pa == 0 {
		return 0
	}
	va := dozePagesBase + pa
	if !dozeLink(va, 1) {
		dozeFree(pa, 1)
		return 0
	}
	dozeClearFrames(pa, 1)
	dozeMap(va, pa|dozeRW, 1, 1, dozePage)
	return va
}

// dozePageFree gives a page of dozePageAlloc back.
func dozePageFree(va uintptr) {
	pa := dozeEntry(va, 1) & abi.PteAddrMask
	mmio.Clear(va, dozePage)
	dozeMap(va, 0, 1, 1, dozePage)
	dozeDropLater()
	dozeFree(pa, 1)
}

// dozeLetting are pages in a row, clear and still mapped, that are on their way out.
// They lie in one block.
type dozeLetting struct{ va, n uintptr }

// add takes one page more, and gives back those it does not join.
func (l *dozeLetting) add(va uintptr) {
	switch {
	case l.n == 0:
		l.va = va
	case va+dozePage == l.va && l.va&(dozeBlock-1) != 0:
		l.va = va
	case va == l.va+l.n*dozePage && va&(dozeBlock-1) != 0:
	default:
		l.flush()
		l.va = va
	}
	if l.n++; l.n == dozeTablePages || l.n == dozeUnmaps && !l.promising() {
		l.flush()
	}
}

// promising reports whether the pages may become a whole block: they come from its end on.
func (l *dozeLetting) promising() bool {
	return l.n > 0 && (l.va+l.n*dozePage)&(dozeBlock-1) == 0
}

// flush gives the pages back, a whole block with its table.
func (l *dozeLetting) flush() {
	if l.n == 0 {
		return
	}
	pa := l.va - dozePagesBase
	if l.n == dozeTablePages {
		dozeDropTable(l.va, dozeEntry(l.va, 2)&abi.PteAddrMask, 2)
		dozeHide()
	}
	for i := uintptr(0); l.n < dozeTablePages && i < l.n; i += dozeUnmaps {
		dozeMap(l.va+i*dozePage, 0, min(l.n-i, dozeUnmaps), 1, dozePage)
	}
	dozeDropLater()
	dozeFree(pa, l.n)
	l.n = 0
}
