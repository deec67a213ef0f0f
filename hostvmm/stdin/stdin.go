// Package stdin reads a machine's standard input when the guest asks for input: a
// piece at a time, never more than the guest asked for, and nothing before the first
// request. A program that does not read leaves the input to the host's next reader.
//
// Package stdin must never hold up the machine. Reading has a goroutine of its own;
// a read that outlives the machine is abandoned.
package stdin

import "io"

// maxPiece bounds what is read at once, whatever the guest asks for.
const maxPiece = 64 << 10

// Guest takes the input. The goroutine of a Reader calls both methods.
type Guest interface {
	// Input takes the next bytes and returns how many it took. The Reader keeps the
	// rest until the guest asks again. The guest must not keep b: the Reader reuses its
	// memory. An error ends the Reader.
	Input(b []byte) (int, error)
	// InputEnds tells the guest that the input ended after total bytes.
	InputEnds(total uint64)
}

// Reader reads a machine's standard input.
type Reader struct {
	from  io.Reader
	guest Guest
	asked chan int
	done  chan struct{}
	buf   []byte // of one piece, reused
}

// Start returns a Reader of from. If from is nil, the input is at its end. The caller
// must call Stop.
func Start(from io.Reader, g Guest) *Reader {
	r := &Reader{from: from, guest: g, asked: make(chan int, 1), done: make(chan struct{})}
	go r.run()
	return r
}

// Ask says that the guest has room for n bytes. It never waits. It has no effect
// while an earlier request is pending.
func (r *Reader) Ask(n int) {
	select {
	case r.asked <- n:
	default:
	}
}

// Stop ends the Reader. It must be called once.
func (r *Reader) Stop() { close(r.done) }

func (r *Reader) run() {
	var total uint64
	var kept []byte
	var err error
	for {
		var room int
		select {
		case room = <-r.asked:
		case <-r.done:
			return
		}
		if len(kept) == 0 && err == nil {
			kept, err = r.read(min(room, maxPiece))
		}
		if len(kept) > 0 {
			n, failed := r.guest.Input(kept)
			if failed != nil {
				return
			}
			total += uint64(n)
			kept = kept[n:]
		}
		if len(kept) == 0 && err != nil {
			r.guest.InputEnds(total)
			return
		}
	}
}

// read returns at least one byte, or the error that ends the input. The program
// sees every error as the end: a guest can't be told which one it was.
func (r *Reader) read(room int) ([]byte, error) {
	if r.from == nil {
		return nil, io.EOF
	}
	if room > len(r.buf) {
		r.buf = make([]byte, room)
	}
	b := r.buf[:room]
	for tries := 0; room > 0 && tries < maxEmptyReads; tries++ {
		if n, err := r.from.Read(b); n > 0 || err != nil {
			return b[:n], err
		}
	}
	return nil, io.ErrNoProgress
}

// maxEmptyReads bounds how often from may return no byte and no error.
const maxEmptyReads = 100
