package boot

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/doze-vm/doze/hostvmm/vm"
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
	if v, ok := strings.CutPrefix(word, wordEnv); ok {
		l.Env = append(l.Env, v)
	} else if v, ok := strings.CutPrefix(word, wordIdle); ok {
		l.HLT = v == vm.IdleHLT
	} else if v, ok := strings.CutPrefix(word, wordSMP); ok {
		l.SMP = v
	} else if v, ok := strings.CutPrefix(word, wordStart); ok {
		ns, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return fmt.Errorf("command line: %s: %w", wordStart, err)
		}
		l.Start = time.Unix(0, ns)
	} else if v, ok := strings.CutPrefix(word, wordVMM); ok {
		l.VMM = v
	} else if v, ok := strings.CutPrefix(word, wordAccel); ok {
		l.Accel = v
	} else if v, ok := strings.CutPrefix(word, wordCPUs); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("command line: %s%s: want a number from 1 on", wordCPUs, v)
		}
		if n > 1 {
			l.CPUs = n
		}
	} else if v, ok := strings.CutPrefix(word, wordMost); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("command line: %s%s: want a number from 1 on", wordMost, v)
		}
		l.MaxCPUs = n
	} else if v, ok := strings.CutPrefix(word, wordMemory); ok {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return fmt.Errorf("command line: %s: %w", wordMemory, err)
		}
		l.MaxMemory = n
	} else if v, ok := strings.CutPrefix(word, wordDir); ok {
		l.Dir = v
	} else if v, ok := strings.CutPrefix(word, wordTree); ok {
		l.TreeRW = v == treeWritable
	} else if v, ok := strings.CutPrefix(word, wordLines); ok {
		l.COM3 = v == linesCOM3
	} else if word == wordStrace {
		l.Strace = true
	} else if v, ok := strings.CutPrefix(word, wordDevice); ok {
		return l.device(v)
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
