package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/api"
)

// printer is a `doze run` whose standard output is the test's to read, or not to.
type printer struct {
	*exec.Cmd
	out  *os.File
	said *words // standard error
	end  chan error
}

func startPrinter(t *testing.T, m machine, args ...string) *printer {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return startPrinterTo(t, m, r, w, args...)
}

func startPrinterTo(t *testing.T, m machine, r, w *os.File, args ...string) *printer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	p := &printer{exec.CommandContext(ctx, doze, slices.Concat([]string{"run"}, m.flags, args)...), r, newWords(), make(chan error, 1)}
	p.Stdout, p.Stderr = w, p.said
	p.WaitDelay = 10 * time.Second
	require.NoError(t, p.Start())
	w.Close()
	go func() { p.end <- p.Wait() }()
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// words is what a process has said so far.
type words struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newWords() *words { return &words{more: make(chan struct{}, 1)} }

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until text was said.
func (w *words) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(limit)
	for !strings.Contains(w.String(), text) {
		select {
		case <-w.more:
		case <-late:
			require.Fail(t, "not said", "%q in %q", text, w)
		}
	}
}

// status waits for the end.
func (p *printer) status(t *testing.T) int {
	t.Helper()
	select {
	case <-p.end:
		p.end <- nil
		return p.ProcessState.ExitCode()
	case <-time.After(limit):
		require.Fail(t, "it did not end", "stderr: %s", p.said)
		return -1
	}
}

// A reader that never reads holds up the thread that writes, and nothing else: the
// program's clock goes on, and SIGTERM ends it.
func TestReaderThatNeverReads(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []string{"1", "2"} {
			p := startPrinter(t, m, "--cpus", cpus, app(t, "output"), "ticker")
			p.said.await(t, "tick 20\n")
			require.NoError(t, p.Process.Signal(syscall.SIGTERM))
			assert.Equal(t, 143, p.status(t))
		}
	})
}

// Nor does such a reader hold up the machine's API, or doze stop.
func TestAPIBesideAReaderThatNeverReads(t *testing.T) {
	f := newFleet(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	said := newWords()
	cmd := f.command("run", "--vmm", "kvm", "--name", "stuck", app(t, "output"), "ticker")
	cmd.Stdout, cmd.Stderr = w, said
	require.NoError(t, cmd.Start())
	w.Close()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	said.await(t, "tick 15\n") // the pipe has been full for long
	assert.Equal(t, api.StateRunning, f.status("stuck").State)
	assert.Contains(t, f.do("stats", "stuck"), "stuck")
	f.do("pause", "stuck")
	f.do("resume", "stuck")
	f.do("stop", "stuck")
	assert.Equal(t, 143, ended(t, cmd))
}

// Nor does it hold up input.
func TestInputBesideAReaderThatNeverReads(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		cmd := exec.CommandContext(ctx, doze, slices.Concat([]string{"run"}, m.flags, []string{app(t, "output"), "asks"})...)
		said := newWords()
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("a line\n"), w, said
		require.NoError(t, cmd.Start())
		w.Close()
		said.await(t, "read \"a line\\n\"\n")
		go func() { _, _ = io.Copy(io.Discard, r) }()
		assert.NoError(t, cmd.Wait())
	})
}

// What doze itself says at the end holds up nobody who asks it to end.
func TestSignalWhileDozePrints(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		fd := int(w.Fd())
		require.NoError(t, syscall.SetNonblock(fd, true))
		for err == nil { // until it is full
			_, err = syscall.Write(fd, make([]byte, 4096))
		}
		require.NoError(t, syscall.SetNonblock(fd, false))
		cmd := exec.Command(doze, slices.Concat([]string{"run"}, m.flags, []string{"--stats", app(t, "hello")})...)
		cmd.Stderr = w
		require.NoError(t, cmd.Start())
		w.Close()
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		for late := time.After(limit); ; {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-done:
				return
			case <-late:
				_ = cmd.Process.Kill()
				require.Fail(t, "SIGTERM does not end it")
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
}

func TestExitBesideAReaderThatNeverReads(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		p := startPrinter(t, m, app(t, "output"), "exit")
		p.said.await(t, "exits\n")
		if m.tier == "qemu" { // there what a pipe holds waits for the reader
			go func() { _, _ = io.Copy(io.Discard, p.out) }()
		}
		assert.Equal(t, 7, p.status(t))
	})
}

