package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/doze-vm/doze/hostvmm/vm"
)

// interruptible returns a context that SIGINT and SIGTERM end, with the signal
// as its cause.
func interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-ch:
			cancel(vm.Signal(s.(syscall.Signal)))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(ch); cancel(nil) }
}
