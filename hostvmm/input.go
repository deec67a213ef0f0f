package hostvmm

import (
	"errors"
	"io"

	"github.com/doze-vm/doze/hostvmm/control"
	"github.com/doze-vm/doze/hostvmm/stdin"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// consoleStdin is the console that carries standard input.
const consoleStdin = 0

var errClosed = errors.New("the machine has ended")

// input is what goes from the host to the guest: standard input, signals, control lines.
type input struct {
	from    io.Reader // the host's side of standard input
	signals <-chan vm.Signal
	stdin   *stdin.Reader  // while the machine runs
	outbox  control.Outbox // under Machine.io
}

// startInput lets input and signals reach the guest until the function it returns
// is called.
func (m *Machine) startInput() (stop func()) {
	m.input.stdin = stdin.Start(m.input.from, m)
	done := make(chan struct{})
	if m.input.signals != nil {
		go m.passSignals(done)
	}
	return func() {
		m.io.Lock()
		defer m.io.Unlock()
		m.closed = true
		m.input.stdin.Stop()
		close(done)
	}
}

func (m *Machine) passSignals(done <-chan struct{}) {
	for {
		select {
		case s, ok := <-m.input.signals:
			if !ok {
				return
			}
			m.tell(control.SignalLine(int(s)))
		case <-done:
			return
		}
	}
}

// tell sends the guest a control line. Any goroutine may, while the machine runs.
func (m *Machine) tell(line string) {
	m.io.Lock()
	defer m.io.Unlock()
	if !m.closed && m.input.outbox.Put(line) {
		m.Raise(abi.EventControl)
	}
}

// ask takes the guest's offer of room bytes for input.
func (in *input) ask(room int) { in.stdin.Ask(room) }

// Input implements stdin.Guest.
func (m *Machine) Input(b []byte) (int, error) {
	m.io.Lock()
	defer m.io.Unlock()
	if m.closed {
		return 0, errClosed
	}
	return m.consoles[consoleStdin].Receive(b), nil
}

// InputEnds implements stdin.Guest.
func (m *Machine) InputEnds(total uint64) { m.tell(control.EOFLine(total)) }
