package qemu

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program assembles 32-bit code that runs right at the PVH entry.
type program struct {
	code, data []byte
}

// The data lies in the page after the code's.
const dataAddr = abi.BlobBase + abi.PageSize

// print sends text to a port: MOV ESI, MOV ECX, MOV EDX, REP OUTSB.
func (p *program) print(port uint16, text string) {
	le := binary.LittleEndian
	p.code = le.AppendUint32(append(p.code, 0xbe), uint32(dataAddr+len(p.data)))
	p.code = le.AppendUint32(append(p.code, 0xb9), uint32(len(text)))
	p.code = le.AppendUint32(append(p.code, 0xba), uint32(port))
	p.code = append(p.code, 0xfc, 0xf3, 0x6e)
	p.data = append(p.data, text...)
}

// exit writes to PortExit: MOV EDX, OUT DX, AL.
func (p *program) exit() {
	p.code = append(binary.LittleEndian.AppendUint32(append(p.code, 0xba), abi.PortExit), 0xee)
}

func (p *program) raw(code ...byte) { p.code = append(p.code, code...) }

// image writes the program as a Doze image.
func (p *program) image(t *testing.T) string {
	t.Helper()
	le := binary.LittleEndian
	notes := note("Xen", 18, le.AppendUint32(nil, abi.BlobBase))
	desc := le.AppendUint64(le.AppendUint32(nil, abi.Version), 0)[:8]
	notes = append(notes, note(abi.NoteOwner, abi.NoteType, le.AppendUint64(desc, abi.MachinePage))...)
	const memory = abi.MachinePage + abi.PageSize - abi.BlobBase
	out := make([]byte, abi.PageSize+memory)
	copy(out, "\x7fELF\x02\x01\x01")
	le.PutUint16(out[16:], uint16(elf.ET_EXEC))
	le.PutUint16(out[18:], uint16(elf.EM_X86_64))
	le.PutUint32(out[20:], 1)
	le.PutUint64(out[24:], abi.BlobBase)
	le.PutUint64(out[32:], 64)
	le.PutUint16(out[52:], 64)
	le.PutUint16(out[54:], 56)
	le.PutUint16(out[56:], 2)
	header := func(at int, kind elf.ProgType, flags elf.ProgFlag, values ...uint64) {
		le.PutUint32(out[at:], uint32(kind))
		le.PutUint32(out[at+4:], uint32(flags))
		for i, v := range values {
			le.PutUint64(out[at+8+8*i:], v)
		}
	}
	header(64, elf.PT_NOTE, elf.PF_R, 512, 0, 0, uint64(len(notes)), uint64(len(notes)), 4)
	header(120, elf.PT_LOAD, elf.PF_R|elf.PF_W|elf.PF_X, abi.PageSize, abi.BlobBase, abi.BlobBase, memory, memory, abi.PageSize)
	copy(out[512:], notes)
	copy(out[abi.PageSize:2*abi.PageSize], p.code)
	copy(out[2*abi.PageSize:], p.data)
	path := filepath.Join(t.TempDir(), "guest.doze")
	require.NoError(t, os.WriteFile(path, out, 0o644))
	return path
}

func note(owner string, kind uint32, desc []byte) []byte {
	le := binary.LittleEndian
	out := le.AppendUint32(nil, uint32(len(owner)+1))
	out = le.AppendUint32(out, uint32(len(desc)))
	out = append(le.AppendUint32(out, kind), owner...)
	out = append(out, make([]byte, 4-len(owner)%4)...)
	return append(out, desc...)
}

type outcome struct {
	vm.Result
	stdout, stderr string
}

