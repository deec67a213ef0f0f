package loader

import (
	"encoding/binary"
	"fmt"

	"github.com/doze-vm/doze/kernel/abi"
)

// Guest-physical places of the tables; all below 1 MiB, where ring 3 may read
// until it hides them, and not on page zero.
const (
	startInfoAddr = 0x1000
	memmapAddr    = 0x1800
	cmdlineAddr   = 0x2000
	lowRAMEnd     = 0xa0000 // then a PC's video memory and ROMs: left out
	highRAM       = 0x100000
)

// startVersion is the version of the hvm_start_info that is written: no modules, no RSDP.
const startVersion = 1

// MaxCommandLine is how many bytes a command line may have.
const MaxCommandLine = lowRAMEnd - cmdlineAddr - 1

// Range is a range of guest-physical memory.
type Range struct{ Start, Size uint64 }

// WriteStartInfo writes what a PVH guest is given, and returns the address for
// RBX. mem is the machine's memory from guest-physical 0.
func WriteStartInfo(mem []byte, cmdline string) (uint64, error) {
	if len(cmdline) > MaxCommandLine {
		return 0, fmt.Errorf("arguments and environment have %d bytes together; a machine takes %d", len(cmdline), MaxCommandLine)
	}
	if len(mem) < highRAM {
		return 0, &TooSmallError{Memory: uint64(len(mem)), Need: highRAM}
	}
	le := binary.LittleEndian
	copy(mem[cmdlineAddr:], cmdline)
	mem[cmdlineAddr+len(cmdline)] = 0
	ram := []Range{{0, lowRAMEnd}, {highRAM, uint64(len(mem)) - highRAM}}
	for i, r := range ram {
		e := mem[memmapAddr+i*abi.MemmapSize:]
		le.PutUint64(e[abi.MemmapAddr:], r.Start)
		le.PutUint64(e[abi.MemmapBytes:], r.Size)
		le.PutUint32(e[abi.MemmapType:], abi.MemmapRAM)
	}
	info := mem[startInfoAddr : startInfoAddr+abi.StartSize]
	le.PutUint32(info, abi.StartMagic)
	le.PutUint32(info[abi.StartVersion:], startVersion)
	le.PutUint64(info[abi.StartCmdline:], cmdlineAddr)
	le.PutUint64(info[abi.StartMemmap:], memmapAddr)
	le.PutUint32(info[abi.StartMemmapCount:], uint32(len(ram)))
	return startInfoAddr, nil
}

// MaxMemory is the most memory a machine can have: it is one range below the
// devices.
const MaxMemory = abi.VirtioBase &^ (0x10000000 - 1) // 0xf0000000
