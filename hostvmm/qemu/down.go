package qemu

import (
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/control"
	"github.com/doze-vm/doze/hostvmm/stdin"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// down carries control lines to the guest, and standard input, which comes behind
// a line that says how many bytes. A socket holds what QEMU has not taken yet: at
// most one piece of input, and some signals.
type down struct {
	guestEnd *os.File // for QEMU
	mu       sync.Mutex
	ours     *os.File
	stdin    *stdin.Reader
	done     chan struct{}
	asked    chan struct{} // closed once a signal asked the program to end
}

func newDown(from io.Reader, signals <-chan vm.Signal) (*down, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	_ = unix.SetNonblock(pair[0], true) // so that Close ends a Write
	d := &down{
		ours: os.NewFile(uintptr(pair[0]), "control lines"), guestEnd: os.NewFile(uintptr(pair[1]), "COM3"),
		done: make(chan struct{}), asked: make(chan struct{}),
	}
	d.stdin = stdin.Start(from, d)
	if signals != nil {
		go d.pass(signals)
	}
	return d, nil
}

// stop ends it; what was not sent is dropped.
func (d *down) stop() {
	d.stdin.Stop()
	close(d.done)
	d.ours.Close()
	d.guestEnd.Close()
}

func (d *down) pass(signals <-chan vm.Signal) {
	asked := false
	for {
		select {
		case s, ok := <-signals:
			if !ok {
				return
			}
			switch syscall.Signal(s) {
			case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM:
				if !asked {
					asked = true
					close(d.asked)
				}
			}
			_ = d.send(control.SignalLine(int(s)))
		case <-d.done:
			return
		}
	}
}

// send sends a line and what comes with it, if anything does.
func (d *down) send(line string, with ...byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.ours.WriteString(line)
	if err == nil && len(with) > 0 {
		_, err = d.ours.Write(with)
	}
	return err
}

// Input implements stdin.Guest.
func (d *down) Input(b []byte) (int, error) {
	if err := d.send(control.InputLine(len(b)), b...); err != nil {
		return 0, err
	}
	return len(b), nil
}

// InputEnds implements stdin.Guest.
func (d *down) InputEnds(total uint64) { _ = d.send(control.EOFLine(total)) }
