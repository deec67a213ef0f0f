// Command syscallstray makes a system call with an instruction of its own, past
// the standard library. Linux serves it; a Doze machine has no ring-0 kernel
// that could, so doze build must refuse this program and name the function.
package main

import (
	"fmt"
	"os"
	"syscall"
)

// rawcall executes SYSCALL with number and no arguments (rawcall_amd64.s).
func rawcall(number uintptr) uintptr

func main() {
	if got := rawcall(syscall.SYS_GETPID); int(got) != os.Getpid() {
		fmt.Printf("syscallstray: the raw call says process %d, os.Getpid %d\n", got, os.Getpid())
		os.Exit(1)
	}
	fmt.Println("syscallstray: a raw system call was served")
}
