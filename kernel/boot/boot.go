// Package boot holds the boot blob: PVH entry, nucleus, IDT and gate, four
// pages that are the same in every image (docs/nucleus.md 1).
//
// The bytes come from asm/ by `make boot`; the package embeds them, so that
// building an image needs no assembler. It must never hold anything that
// depends on the program, the VMM or the machine's size.
package boot

import _ "embed"

// Blob is what lies at abi.BlobBase: abi.BlobEnd - abi.BlobBase bytes.
//
//go:embed blob.bin
var Blob []byte
