package stdin

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// guest takes at most most bytes at a time.
type guest struct {
	most  int
	bytes bytes.Buffer
	came  chan int
	ended chan uint64
	err   error
}

func newGuest(most int) *guest {
	return &guest{most: most, came: make(chan int), ended: make(chan uint64, 1)}
}

func (g *guest) Input(b []byte) (int, error) {
	n := min(len(b), g.most)
	g.bytes.Write(b[:n])
	g.came <- n
	return n, g.err
}

func (g *guest) InputEnds(total uint64) { g.ended <- total }

func TestPieces(t *testing.T) {
	text := bytes.Repeat([]byte("input "), 1000)
	for name, r := range map[string]io.Reader{
		"whole":     bytes.NewReader(text),
		"by bytes":  iotest.OneByteReader(bytes.NewReader(text)),
		"with data": iotest.DataErrReader(bytes.NewReader(text)),
	} {
		g := newGuest(7)
		f := Start(r, g)
		for over := false; !over; {
			f.Ask(100)
			select {
			case n := <-g.came:
				require.LessOrEqual(t, n, 100)
			case total := <-g.ended:
				assert.EqualValues(t, len(text), total, name)
				over = true
			}
		}
		assert.Equal(t, text, g.bytes.Bytes(), name)
		f.Stop()
	}
}

// reader counts what is read of it.
type reader struct{ reads chan int }

func (r reader) Read(b []byte) (int, error) {
	r.reads <- len(b)
	return len(b), nil
}

func TestNothingIsReadBeforeItIsAskedFor(t *testing.T) {
	r, g := reader{make(chan int)}, newGuest(1<<20)
	f := Start(r, g)
	defer f.Stop()
	select {
	case <-r.reads:
		require.Fail(t, "read without being asked")
	case <-time.After(20 * time.Millisecond):
	}
	f.Ask(1 << 30)
	assert.Equal(t, maxPiece, <-r.reads)
	assert.Equal(t, maxPiece, <-g.came)
	f.Ask(3)
	assert.Equal(t, 3, <-r.reads)
	assert.Equal(t, 3, <-g.came)
}

func TestEnds(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"no reader": nil, "empty": bytes.NewReader(nil), "error": iotest.ErrReader(errors.New("broken")),
		"no progress": readerFunc(func([]byte) (int, error) { return 0, nil }),
	} {
		g := newGuest(1)
		f := Start(r, g)
		f.Ask(10)
		assert.Zero(t, <-g.ended, name)
		f.Stop()
	}
}

func TestGuestThatFailsEndsTheReader(t *testing.T) {
	g := newGuest(1)
	g.err = io.ErrClosedPipe
	f := Start(bytes.NewReader([]byte("abc")), g)
	f.Ask(10)
	assert.Equal(t, 1, <-g.came)
	f.Stop()
	assert.Empty(t, g.ended)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
