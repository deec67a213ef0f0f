// Command exit ends with the status it is given. The status must pass from the
// program through the machine to whoever ran doze.
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: exit STATUS")
		os.Exit(64)
	}
	status, err := strconv.ParseUint(os.Args[1], 10, 8)
	if err != nil {
		fmt.Fprintf(os.Stderr, "exit: status %q is not a number from 0 to 255\n", os.Args[1])
		os.Exit(64)
	}
	os.Exit(int(status))
}
