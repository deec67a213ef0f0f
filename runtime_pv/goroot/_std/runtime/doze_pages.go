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
	dozeShootdown()
	dozeFree(pa, 1)
}
