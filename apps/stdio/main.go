// Command stdio writes known bytes to stdout and stderr: short lines in turn,
// then one large write on each. A host compares both streams byte for byte;
// nothing may be lost, doubled, or end up in the other one.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	size := flag.Int("size", 1<<20, "bytes in the large write on each stream")
	lines := flag.Int("lines", 100, "short lines on each stream before it")
	flag.Parse()
	for i := range *lines {
		fmt.Fprintf(os.Stdout, "out %d\n", i)
		fmt.Fprintf(os.Stderr, "err %d\n", i)
	}
	write(os.Stdout, pattern('a', *size))
	write(os.Stderr, pattern('A', *size))
}

// pattern is n bytes of the alphabet from first on, 63 letters a line, each line
// starting one letter later than the one before, as chargen does (RFC 864).
func pattern(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		if line, column := i/64, i%64; column < 63 {
			b[i] = first + byte((line+column)%26)
		} else {
			b[i] = '\n'
		}
	}
	return b
}

func write(f *os.File, b []byte) {
	if n, err := f.Write(b); err != nil {
		fmt.Fprintf(os.Stderr, "stdio: wrote %d of %d bytes to %s: %v\n", n, len(b), f.Name(), err)
		os.Exit(1)
	}
}
