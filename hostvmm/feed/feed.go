// Package feed reads a machine's standard input when its guest asks for some: a
// piece at a time, never more than was asked for, and nothing before the first
// time. So a program that does not read leaves the input to whoever comes next.
//
// It must never hold up the machine: reading has a goroutine of its own, which is
// left to itself if it still reads when the machine has ended.
package feed

import "io"

// maxPiece bounds what is read at once, whatever the guest asks for.
const maxPiece = 64 << 10

// Guest is where input goes. The feed's goroutine calls both.
type Guest interface {
	// Input takes the next bytes and returns how many it took. The rest is kept
	// until it asks again, and what it took is used for the bytes that come then. An
	// error ends the feed.
	Input(b []byte) (int, error)
	// InputEnds says that the input ends after total bytes.
	InputEnds(total uint64)
}

// Feed is a machine's standard input.
type Feed struct {
	r     io.Reader
	guest Guest
	asked chan int
	done  chan struct{}
	buf   []byte // of one piece, reused
}

// Start makes a feed; without a reader the input is at its end. Stop ends it.
func Start(r io.Reader, g Guest) *Feed {
	f := &Feed{r: r, guest: g, asked: make(chan int, 1), done: make(chan struct{})}
	go f.run()
	return f
}

// Ask says that the guest has room for n bytes. It never waits; while an earlier
// one has not been noticed it changes nothing.
func (f *Feed) Ask(n int) {
	select {
	case f.asked <- n:
	default:
	}
}

// Stop ends the feed, once.
func (f *Feed) Stop() { close(f.done) }

func (f *Feed) run() {
	var total uint64
	var kept []byte
	var err error
	for {
		var room int
		select {
		case room = <-f.asked:
		case <-f.done:
			return
		}
		if len(kept) == 0 && err == nil {
			kept, err = f.read(min(room, maxPiece))
		}
		if len(kept) > 0 {
			n, failed := f.guest.Input(kept)
			if failed != nil {
				return
			}
			total += uint64(n)
			kept = kept[n:]
		}
		if len(kept) == 0 && err != nil {
			f.guest.InputEnds(total)
			return
		}
	}
}

// read reads at least a byte unless there are none. An error is an end, too: the
// program can't be told which.
func (f *Feed) read(room int) ([]byte, error) {
	if f.r == nil {
		return nil, io.EOF
	}
	if room > len(f.buf) {
		f.buf = make([]byte, room)
	}
	b := f.buf[:room]
	for tries := 0; room > 0 && tries < maxEmptyReads; tries++ {
		if n, err := f.r.Read(b); n > 0 || err != nil {
			return b[:n], err
		}
	}
	return nil, io.ErrNoProgress
}

// maxEmptyReads is how often a reader may return nothing without an error.
const maxEmptyReads = 100
