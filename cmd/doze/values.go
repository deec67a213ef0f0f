package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// sizeValue is a flag for a number of bytes.
type sizeValue uint64

// units by their letter; "M", "MB" and "MiB" all mean 2^20, as with QEMU.
var units = map[string]uint64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

// Set reads a size.
func (s *sizeValue) Set(text string) error {
	number := strings.TrimRight(text, "KMGTBikmgtb")
	unit := strings.ToUpper(text[len(number):])
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")
	scale, ok := units[unit]
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || n > math.MaxInt64/scale {
		return fmt.Errorf("write a size as 64M or 1G")
	}
	*s = sizeValue(n * scale)
	return nil
}

// String prints the size with the largest unit that divides it.
func (s *sizeValue) String() string {
	for _, unit := range []string{"T", "G", "M", "K"} {
		if n := uint64(*s); n > 0 && n%units[unit] == 0 {
			return strconv.FormatUint(n/units[unit], 10) + unit
		}
	}
	return strconv.FormatUint(uint64(*s), 10)
}

// Type names the value in help.
func (s *sizeValue) Type() string { return "SIZE" }

// note prints progress on stderr if that is a terminal.
func note(text string) {
	if _, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS); err == nil {
		fmt.Fprintln(os.Stderr, "doze: "+text)
	}
}
