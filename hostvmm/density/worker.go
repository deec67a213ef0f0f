package density

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
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
	cmd    *exec.Cmd
	client *rpc.Client
}

// startWorker runs a command that calls Serve. It dies with us.
func startWorker(args []string) (*worker, error) {
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
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	return &worker{cmd: cmd, client: jsonrpc.NewClient(pipes{out, in})}, nil
}

func (w *worker) Start(a StartArgs, r *Started) error {
	return w.client.Call("Pool.Start", a, r)
}

func (w *worker) Measure(memory bool, s *Sample) error {
	return w.client.Call("Pool.Measure", memory, s)
}

func (w *worker) Answer(limit time.Duration, n *int) error {
	return w.client.Call("Pool.Answer", limit, n)
}

func (w *worker) Stop(a struct{}, left *Stopped) error {
	return w.client.Call("Pool.Stop", a, left)
}

func (w *worker) abort() { _ = w.cmd.Process.Kill() }

// end closes the worker's stdin and waits for it.
func (w *worker) end() error {
	return errors.Join(w.client.Close(), w.cmd.Wait())
}
