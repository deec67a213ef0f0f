package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// orders feeds text and lists what came of it, input as the bytes themselves.
func orders(text string) (got []string) {
	var p Parser
	data := ""
	for i := range len(text) {
		switch o := p.Byte(text[i]); o.Kind {
		case Signal:
			got = append(got, fmt.Sprintf("signal %d", o.Value))
		case CPUs:
			got = append(got, fmt.Sprintf("cpus %d", o.Value))
		case EOF:
			got = append(got, fmt.Sprintf("eof %d", o.Value))
		case Data:
			if data += text[i : i+1]; o.Value == 0 {
				got = append(got, fmt.Sprintf("input %q", data))
				data = ""
			}
		}
	}
	return got
}

func TestParser(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"signal", "signal 15\n", []string{"signal 15"}},
		{"several", "signal 2\nsignal 15\neof 0\n", []string{"signal 2", "signal 15", "eof 0"}},
		{"vCPUs", "cpus 4\ncpus 0\ncpus -1\ncpus\ncpus 3\n", []string{"cpus 4", "cpus 0", "cpus 3"}},
		{"input", "input 5\na\nb\x00\nsignal 1\n", []string{`input "a\nb\x00\n"`, "signal 1"}},
		{"no input", "input 0\nsignal 1\n", []string{"signal 1"}},
		{"not ended", "signal 15", nil},
		{"no such signal", "signal 0\nsignal 65\nsignal -1\nsignal 99999999999999999999999\nsignal \nsignal\n", nil},
		{"unknown words", "balloon 5\n\n \nsignals 5\nSIGNAL 5\nsignal 5\n", []string{"signal 5"}},
		{"numbers and more", "signal 5 \nsignal  5\neof 12x\neof 12\n", []string{"eof 12"}},
		{"a long line", strings.Repeat("x", 500) + "\nsignal 9\n", []string{"signal 9"}},
		{"a long number", "eof " + strings.Repeat("0", MaxLine-5) + "7\neof " + strings.Repeat("0", MaxLine) + "7\n", []string{"eof 7"}},
	} {
		assert.Equal(t, c.want, orders(c.in), c.name)
	}
}

func FuzzParser(f *testing.F) {
	f.Add([]byte("signal 15\neof 7\n"))
	f.Add([]byte("input 3\nabceof 3\n"))
	f.Add([]byte("cpus 8\ncpus 1\n"))
	f.Add([]byte("input 18446744073709551615\nabc"))
	f.Add([]byte(strings.Repeat("y", MaxLine+2) + "\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var p Parser
		var left uint64
		for _, c := range in {
			o := p.Byte(c)
			if left > 0 {
				assert.Equal(t, Order{Data, left - 1}, o, "input is a row of bytes")
			}
			switch o.Kind {
			case Signal:
				assert.True(t, o.Value > 0 && o.Value <= MaxSignal)
			case Data:
				left = o.Value
			}
			assert.LessOrEqual(t, p.n, MaxLine+1)
		}
	})
}
