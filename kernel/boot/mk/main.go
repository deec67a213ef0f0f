// Command mk makes the boot blob from kernel/boot/asm with the system's
// assembler and linker. It first writes asm/abi.inc and the last section of
// docs/nucleus.md from package abi, so that no number is typed twice. Run it in the module's root: `make boot`.
package main

import (
	"fmt"
	"os"

	"github.com/doze-vm/doze/kernel/boot/blob"
)

func main() {
	if err := blob.WriteABI("kernel/abi/abi.go", "kernel/boot/asm/abi.inc"); err != nil {
		fail(err)
	}
	if err := blob.WriteNames("kernel/abi/abi.go", "docs/nucleus.md"); err != nil {
		fail(err)
	}
	bytes, err := blob.Assemble(".")
	if err != nil {
		fail(err)
	}
	if err := os.WriteFile("kernel/boot/blob.bin", bytes, 0o644); err != nil {
		fail(err)
	}
	fmt.Printf("kernel/boot/blob.bin: %d bytes\n", len(bytes))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "mk:", err)
	os.Exit(1)
}
