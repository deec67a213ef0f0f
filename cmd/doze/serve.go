package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"time"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/api"
	"github.com/doze-vm/doze/hostvmm/registry"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// Values of --api that are no paths.
const (
	apiAuto = "auto"
	apiNone = "none"
)

// served is the API of a machine that is about to run; nil if it has none.
type served struct {
	listener net.Listener
	options  api.Options
	remove   func() error
}

// apiAsked says whether the user wants an API, and not just gets one.
func (f *runFlags) apiAsked() bool { return f.name != "" || f.api != apiAuto && f.api != apiNone }

// checkAPI says which flags do not go together.
func (f *runFlags) checkAPI(b backend) error {
	switch {
	case f.api == apiNone && f.name != "":
		return fmt.Errorf("--name %s: a machine without an API has no name", f.name)
	case b.vmm != vmmKVM && f.apiAsked():
		return fmt.Errorf("--name and --api: machines under QEMU have no API: use --vmm %s", vmmKVM)
	case f.name != "":
		return registry.CheckName(f.name)
	}
	return nil
}

// serve prepares the API that the flags ask for. A machine that nobody gave a name
// runs without one if it must: its user may never look.
func (f *runFlags) serve(b backend, image, program string, start time.Time, signals chan<- vm.Signal, kill context.CancelCauseFunc) (*served, error) {
	if b.vmm != vmmKVM || f.api == apiNone {
		return nil, nil
	}
	s, err := f.listen(program)
	switch {
	case err != nil && f.apiAsked():
		return nil, err
	case err != nil:
		warn(fmt.Errorf("this machine has no API, and doze ps does not show it: %w", err))
		return nil, nil
	}
	if path, err := filepath.Abs(image); err == nil {
		image = path
	}
	o := &s.options
	o.Program, o.Image, o.Version, o.Started = program, image, ownVersion(), start
	o.Idle = f.config.Idle
	o.Signal = func(sig syscall.Signal) {
		select {
		case signals <- vm.Signal(sig):
		default: // the program has not taken those before
		}
	}
	o.Kill = func() { kill(vm.Signal(syscall.SIGKILL)) }
	return s, nil
}

// listen makes the socket.
func (f *runFlags) listen(program string) (*served, error) {
	if f.api != apiAuto {
		l, err := registry.Listen(f.api)
		if err != nil {
			return nil, err
		}
		return &served{listener: l, options: api.Options{ID: registry.NewID(), Name: f.name}, remove: func() error { return registry.Remove(l, f.api) }}, nil
	}
	dir, err := registry.Dir()
	if err != nil {
		return nil, err
	}
	e, err := registry.Add(dir, f.name, program)
	if err != nil {
		return nil, err
	}
	return &served{listener: e.Listener, options: api.Options{ID: e.ID, Name: e.Name}, remove: e.Close}, nil
}

// attach serves a machine until it has ended.
func (s *served) attach(m *hostvmm.Machine) (detach func()) {
	if s == nil {
		return func() {}
	}
	server := api.New(m, s.options)
	go func() {
		if err := server.Serve(s.listener); err != nil {
			warn(fmt.Errorf("this machine has no API any more: %w", err))
		}
	}()
	return server.Close
}

// close removes the socket.
func (s *served) close() {
	if s != nil {
		_ = s.remove()
	}
}
