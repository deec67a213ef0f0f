package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How long a program may take to end, as docker stop has it.
const (
	defaultTimeout = 10 * time.Second
	maxTimeout     = time.Hour
)

// maxSignal is Linux's SIGRTMAX.
const maxSignal = 64

// ParseSignal reads a signal as kill(1) does: TERM, SIGTERM or 15.
func ParseSignal(text string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= maxSignal {
		return syscall.Signal(n), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if s := unix.SignalNum(name); s != 0 {
		return s, nil
	}
	return 0, fmt.Errorf("%.40q is no signal: use a name, as TERM, or a number from 1 to %d", text, maxSignal)
}

// postStop asks the program to end, and answers when the machine has.
func (s *Server) postStop(w http.ResponseWriter, r *http.Request) {
	var q Stop
	if err := decode(w, r, &q); err != nil {
		fail(w, err)
		return
	}
	sig, timeout := syscall.SIGTERM, defaultTimeout
	if q.Signal != "" {
		var err error
		if sig, err = ParseSignal(q.Signal); err != nil {
			fail(w, &Error{Text: err.Error(), Field: "signal", Status: http.StatusBadRequest})
			return
		}
	}
	if q.Timeout != nil {
		if *q.Timeout < 0 || *q.Timeout > maxTimeout.Seconds() {
			fail(w, &Error{Text: fmt.Sprintf("%g: use 0 to %g", *q.Timeout, maxTimeout.Seconds()), Field: "timeout_seconds", Status: http.StatusBadRequest})
			return
		}
		timeout = time.Duration(*q.Timeout * float64(time.Second))
	}
	if err := s.stop(sig, timeout); err != nil {
		fail(w, err)
		return
	}
	extend(w, timeout)
	select {
	case <-s.ended:
		s.stopping.Lock()
		defer s.stopping.Unlock()
		answer(w, Stopped{Killed: s.killed})
	case <-r.Context().Done(): // the machine is stopped all the same
	}
}

// stop sends a signal and has the machine killed after the timeout. The last request
// decides when.
func (s *Server) stop(sig syscall.Signal, timeout time.Duration) error {
	if err := s.machine.Resume(); err != nil { // a paused program can't end
		return refused(err)
	}
	s.stopping.Lock()
	defer s.stopping.Unlock()
	if s.kill != nil {
		s.kill.Stop()
	}
	if timeout == 0 || sig == syscall.SIGKILL {
		s.killed = true
		s.options.Kill()
		return nil
	}
	s.options.Signal(sig)
	s.kill = time.AfterFunc(timeout, func() {
		s.stopping.Lock()
		defer s.stopping.Unlock()
		s.killed = true
		s.options.Kill()
	})
	return nil
}
