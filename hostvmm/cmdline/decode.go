package cmdline

import (
	"fmt"
	"strconv"
	"strings"
)

// Decode reads a line as the guest does: words for the machine that it does not
// know are left to others.
func Decode(text string) (Line, error) {
	var l Line
	machine := true
	for _, raw := range strings.Fields(text) {
		word, err := unescape(raw)
		if err != nil {
			return Line{}, err
		}
		switch {
		case !machine:
			l.Args = append(l.Args, word)
		case raw == separator:
			machine = false
		default:
			if err := l.machineWord(word); err != nil {
				return Line{}, err
			}
		}
	}
	return l, nil
}

func (l *Line) machineWord(word string) error {
	if v, ok := strings.CutPrefix(word, wordDevice); ok {
		return l.device(v)
	}
	for _, f := range fields {
		if ok, err := f.take(l, word); ok || err != nil {
			return err
		}
	}
	return nil
}

// device reads SIZE@BASE:GSI.
func (l *Line) device(text string) error {
	size, rest, ok1 := strings.Cut(text, "@")
	base, gsi, ok2 := strings.Cut(rest, ":")
	s, err1 := strconv.ParseUint(size, 0, 64)
	b, err2 := strconv.ParseUint(base, 0, 64)
	g, err3 := strconv.ParseUint(gsi, 0, 32)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || err3 != nil {
		return fmt.Errorf("command line: device %q: want SIZE@BASE:GSI", text)
	}
	l.Devices = append(l.Devices, Device{Size: s, Base: b, GSI: uint32(g)})
	return nil
}