// Nothing is lost when the reader comes late.
func TestLateReader(t *testing.T) {
	const n = 20 << 20
	onEach(t, func(t *testing.T, m machine) {
		p := startPrinter(t, m, app(t, "output"), "much", fmt.Sprint(n))
		time.Sleep(3 * time.Second) // as long as it takes to fill every buffer
		got, err := io.ReadAll(p.out)
		require.NoError(t, err)
		assert.Equal(t, 0, p.status(t), "%s", p.said)
		assert.Equal(t, fmt.Sprintf("written: %d\n", len(got)), p.said.String())
		for i, b := range got {
			if b != byte(i*7/5) {
				require.Fail(t, "wrong", "byte %d of %d", i, len(got))
			}
		}
	})
}

// The program is told what the host says, and the status is not 0.
func TestOutputThatTheHostRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		p := startPrinterTo(t, m, nil, full, app(t, "output"), "error")
		assert.Equal(t, 1, p.status(t))
		assert.Contains(t, p.said.String(), "doze: output was lost: stdout: ")
		assert.Contains(t, p.said.String(), "no space left on device")
		if m.tier == "kvm" {
			assert.Contains(t, p.said.String(), "errno: 28\n")
		}
	})
}

// A pipe whose reader has gone ends the program, as natively.
func TestReaderThatGoes(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		if m.tier != "kvm" {
			t.Skip("under QEMU doze itself ends by SIGPIPE, and QEMU with it")
		}
		p := startPrinter(t, m, app(t, "output"), "much", fmt.Sprint(100<<20))
		_, err := io.ReadFull(p.out, make([]byte, 100))
		require.NoError(t, err)
		p.out.Close()
		assert.Equal(t, 128+int(syscall.SIGPIPE), p.status(t))
	})
}

// Threads on several vCPUs that write at a time lose no line and no wake-up.
func TestLinesFromManyThreads(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []string{"1", "2", "4"} {
			file, err := os.CreateTemp(t.TempDir(), "")
			require.NoError(t, err)
			p := startPrinterTo(t, m, nil, file, "--cpus", cpus, app(t, "output"), "lines")
			require.Equal(t, 0, p.status(t), "%s", p.said)
			text, err := os.ReadFile(file.Name())
			require.NoError(t, err)
			list := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			assert.Len(t, list, 4*500)
			line := regexp.MustCompile(`^goroutine \d line \d+$`)
			for _, l := range list {
				require.Regexp(t, line, l)
			}
		}
	})
}

// No thread that waits is forgotten, whoever takes back what the device is done with,
// and however many wait: neither at a slow reader's pipe nor at one whose reader goes.
func TestCallsFromManyThreads(t *testing.T) {
	const all = 30 * 100 * 997 // bytes, as the app has it
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []string{"1", "2", "4"} {
			p := startPrinter(t, m, "--cpus", cpus, app(t, "output"), "calls")
			var got int64
			for piece := make([]byte, 3000); ; {
				n, err := p.out.Read(piece)
				if got += int64(n); err != nil {
					break
				}
			}
			assert.Equal(t, 0, p.status(t), "%s", p.said)
			assert.Equal(t, int64(all), got)
			if m.tier != "kvm" {
				continue // doze itself ends by SIGPIPE
			}
			for range 3 {
				p = startPrinter(t, m, "--cpus", cpus, app(t, "output"), "calls")
				_, err := io.ReadFull(p.out, make([]byte, 100))
				require.NoError(t, err)
				p.out.Close()
				assert.Equal(t, 0, p.status(t), "%s", p.said)
			}
		}
	})
}
