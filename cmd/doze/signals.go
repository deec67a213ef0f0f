package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/doze-vm/doze/hostvmm/vm"
)

// patience is how many SIGINT and SIGTERM a machine gets: the last kills it (as
// docker run has it).
const patience = 3

// toProgram are the signals that go to the program of a machine, beside SIGINT and
// SIGTERM.
var toProgram = []os.Signal{syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// signalsKey is the key of a context's *interrupts.
type signalsKey struct{}

// interrupts are the signals that the command gets.
type interrupts struct {
	ch   chan os.Signal
	pass chan chan vm.Signal // a machine takes them from now on
}

// interruptible returns a context that SIGINT and SIGTERM end, with the signal
// as its cause, until passSignals is called for it.
func interruptible(parent context.Context) (context.Context, func()) {
	i := &interrupts{ch: make(chan os.Signal, 8), pass: make(chan chan vm.Signal)}
	ctx, cancel := context.WithCancelCause(context.WithValue(parent, signalsKey{}, i))
	signal.Notify(i.ch, syscall.SIGINT, syscall.SIGTERM)
	go i.run(ctx, cancel)
	return ctx, func() { signal.Stop(i.ch); cancel(nil) }
}

func (i *interrupts) run(ctx context.Context, cancel context.CancelCauseFunc) {
	var machine chan vm.Signal
	ends := 0
	for {
		select {
		case machine = <-i.pass:
		case s := <-i.ch:
			s1 := vm.Signal(s.(syscall.Signal))
			if s == syscall.SIGINT || s == syscall.SIGTERM {
				ends++
			}
			if machine == nil || ends == patience {
				cancel(s1)
				continue
			}
			select {
			case machine <- s1:
			default: // it takes none
			}
		case <-ctx.Done():
			return
		}
	}
}

// passSignals returns the channel by which a machine gets the signals that come
// from now on. The context ends only when patience does.
func passSignals(ctx context.Context) chan vm.Signal {
	i, ok := ctx.Value(signalsKey{}).(*interrupts)
	if !ok {
		return nil
	}
	machine := make(chan vm.Signal, patience)
	select {
	case i.pass <- machine:
	case <-ctx.Done():
		return nil
	}
	for _, s := range toProgram {
		if !signal.Ignored(s) { // nohup
			signal.Notify(i.ch, s)
		}
	}
	return machine
}

// leaveSignals lets SIGINT, SIGTERM and the others end the command again: its machine is
// gone, and what is still to be printed may go to a reader that never reads.
func leaveSignals(ctx context.Context) {
	if i, ok := ctx.Value(signalsKey{}).(*interrupts); ok {
		signal.Stop(i.ch)
	}
}
