// Package api lets others watch and steer a machine that runs: HTTP on a Unix socket,
// described in docs/api.md and docs/openapi.yaml, and a client.
//
// Whoever can open the socket may do all of it; the registry sees to who can. A
// request is checked before any of it reaches the machine, and an error names what
// was wrong. The package must never wake a machine that sleeps for a figure, nor do
// anything while nobody asks.
package api

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/profile"
	"github.com/doze-vm/doze/hostvmm/symbols"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// Machine is what is served, a *hostvmm.Machine.
type Machine interface {
	profile.Machine
	SetBalloon(target uint64) error
	MemoryStatus() vm.Memory
	SetCPUs(n int) error
	CPUStatus() vm.CPUs
	Pause() error
	Resume() error
	Paused() bool
	Running() bool
	Stats() hostvmm.Stats
}

// Options say what the machine is, and how it ends.
type Options struct {
	ID, Name, Program, Image, Idle, Version string
	Started                                 time.Time
	// Symbols opens the image's symbols; nil opens those of the file that is at Image.
	Symbols func() (*symbols.Table, error)

	Signal func(s syscall.Signal) // sends the program a signal
	Kill   func()                 // ends the machine

	// Answered, if not nil, is called after each answer, maybe by several goroutines.
	Answered func()
}

// Limits of connections. Nobody polls: they are timers of connections there are.
const (
	headerLimit = 10 * time.Second
	bodyLimit   = 10 * time.Second
	idleLimit   = time.Minute
	// endLimit is how long answers may take after the machine has ended.
	endLimit = time.Second
)

// Server serves one machine.
type Server struct {
	machine Machine
	options Options
	http    *http.Server
	ended   chan struct{} // closed when the machine has ended
	once    sync.Once

	counting sync.Mutex // of requests: what follows
	closed   bool       // none begins any more
	answers  sync.WaitGroup

	stopping sync.Mutex
	kill     *time.Timer // what becomes of a machine that does not stop
	killed   bool
}

// New makes a server. The machine need not run yet.
func New(m Machine, o Options) *Server {
	s := &Server{machine: m, options: o, ended: make(chan struct{})}
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: headerLimit, IdleTimeout: idleLimit, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // stderr is the program's
	}
	return s
}

// Serve answers until Close.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close is called when the machine has ended, before it is freed: nobody uses it
// any more when Close returns. Those who wait for its end are told.
func (s *Server) Close() {
	s.once.Do(func() { close(s.ended) })
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // who does not read is not waited for
	}
	s.counting.Lock()
	s.closed = true // a request that was read just now has not been counted yet
	s.counting.Unlock()
	s.answers.Wait()
	s.stopping.Lock()
	defer s.stopping.Unlock()
	if s.kill != nil {
		s.kill.Stop()
	}
}

// begin counts a request, and reports whether the machine is still there for it.
func (s *Server) begin() bool {
	s.counting.Lock()
	defer s.counting.Unlock()
	if s.closed {
		return false
	}
	s.answers.Add(1)
	return true
}

func (s *Server) state() string {
	switch {
	case !s.machine.Running():
		return StateEnded
	case s.machine.Paused():
		return StatePaused
	}
	return StateRunning
}

func (s *Server) status() Status {
	o := &s.options
	return Status{
		ID: o.ID, Name: o.Name, Program: o.Program, Image: o.Image, PID: os.Getpid(), Started: o.Started, State: s.state(), Idle: o.Idle, Version: o.Version,
		CPUs: s.machine.CPUStatus(), Memory: s.machine.MemoryStatus(),
	}
}

func (s *Server) stats() Stats {
	m := s.machine.Stats()
	a := Stats{
		Time: time.Now(), State: s.state(), CPUs: s.machine.CPUStatus(), Memory: s.machine.MemoryStatus(), Exits: m.Exits,
		Sleeps: Sleeps{m.Park.Sleeps, m.Park.Events, m.Park.Deadlines, m.Park.Late.Sum},
		Queues: make([]Queue, 0, len(m.Queues)),
	}
	for _, q := range m.Queues {
		a.Queues = append(a.Queues, Queue{q.Device, q.Name, q.Notifies, q.Requests, q.Bytes})
	}
	return a
}
