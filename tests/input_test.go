package tests

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pipesTranscript is what apps/pipes prints on Linux.
//
//go:embed testdata/pipes.txt
var pipesTranscript string

func TestPipes(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "pipes"))
		r.ok(t)
		assert.Equal(t, pipesTranscript, r.stdout)
	})
}

// feed runs an image with a standard input.
func (m machine) feed(t *testing.T, in io.Reader, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), doze, slices.Concat([]string{"run"}, m.flags, args)...)
	guard := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{stdout: stdout.String(), stderr: stderr.String(), status: cmd.ProcessState.ExitCode()}
}

func TestInput(t *testing.T) {
	large := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large)
	for _, c := range []struct {
		name, in string
		args     []string
		want     string
	}{
		{"text", "one\ntwo\nno end of line", nil, "one\ntwo\nno end of line"},
		{"nothing", "", nil, ""},
		{"control lines and zeros", "eof 3\nsignal 9\n\x00\x00input 5\n", nil, "eof 3\nsignal 9\n\x00\x00input 5\n"},
		{"large", string(large), []string{"-sum"}, fmt.Sprintf("%d %x\n", len(large), sha256.Sum256(large))},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				r := m.feed(t, strings.NewReader(c.in), append([]string{app(t, "cat")}, c.args...)...)
				r.ok(t)
				assert.Equal(t, c.want, r.stdout)
			})
		})
	}
}

// Without a standard input a program finds its end at once: run has /dev/null.
func TestNoInput(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "cat"))
		r.ok(t)
		assert.Empty(t, r.stdout)
	})
}

// What a program does not ask for is left to whoever reads next.
func TestInputIsLeft(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		path := filepath.Join(t.TempDir(), "input")
		require.NoError(t, os.WriteFile(path, []byte("a line\n"), 0o600))
		in, err := os.Open(path)
		require.NoError(t, err)
		defer in.Close()
		m.feed(t, in, app(t, "cat"), "-lines", "0").ok(t)
		at, err := in.Seek(0, io.SeekCurrent)
		require.NoError(t, err)
		assert.Zero(t, at)
	})
}

// The poller waits for input too, with deadlines; input that comes later wakes an
// idle machine.
func TestInputByThePoller(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		in, out := io.Pipe()
		cmd := exec.CommandContext(t.Context(), doze, slices.Concat([]string{"run"}, m.flags, []string{app(t, "cat"), "-poll"})...)
		guard := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
		defer guard.Stop()
		// Nothing comes before the deadline was seen to pass.
		first := make(chan struct{})
		stdout := &watched{first: first}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = in, stdout, os.Stderr
		require.NoError(t, cmd.Start())
		go func() {
			<-first
			_, _ = out.Write([]byte("late\n"))
			_ = out.Close()
		}()
		require.NoError(t, cmd.Wait())
		assert.Equal(t, "deadline: true\nlate\n", stdout.text.String())
	})
}

// watched closes first when something is written.
type watched struct {
	text  strings.Builder
	first chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	if w.first != nil {
		close(w.first)
		w.first = nil
	}
	return w.text.Write(b)
}

// A machine that waits for input has no wake-ups for it.
func TestWaitingForInputIsIdle(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		in, out, err := os.Pipe()
		require.NoError(t, err)
		defer in.Close()
		defer out.Close()
		r := m.feed(t, in, app(t, "idle"), "-read", "-settle", "2s", "-for", "6s")
		r.ok(t)
		assert.LessOrEqual(t, r.askedFor(t, m), wakeUpsBesides)
	})
}

func TestSignalsReachTheProgram(t *testing.T) {
	for _, c := range []struct {
		name, flag string
		signals    []syscall.Signal
		want       []string
		status     int
	}{
		{"handled", "-spin=false", []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM},
			[]string{"user defined signal 1", "user defined signal 2", "hangup", "interrupt", "terminated"}, 7},
		{"busy", "-spin", []syscall.Signal{syscall.SIGUSR1, syscall.SIGTERM}, []string{"user defined signal 1", "terminated"}, 7},
		{"not handled", "-default", []syscall.Signal{syscall.SIGHUP}, nil, 128 + int(syscall.SIGHUP)},
		{"the third kills", "-stubborn", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGTERM},
			[]string{"terminated", "terminated", ""}, 128 + int(syscall.SIGTERM)},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				cmd, out := m.start(t, app(t, "signals"), c.flag)
				waitFor(t, out, "ready")
				for i, s := range c.signals {
					require.NoError(t, cmd.Process.Signal(s))
					if i < len(c.want) && c.want[i] != "" {
						waitFor(t, out, c.want[i])
					}
				}
				_ = cmd.Wait() // a status that is not 0 is an error, too
				assert.Equal(t, c.status, cmd.ProcessState.ExitCode())
			})
		})
	}
}

func TestQuitDumpsGoroutines(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		cmd := exec.CommandContext(t.Context(), doze, slices.Concat([]string{"run"}, m.flags, []string{app(t, "signals")})...)
		guard := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
		defer guard.Stop()
		var stderr bytes.Buffer
		first := make(chan struct{})
		cmd.Stdout, cmd.Stderr = &watched{first: first}, &stderr
		require.NoError(t, cmd.Start())
		<-first
		require.NoError(t, cmd.Process.Signal(syscall.SIGQUIT))
		_ = cmd.Wait()
		assert.Equal(t, 2, cmd.ProcessState.ExitCode())
		assert.Contains(t, stderr.String(), "SIGQUIT: quit")
		assert.Contains(t, stderr.String(), "main.main()")
	})
}
