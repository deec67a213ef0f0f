// Command env prints its environment, sorted, a quoted variable a line, so that
// odd bytes (spaces, percent signs, newlines) can be compared exactly.
package main

import (
	"fmt"
	"os"
	"sort"
)

func main() {
	vars := os.Environ()
	sort.Strings(vars)
	for _, v := range vars {
		fmt.Printf("%q\n", v)
	}
}
