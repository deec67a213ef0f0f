package cmdline

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// texts are the lines that tests read.
var texts [][]byte

// line is a walk of a text, which is kept: the collector does not know the addresses of a walk.
func line(t testing.TB, text string) Words {
	t.Helper()
	b := append([]byte(text), 0)
	texts = append(texts, b)
	t.Cleanup(func() { texts = nil })
	return Of(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

// room is where decoded writes: not on a stack, which moves when it grows.
var room []byte

// decoded is a value with its escapes resolved.
func decoded(v Value) string {
	room = make([]byte, v.Len()+1)
	at := uintptr(unsafe.Pointer(unsafe.SliceData(room)))
	return string(room[:v.Decode(at)-at])
}

// rest is all words from the next one on.
func rest(w *Words) (words []string) {
	for w.Next() {
		words = append(words, decoded(w.Whole()))
	}
	return words
}

func TestWalk(t *testing.T) {
	for _, c := range []struct {
		text    string
		machine int // words for the machine
		args    []string
	}{
		{"", 0, nil},
		{"   ", 0, nil},
		{"--", 0, nil},
		{"console=ttyS0  panic=1 -- a", 2, []string{"a"}},
		{"a -- -- b", 1, []string{"--", "b"}},
		{" -- a%20b %00  100%25%0A%FF ", 0, []string{"a b", "", "100%\n\xff"}},
		{"-- % %1 %zz %4", 0, []string{"%", "%1", "%zz", "%4"}},
		{"--a --", 1, nil},
	} {
		w, n := line(t, c.text), 0
		for w.NextForMachine() {
			n++
		}
		assert.Equal(t, c.machine, n, c.text)
		assert.Equal(t, c.args, rest(&w), c.text)
	}
	w := Of(0)
	assert.False(t, w.Next())
	w = Words{}
	assert.False(t, w.NextForMachine())
}

func TestValue(t *testing.T) {
	w := line(t, "doze.cpus=4 doze.cpus.max=8 doze.tree=rw doze.tree=r")
	require.True(t, w.Next())
	v, ok := w.Value(WordCPUs)
	require.True(t, ok)
	assert.EqualValues(t, 4, v.Number())
	_, ok = w.Value(WordMaxCPUs)
	assert.False(t, ok)
	require.True(t, w.Next())
	_, ok = w.Value(WordCPUs)
	assert.False(t, ok)
	require.True(t, w.Next())
	assert.True(t, w.Is(WordTree))
	require.True(t, w.Next())
	assert.False(t, w.Is(WordTree), "a word that ends within the flag")
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "17": 17, "0x1f": 0x1f, "0XFEB00E00": 0xfeb00e00, "12a": 12, "x": 0, "": 0, "0x": 0,
		"18446744073709551615": 1<<64 - 1,
	} {
		w := line(t, "k="+text)
		require.True(t, w.Next())
		v, ok := w.Value("k=")
		require.True(t, ok)
		assert.Equal(t, want, v.Number(), text)
	}
}

func TestDevice(t *testing.T) {
	w := line(t, WordDevice+"0x200@0xfeb00e00:12")
	require.True(t, w.Next())
	v, ok := w.Value(WordDevice)
	require.True(t, ok)
	v.Skip('@')
	assert.EqualValues(t, 0xfeb00e00, v.Number())
	v.Skip(':')
	assert.EqualValues(t, 12, v.Number())
	v.Skip(':')
	assert.Zero(t, v.Len())
	assert.Zero(t, v.Number())
}

func TestShort(t *testing.T) {
	var s Short
	assert.True(t, s.Is(""))
	w := line(t, "hostvmm "+strings.Repeat("x", 40))
	require.True(t, w.Next())
	s.Keep(w.Whole())
	assert.True(t, s.Is("hostvmm"))
	assert.False(t, s.Is("hostvm"))
	assert.Equal(t, byte('m'), s.Byte(6))
	assert.Zero(t, s.Byte(7))
	require.True(t, w.Next())
	s.Keep(w.Whole())
	assert.Equal(t, 24, s.Len())
}

// Whatever a loader hands over, the reader stays within it, and no escape makes a word
// longer than its text.
func FuzzWords(f *testing.F) {
	f.Add("doze.env=A=B doze.start=5 virtio_mmio.device=0x200@0xfeb00e00:12 -- a %41")
	f.Add("-- %0")
	f.Fuzz(func(t *testing.T, text string) {
		text, _, _ = strings.Cut(text, "\x00")
		w, sum := line(t, text), 0
		for w.Next() {
			v := w.Whole()
			sum += int(v.Len())
			require.LessOrEqual(t, len(decoded(v)), int(v.Len()))
			v.Number()
			v.Skip(':')
			v.Number()
			require.LessOrEqual(t, v.at, v.end)
		}
		require.Equal(t, len(strings.ReplaceAll(text, " ", "")), sum)
	})
}
