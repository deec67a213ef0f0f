package main

import (
	"fmt"
	"math/big"
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
	n, whole := bytesIn(number, scale)
	if !ok || !whole {
		return fmt.Errorf("%q is no size: write one as 64M or 1.5G", text)
	}
	*s = sizeValue(n)
	return nil
}

// bytesIn multiplies a decimal number by a unit, if that gives whole bytes.
func bytesIn(number string, scale uint64) (n uint64, ok bool) {
	if strings.Trim(number, "0123456789.") != "" {
		return 0, false // what else big.Rat would take
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, false
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).SetUint64(scale)))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Uint64(), true
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
