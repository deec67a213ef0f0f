package tests

import (
	"bytes"
	"context"
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
	"github.com/doze-vm/doze/hostvmm/vm"
)

// hosted is a machine of ours in this process.
type hosted struct {
	*hostvmm.Machine
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
	v := &hosted{out: new(lockedBuffer), signals: make(chan vm.Signal, 1), done: make(chan vm.Result, 1)}
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
		t.Fatalf("the program did not end: %s", v.out)
		return result{}
	}
}
