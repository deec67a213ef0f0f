package density

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pool is a Pool here or in a worker.
type pool interface {
	Start(StartArgs, *Started) error
	Measure(memory bool, s *Sample) error
	Answer(limit time.Duration, answered *int) error
	Stop(struct{}, *Stopped) error
	abort()     // makes the machines end at once
	end() error // after Stop
}

func (p *Pool) end() error { return nil }

// pipes are a worker's stdin and stdout, from either side.
type pipes struct {
	io.Reader
	io.WriteCloser
}

// Serve makes this process a worker: it takes requests from stdin until that
// ends, then stops its machines.
func Serve(in io.Reader, out io.WriteCloser) error {
	p := newPool()
	server := rpc.NewServer()
	if err := server.Register(p); err != nil {
		return err
	}
	server.ServeCodec(jsonrpc.NewServerCodec(pipes{in, out}))
	return p.Stop(struct{}{}, &Stopped{})
}

// worker is a pool in another process.
type worker struct {
	number int // counted from 1
	cmd    *exec.Cmd
	client *rpc.Client
	wait   func() error // for the process, any number of times
	held   atomic.Int64 // machines, as far as is known
}

// startWorker runs a command that calls Serve. It dies with us.
func startWorker(number int, args []string) (*worker, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start worker %d: %w", number, err)
	}
	return &worker{number: number, cmd: cmd, client: jsonrpc.NewClient(pipes{out, in}), wait: sync.OnceValue(cmd.Wait)}, nil
}

// call asks the worker. An error says which one it was, what it held, and how it ended
// if it did.
func (w *worker) call(method string, args, reply any) error {
	err := w.client.Call("Pool."+method, args, reply)
	var refused rpc.ServerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return fmt.Errorf("worker %d, %s: %w", w.number, method, err)
	}
	// The pipe is closed: it has ended, or does now.
	w.abort()
	if ended := w.wait(); ended != nil {
		err = ended
	}
	return fmt.Errorf("worker %d, which held %d machines, ended at %s: %w", w.number, w.held.Load(), method, err)
}

func (w *worker) Start(a StartArgs, r *Started) error {
	err := w.call("Start", a, r)
	w.held.Store(int64(len(r.FirstSleeps)))
	return err
}

func (w *worker) Measure(memory bool, s *Sample) error { return w.call("Measure", memory, s) }

func (w *worker) Answer(limit time.Duration, n *int) error { return w.call("Answer", limit, n) }

func (w *worker) Stop(a struct{}, left *Stopped) error { return w.call("Stop", a, left) }

func (w *worker) abort() { _ = w.cmd.Process.Kill() }

// end closes the worker's stdin and waits for it.
func (w *worker) end() error {
	return errors.Join(w.client.Close(), w.wait())
}
