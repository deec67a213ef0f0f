package output

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// source has text to print.
type source struct {
	mu   sync.Mutex
	left []byte
	took int
	errs []error
	done chan struct{} // closed when all is gone
}

func newSource(text string) *source { return &source{left: []byte(text), done: make(chan struct{})} }

func (s *source) TakeOutput(b []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = copy(b, s.left)
	return s.took
}

func (s *source) OutputDone(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
	if err != nil {
		n = s.took // given up
	}
	s.left = s.left[n:]
	if len(s.left) == 0 {
		close(s.done)
	}
}

const patience = 10 * time.Second

func TestWritersThatTakeAll(t *testing.T) {
	text := string(bytes.Repeat([]byte("some text "), 10_000))
	for name, give := range map[string]func(*Stream, Source){"ready": (*Stream).Ready, "try": (*Stream).Try} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			s, src := New(&out), newSource(text)
			give(s, src)
			<-src.done
			assert.True(t, s.Finish(patience))
			assert.Equal(t, text, out.String())
			assert.NoError(t, s.Err())
		})
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// What a pipe takes at once is written before Try returns; the rest once it is read.
func TestTryWritesAtOnce(t *testing.T) {
	r, w := pipe(t)
	s, src := New(w), newSource("a line\n")
	s.Try(src)
	if s.now.off {
		t.Skip("this kernel's pipes can't be written to without waiting")
	}
	select {
	case <-src.done:
	default:
		require.Fail(t, "left to the goroutine")
	}
	b := make([]byte, 100)
	n, err := r.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "a line\n", string(b[:n]))

	text := string(bytes.Repeat([]byte("0123456789"), 100_000)) // a pipe holds less
	src = newSource(text)
	s.Try(src)
	got := make([]byte, len(text))
	_, err = io.ReadFull(r, got)
	require.NoError(t, err)
	<-src.done
	assert.True(t, s.Finish(patience))
	assert.Equal(t, text, string(got))
}

func TestTryLeavesNoGarbage(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer null.Close()
	s := New(null)
	s.Try(&endless{left: 1})
	if s.now.off {
		t.Skip("this kernel's /dev/null can't be written to without waiting")
	}
	src := &endless{}
	assert.Zero(t, testing.AllocsPerRun(1000, func() { src.left = 1; s.Try(src) }))
}

// A stream that was given up writes nothing more when its writer returns.
func TestFinishGivesUp(t *testing.T) {
	r, w := io.Pipe()
	s, src := New(w), newSource(string(make([]byte, 3*pieceSize)))
	s.Ready(src)
	assert.False(t, s.Finish(time.Millisecond), "nobody reads")
	got, err := io.ReadFull(r, make([]byte, pieceSize))
	require.NoError(t, err)
	assert.Equal(t, pieceSize, got)
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return !s.running }, patience, time.Millisecond)
	s.Ready(src)
	assert.Len(t, src.left, 2*pieceSize)
}

// endless has a line whenever left is not 0.
type endless struct{ left int }

func (e *endless) TakeOutput(b []byte) int   { return copy(b, "a line of text\n") * e.left }
func (e *endless) OutputDone(n int, _ error) { e.left = 0 }

// Two sources of one stream take turns, and one that is stuck holds up the other, but
// nobody who says that it has output.
func TestOneWriterForTwo(t *testing.T) {
	r, w := pipe(t)
	s := New(w)
	text := string(bytes.Repeat([]byte("x"), 300_000))
	a, b := newSource(text), newSource(text)
	s.Ready(a)
	s.Try(b)
	got := make([]byte, 2*len(text))
	_, err := io.ReadFull(r, got)
	require.NoError(t, err)
	<-a.done
	<-b.done
	assert.True(t, s.Finish(patience))
}

func TestErrors(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	r, broken := pipe(t)
	r.Close()
	for _, c := range []struct {
		name string
		w    io.Writer
		want error
	}{
		{"full", full, syscall.ENOSPC},
		{"broken pipe", broken, syscall.EPIPE},
		{"short", shortWriter{}, io.ErrShortWrite},
		{"some", failing{}, errFailing},
	} {
		for name, give := range map[string]func(*Stream, Source){"ready": (*Stream).Ready, "try": (*Stream).Try} {
			s, src := New(c.w), newSource("text")
			give(s, src)
			<-src.done
			require.True(t, s.Finish(patience))
			assert.ErrorIs(t, s.Err(), c.want, c.name, name)
			assert.ErrorIs(t, errors.Join(src.errs...), c.want, c.name, name)
		}
	}
}

type shortWriter struct{}

func (shortWriter) Write(b []byte) (int, error) { return len(b) / 2, nil }

var errFailing = errors.New("it fails")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFailing }

// bottomless has output whatever is taken.
type bottomless struct{}

func (*bottomless) TakeOutput(b []byte) int { return len(b) }
func (*bottomless) OutputDone(int, error)   {}

// A guest that offers output without end does not keep its machine from ending.
func TestEndOfASourceWithoutEnd(t *testing.T) {
	s := New(io.Discard)
	s.Ready(&bottomless{})
	done := make(chan bool, 1)
	go func() { done <- s.Finish(patience) }()
	select {
	case all := <-done:
		assert.False(t, all)
	case <-time.After(patience):
		require.Fail(t, "Finish still waits")
	}
}
