package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/hostvmm/symbols"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// hosted is a machine of ours in this process.
type hosted struct {
	*hostvmm.Machine
	image   string
	out     *lockedBuffer
	signals chan vm.Signal
	done    chan vm.Result
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startHosted runs an image in this process under hostvmm, until its program says
// that it has started.
func startHosted(t *testing.T, c vm.Config) *hosted {
	t.Helper()
	if tier := os.Getenv("DOZE_TIER"); tier != "" && tier != "kvm" {
		t.Skip("hostvmm runs in the kvm tier")
	}
	if why := needsKVM(); why != "" {
		t.Skip(why)
	}
	im, err := loader.Open(c.Image)
	require.NoError(t, err)
	defer im.Close()
	h, err := hostvmm.OpenHost()
	require.NoError(t, err)
	defer h.Close()
	v := &hosted{image: c.Image, out: new(lockedBuffer), signals: make(chan vm.Signal, 1), done: make(chan vm.Result, 1)}
	c.Stdout, c.Stderr, c.Signals = io.Writer(v.out), io.Writer(v.out), v.signals
	v.Machine, err = hostvmm.New(h, im, c, hostvmm.Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		res, err := v.Run(ctx)
		assert.NoError(t, err)
		v.done <- res
	}()
	t.Cleanup(func() {
		cancel()
		for v.Running() {
			time.Sleep(time.Millisecond)
		}
		_ = v.Close()
	})
	require.Eventually(t, func() bool { return bytes.Contains([]byte(v.out.String()), []byte("started\n")) }, limit, time.Millisecond, "%s", v.out)
	return v
}

// end sends SIGTERM and waits for the program's end.
func (v *hosted) end(t *testing.T) result {
	t.Helper()
	v.signals <- vm.Signal(syscall.SIGTERM)
	select {
	case res := <-v.done:
		return result{stdout: v.out.String(), status: res.ExitCode}
	case <-time.After(limit):
		t.Fatalf("the program did not end: %s\n%s", v.out, v.doing(t))
		return result{}
	}
}

// doing says what the vCPUs are, and what they execute.
func (v *hosted) doing(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%+v\n%+v\n", v.CPUStatus(), v.Stats())
	samples, err := v.Sample(ctx, sample.Options{Hz: 100})
	if err != nil {
		return fmt.Sprint(b.String(), err)
	}
	symbols, err := symbols.Open(v.image)
	require.NoError(t, err)
	defer symbols.Close()
	for _, s := range samples.Stacks {
		fmt.Fprintf(&b, "vCPU %d, %d times:", s.CPU, s.Count)
		for _, pc := range s.PCs {
			f, _ := symbols.Place(pc)
			fmt.Fprintf(&b, " %s:%d", f.Function, f.Line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
