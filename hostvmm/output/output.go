// Package output writes what machines print to the host, apart from their vCPUs: a
// host that takes nothing holds up a goroutine of this package and the thread of the
// program that wrote, and nobody else.
//
// It must never be called by its sources under a lock that TakeOutput or OutputDone
// takes, never hold a lock while it writes, and never keep more than one piece of a
// source's bytes.
package output

import (
	"io"
	"sync"
	"time"
)

// Source is where output comes from. The stream's goroutine calls its methods in
// turn, one source at a time.
type Source interface {
	// TakeOutput copies the next bytes into b and returns how many, 0 if there are
	// none.
	TakeOutput(b []byte) int
	// OutputDone says that n of these were written, and why the others were not.
	OutputDone(n int, err error)
}

// pieceSize is how much is taken at a time.
const pieceSize = 16 << 10

// pieces are buffers between two uses, of all streams.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// Stream is a writer of the host's with those who print to it.
type Stream struct {
	w   io.Writer
	now *now // nil: the writer can only be waited for

	mu      sync.Mutex
	waiting []Source // those that said they have output, each once
	running bool     // someone serves them
	idle    chan struct{}
	pieces  uint64 // counts what was written
	last    uint64 // how many there may be in all; 0: any number, Finish was not called yet
	err     error  // the first error
	over    bool   // Finish gave up: nothing more is written
}

// New makes a stream. It has no goroutine while there is nothing to write.
func New(w io.Writer) *Stream { return &Stream{w: w, now: newNow(w)} }

// Ready says that a source has output. It never waits, and any goroutine may call it.
func (s *Stream) Ready(src Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue(src)
	s.start()
}

// queue puts a source at the end.
func (s *Stream) queue(src Source) {
	for _, w := range s.waiting {
		if w == src {
			return
		}
	}
	s.waiting = append(s.waiting, src)
}

// start starts a goroutine if nobody serves those who wait.
func (s *Stream) start() {
	if !s.running && !s.over && len(s.waiting) > 0 {
		s.running = true
		go s.run()
	}
}

// Try is Ready for a caller whom the source lets call its methods. It writes what the
// host takes at once, a few pieces at the most; the rest has the goroutine. It never
// waits either.
func (s *Stream) Try(src Source) {
	const most = 4 // pieces
	s.mu.Lock()
	if s.now == nil || s.running || s.over {
		s.queue(src)
		s.start()
		s.mu.Unlock()
		return
	}
	s.running = true
	s.mu.Unlock()
	piece := pieces.Get().(*[pieceSize]byte)
	left := true
	for range most {
		n := src.TakeOutput(piece[:])
		if left = n > 0; !left {
			break
		}
		written := s.now.write(piece[:n])
		if written > 0 {
			s.count(nil)
		}
		src.OutputDone(written, nil)
		if written < n {
			break
		}
	}
	pieces.Put(piece)
	s.mu.Lock()
	defer s.mu.Unlock()
	if left {
		s.queue(src)
	}
	s.rest()
	s.start()
}

// run serves the sources until none has output.
func (s *Stream) run() {
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	for src := s.next(); src != nil; src = s.next() {
		n := src.TakeOutput(piece[:])
		if n == 0 {
			continue
		}
		written, err := writeAll(s.w, piece[:n])
		s.count(err)
		src.OutputDone(written, err)
		s.Ready(src) // behind the others
	}
}

// next takes the first source that waits. Without one the goroutine ends.
func (s *Stream) next() Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != 0 && s.pieces >= s.last {
		s.over, s.waiting = true, nil
	}
	if len(s.waiting) == 0 || s.over {
		s.rest()
		return nil
	}
	src := s.waiting[0]
	s.waiting = append(s.waiting[:0], s.waiting[1:]...)
	return src
}

// rest notes that nobody serves the sources any more.
func (s *Stream) rest() {
	s.running = false
	if s.idle != nil && len(s.waiting) == 0 {
		close(s.idle)
		s.idle = nil
	}
}

func (s *Stream) count(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces++
	if s.err == nil {
		s.err = err
	}
}

// Err returns the first error of the writer.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// finishPieces bounds what is written once the end has come. Doze's driver has at most 8
// requests on their way, a serial port 4 pieces; a hostile guest may have offered all of its
// memory many times.
const finishPieces = 64

// Finish waits until all output is written, but not longer than patience for a piece,
// nor for more than finishPieces. It reports whether all was. A Write that has not returned is left to itself, and is the
// stream's last.
func (s *Stream) Finish(patience time.Duration) bool {
	s.mu.Lock()
	s.last = s.pieces + finishPieces
	s.mu.Unlock()
	for {
		s.mu.Lock()
		before, busy := s.pieces, s.running || len(s.waiting) > 0
		if busy && s.idle == nil {
			s.idle = make(chan struct{})
		}
		idle, over := s.idle, s.over
		s.mu.Unlock()
		switch {
		case over:
			return false
		case !busy:
			return true
		}
		select {
		case <-idle:
		case <-time.After(patience):
			s.mu.Lock()
			s.over = s.running && s.pieces == before
			over := s.over
			s.mu.Unlock()
			if over {
				return false
			}
		}
	}
}
