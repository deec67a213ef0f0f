package runtime

// Which CPUs the machine has: as the VMM's firmware says where there is any, as the
// command line says elsewhere.

import (
	"internal/runtime/doze/abi"
	"internal/runtime/doze/mmio"
	"internal/runtime/doze/topology"
)

// dozeCPUList returns the APIC ids of the CPUs to use, the first being the one
// that runs. hint is the number on the command line, 0 for none: without tables it
// is all that is known, and ids are numbers; with tables it is the most to use.
func dozeCPUList(rsdp uintptr, hint uint32) (l topology.List) {
	if !dozeStartCall {
		l = topology.Find(rsdp, dozeMapFirmware)
		dozeMapFirmware(0, 0)
	}
	if l.N == 0 {
		l.N = int(min(max(hint, 1), topology.MaxCPUs))
		for i := range l.APIC {
			l.APIC[i] = uint32(i)
		}
	} else if hint != 0 {
		l.N = min(l.N, int(hint))
	}
	first := mmio.Load32(abi.MachinePage + abi.MachineAPICID)
	for i, id := range l.APIC[:l.N] {
		if id == first { // it has the first vCPU's page, wherever the tables list it
			l.APIC[0], l.APIC[i] = l.APIC[i], l.APIC[0]
		}
	}
	return l
}

// dozeFirmwarePages is how many pages of firmware's tables are mapped, at
// dozeFirmwareBase.
var dozeFirmwarePages uintptr

const dozeFirmwareBase = dozeScratchBase + dozeBlock

// dozeMapFirmware is the topology.Map of a machine that boots: what lies above 1 MiB is
// mapped, one range at a time, to read.
func dozeMapFirmware(physical, n uintptr) uintptr {
	const low, high = 1 << 20, 1 << 46
	if dozeFirmwarePages != 0 {
		dozeMap(dozeFirmwareBase, 0, dozeFirmwarePages, 1, dozePage)
		dozeFirmwarePages = 0
	}
	if n == 0 || n > topology.MaxTable || physical >= high {
		return 0
	}
	if physical+n <= low {
		return physical
	}
	start := physical &^ (dozePage - 1)
	pages := (alignUp(physical+n, dozePage) - start) / dozePage
	if !dozeLink(dozeFirmwareBase, 1) {
		return 0
	}
	dozeMap(dozeFirmwareBase, start|dozeRO&^abi.PteDirty, pages, 1, dozePage)
	dozeFirmwarePages = pages
	return dozeFirmwareBase + physical - start
}