// run runs the program on a machine; a test must not wait for ever.
func run(t *testing.T, ctx context.Context, p *program, o Options) (outcome, error) {
	t.Helper()
	if _, err := exec.LookPath(Binary); err != nil && o.Binary == "" {
		t.Skip(ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	res, err := Run(ctx, vm.Config{Image: p.image(t), Memory: 16 << 20, CPUs: 1, Stdout: &stdout, Stderr: &stderr}, o)
	return outcome{res, stdout.String(), stderr.String()}, err
}

// bytes that a terminal, a monitor or a text mode would change.
func everyByte() string {
	var b []byte
	for i := range 256 {
		b = append(b, byte(i))
	}
	return string(b) + "\r\n\n\r\x01c\x01x"
}

func TestMachines(t *testing.T) {
	for _, machine := range []string{MicroVM, Q35} {
		t.Run(machine, func(t *testing.T) {
			var p program
			p.print(abi.PortCOM1, everyByte())
			p.print(abi.PortCOM2, "err"+everyByte())
			p.print(abi.PortControl, "exit 7\n")
			p.exit()
			got, err := run(t, t.Context(), &p, Options{Machine: machine})
			require.NoError(t, err)
			assert.Equal(t, 7, got.ExitCode)
			assert.Nil(t, got.Crash)
			assert.Equal(t, everyByte(), got.stdout)
			assert.Equal(t, "err"+everyByte(), got.stderr)
		})
	}
}

// Two streams into one writer keep their order.
func TestOneStream(t *testing.T) {
	if _, err := exec.LookPath(Binary); err != nil {
		t.Skip(ErrNotFound)
	}
	var p program
	var want strings.Builder
	for i := range 40 {
		text := fmt.Sprintf("line %d\n", i)
		want.WriteString(text)
		p.print([]uint16{abi.PortCOM1, abi.PortCOM2}[i%2], text)
	}
	p.print(abi.PortControl, "exit 0\n")
	p.exit()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	_, err := Run(ctx, vm.Config{Image: p.image(t), Memory: 16 << 20, CPUs: 1, Stdout: &out, Stderr: &out}, Options{})
	require.NoError(t, err)
	assert.Equal(t, want.String(), out.String())
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(p *program)
		want vm.Result
		err  string
	}{
		{"crash", func(p *program) { p.print(abi.PortControl, "crash lost\npc 0x100000\n"); p.exit() },
			vm.Result{ExitCode: 2, Crash: &vm.Crash{Text: "lost", PCs: []uint64{0x100000}}}, ""},
		{"error", func(p *program) { p.print(abi.PortControl, "error no FSGSBASE\n"); p.exit() }, vm.Result{}, "no FSGSBASE"},
		{"exit without a word", func(p *program) { p.exit() },
			vm.Result{ExitCode: 2, Crash: &vm.Crash{Text: "the machine ended without a word"}}, ""},
		// LIDT of an empty table, then UD2.
		{"triple fault", func(p *program) { p.raw(0x0f, 0x01, 0x1d, 0, 0x30, 0x10, 0, 0x0f, 0x0b) },
			vm.Result{ExitCode: 2, Crash: &vm.Crash{Text: "the machine ended without a word"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			c.make(&p)
			got, err := run(t, t.Context(), &p, Options{})
			if c.err != "" {
				assert.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got.Result)
		})
	}
}

// notify is a writer that tells of its first byte.
type notify struct{ ch chan struct{} }

func (n *notify) Write(p []byte) (int, error) {
	select {
	case n.ch <- struct{}{}:
	default:
	}
	return len(p), nil
}

func TestSignalEndsMachine(t *testing.T) {
	if _, err := exec.LookPath(Binary); err != nil {
		t.Skip(ErrNotFound)
	}
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		ctx, cancel := context.WithCancelCause(t.Context())
		var p program
		p.print(abi.PortCOM1, "up")
		p.raw(0xf4, 0xeb, 0xfd) // HLT for ever
		up := &notify{make(chan struct{}, 1)}
		go func() {
			<-up.ch
			cancel(vm.Signal(sig))
		}()
		res, err := Run(ctx, vm.Config{Image: p.image(t), Memory: 16 << 20, CPUs: 1, Stdout: up}, Options{})
		require.NoError(t, err)
		assert.Equal(t, want, res.ExitCode)
	}
}

// fake is a QEMU that does what a script says.
func fake(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qemu")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	return path
}

func TestQEMUFails(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"refuses", "echo 'warning: x' >&2; echo 'qemu-system-x86_64: -M: unsupported machine' >&2; exit 1", "QEMU ended with exit status 1: -M: unsupported machine"},
		{"killed", "echo boom >&2; kill -SEGV $$", "QEMU ended with signal: segmentation fault: boom"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := run(t, t.Context(), &program{}, Options{Binary: fake(t, c.script)})
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	_, err := run(t, t.Context(), &program{}, Options{Binary: "/nonexistent/qemu"})
	assert.ErrorContains(t, err, "no such file")
}

// What the guest said counts, however QEMU ends.
func TestGuestCounts(t *testing.T) {
	got, err := run(t, t.Context(), &program{}, Options{Binary: fake(t, "echo 'exit 3' >&5; printf out >&3; echo noise >&2; exit 1")})
	require.NoError(t, err)
	assert.Equal(t, 3, got.ExitCode)
	assert.Equal(t, "out", got.stdout)
}

func TestRefusals(t *testing.T) {
	image := (&program{}).image(t)
	small := vm.Config{Image: image, Memory: abi.BlobBase}
	fits := vm.Config{Image: image, Memory: 16 << 20}
	long := fits
	long.Args = []string{strings.Repeat("x", 5000)}
	for _, c := range []struct {
		name, want string
		c          vm.Config
		o          Options
	}{
		{"machine", `machine "pc": use microvm or q35`, fits, Options{Machine: "pc"}},
		{"accelerator", `accelerator "hvf": use tcg or kvm`, fits, Options{Accel: "hvf"}},
		{"no such image", "no such file", vm.Config{Image: "/nonexistent", Memory: 16 << 20}, Options{}},
		{"long line", "holds 4095", long, Options{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Binary = "/bin/false"
			_, err := Run(t.Context(), c.c, c.o)
			assert.ErrorContains(t, err, c.want)
		})
	}
	_, err := Run(t.Context(), small, Options{Binary: "/bin/false"})
	var tooSmall *loader.TooSmallError
	assert.ErrorAs(t, err, &tooSmall)
	t.Setenv("PATH", "")
	_, err = Run(t.Context(), fits, Options{})
	assert.ErrorIs(t, err, ErrNotFound)
	_, err = Find(t.Context())
	assert.ErrorIs(t, err, ErrNotFound)
}

func TestFind(t *testing.T) {
	info, err := Find(t.Context())
	if err != nil {
		t.Skip(err)
	}
	assert.Regexp(t, `^\d+\.\d+`, info.Version)
	assert.Contains(t, info.Accels, TCG)
}

// No two devices share an interrupt line: they are edge-triggered, and an edge would be
// lost while the other one holds the line.
func TestInterruptLinesAreApart(t *testing.T) {
	lines := map[uint32]bool{abi.LineCOM3: true}
	for _, w := range windows() {
		assert.False(t, lines[w.GSI], "line %d", w.GSI)
		lines[w.GSI] = true
	}
}
