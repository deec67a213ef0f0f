package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pipeSize is what the pipes are asked to hold, so that a guest that prints much
// rarely waits for the reader.
const pipeSize = 1 << 20

// streams are the pipes from QEMU: the guest's stdout, stderr and control, and
// QEMU's own messages.
type streams struct {
	writeEnds []*os.File
	readEnds  []*os.File
	sinks     []io.Writer
	wait      sync.WaitGroup
	errs      []error
}

// newStreams makes a pipe for each sink; the last is for QEMU's own messages.
func newStreams(sinks ...io.Writer) (*streams, error) {
	s := &streams{sinks: sinks, errs: make([]error, len(sinks))}
	for range sinks {
		r, w, err := os.Pipe()
		if err != nil {
			s.started()
			for _, r := range s.readEnds {
				r.Close()
			}
			return nil, err
		}
		// A smaller pipe works as well.
		_, _ = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, pipeSize)
		s.readEnds = append(s.readEnds, r)
		s.writeEnds = append(s.writeEnds, w)
	}
	return s, nil
}

func (s *streams) guestEnds() []*os.File { return s.writeEnds[:len(s.writeEnds)-1] }
func (s *streams) qemuEnd() *os.File     { return s.writeEnds[len(s.writeEnds)-1] }

// started closes our copies of the ends that QEMU writes to, and begins to
// read.
func (s *streams) started() {
	for _, w := range s.writeEnds {
		w.Close()
	}
	for i, r := range s.readEnds {
		s.wait.Go(func() {
			defer r.Close()
			s.errs[i] = pass(s.sinks[i], r)
		})
	}
}

// pass copies until QEMU has closed the pipe. If the sink fails the rest is read
// and dropped: a guest must not hang because nobody reads its output.
func pass(sink io.Writer, r io.Reader) error {
	if sink == nil {
		sink = io.Discard
	}
	_, err := io.Copy(sink, r)
	if err != nil {
		_, _ = io.Copy(io.Discard, r)
	}
	return err
}

// stoppingPatience is how long an end that was asked for waits for a host that takes no
// output.
const stoppingPatience = time.Second

// drain waits until all that was written has been passed on. Once the end was asked for
// (asked is closed, or ctx has ended) it does not wait long: a Write that has not
// returned is left to itself. The error says why the guest's output was not passed on.
func (s *streams) drain(ctx context.Context, asked <-chan struct{}) error {
	done := make(chan struct{})
	go func() {
		s.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	case <-asked:
	}
	select {
	case <-done:
	case <-time.After(stoppingPatience):
		return errLate
	}
	for i, name := range []string{"stdout", "stderr"} {
		if err := s.errs[i]; err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

var errLate = errors.New("the host took no more of it when the machine was told to end")

// maxSaid bounds what is kept of QEMU's messages.
const maxSaid = 64 << 10

// limited keeps the first maxSaid bytes.
type limited struct {
	w io.Writer
	n int
}

func (l *limited) Write(p []byte) (int, error) {
	if room := maxSaid - l.n; room > 0 {
		n, err := l.w.Write(p[:min(len(p), room)])
		l.n += n
		if err != nil {
			return n, err
		}
	}
	return len(p), nil
}
