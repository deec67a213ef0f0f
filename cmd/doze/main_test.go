package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doze-vm/doze/hostvmm/qemu"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/runtime_pv/embed"
	"github.com/doze-vm/doze/runtime_pv/gobuild"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test binary is the command when told so.
const asCommand = "DOZE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// runDoze runs the command.
func runDoze(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil {
		require.ErrorAs(t, err, &exit)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestWrongUsage(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("Hello, this is no image."), 0o644))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"frob"}, `unknown command "frob" for "doze" (see doze --help)`},
		{[]string{"ruin"}, `unknown command "ruin" for "doze"; Did you mean this? run`},
		{[]string{"--frob"}, "unknown flag: --frob (see doze --help)"},
		{[]string{"stop", "--frob"}, "stop: unknown flag: --frob (see doze stop --help)"},
		{[]string{"run"}, "run: "},
		{[]string{"run", "-tags", "x", "."}, "run: -tags: write --tags"},
		{[]string{"run", "-ldflags=-w", "."}, "write --build-flag=-ldflags"},
		{[]string{"run", "nosuch.go"}, "package nosuch.go: no such file"},
		{[]string{"run", "--tags", "x", text}, "flags of go build are for a package"},
		{[]string{"run", "--frob", "x"}, "run: unknown flag: --frob (see doze run --help)"},
		{[]string{"run", "--memory", "much", "x"}, `"much" is no size: write one as 64M`},
		{[]string{"run", "--cpus", "0", "x"}, "--cpus 0: use at least 1"},
		{[]string{"run", "--idle", "spin", "x"}, `--idle "spin": use park or hlt`},
		{[]string{"run", "--smp", "some", "x"}, `--smp "some": use all, lock, wake or none`},
		{[]string{"run", "--vmm", "xen", "x"}, `--vmm "xen": use auto, kvm or qemu`},
		{[]string{"run", "--vmm", "kvm", "--accel", "tcg", "x"}, "--machine and --accel belong to QEMU"},
		{[]string{"run", "--vmm", "qemu", "gone.doze"}, "gone.doze: no such image"},
		{[]string{"run", "--vmm", "qemu", "--accel", "tcg", text}, "not a Doze image"},
		{[]string{"run", "--vmm", "qemu", "--accel", "tcg", "--env", "A", text}, "not a Doze image"},
		{[]string{"run", "--vmm", "qemu", "./nowhere"}, "no such folder"},
		{[]string{"build"}, "no package given"},
		{[]string{"build", "a", "b"}, "one package at a time"},
		{[]string{"build", "-o"}, "flag -o needs a value"},
		{[]string{"build", "--embed", "x", "."}, "write DIR:/PATH"},
		{[]string{"build", "--embed", "gone:/x", "../../apps/env"}, "embed gone: no such file or folder"},
		{[]string{"run", "--vmm", "qemu", "--embed", ".:/x", text}, "is an image"},
		{[]string{"build", "-race", "."}, "the race detector needs cgo"},
		{[]string{"test", "-race", "."}, "test: go test flag -race: it needs cgo"},
		{[]string{"test", "-run"}, "flag -run needs a value"},
		{[]string{"test", "--cpus", "0", "."}, "--cpus 0: use at least 1"},
		{[]string{"test", "--memory", "much", "."}, `"much" is no size: write one as 64M`},
		{[]string{"test", "--idle", "spin", "."}, `--idle "spin": use park or hlt`},
		{[]string{"test", "--env", "A", "."}, "write NAME=VALUE"},
		{[]string{"test", "--embed", "A", "."}, "write DIR:/PATH"},
		{[]string{"test", "--vmm", "xen", "."}, "use auto, kvm or qemu"},
		{[]string{"test", "-C", "/nonexistent", "."}, "/nonexistent"},
		{[]string{"test-machine", "x"}, "started by doze test only"},
		{[]string{"version", "x"}, "unknown command"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			status, stdout, stderr := runDoze(t, c.args...)
			assert.Equal(t, exitOwn, status)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, c.want)
			assert.True(t, strings.HasPrefix(stderr, "doze: "), stderr)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
		})
	}
}

// An error of the go command about a package that it does not find gets what to write.
func TestHintPackage(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("cat", 0o755))
	for _, c := range []struct{ target, err, want string }{
		{"cat", "package cat: package cat is not in std (/go/src/cat)", "package cat: package cat is not in std (/go/src/cat): for the folder write ./cat"},
		{"dog", "package dog: package dog is not in std (/go/src/dog)", "package dog: package dog is not in std (/go/src/dog)"},
		{"x.org/a/b", "package x.org/a/b: go get x.org/a/b", "package x.org/a/b: no module required here has it: write x.org/a/b@latest, or add it with go get x.org/a/b"},
		{"x.org/a@v1", "package x.org/a@v1: gone", "package x.org/a@v1: gone"},
	} {
		assert.EqualError(t, hintPackage(c.target, errors.New(c.err)), c.want)
	}
	assert.NoError(t, hintPackage("cat", nil))
}

// The guest's word for a working directory that is not there becomes the user's.
func TestHintDir(t *testing.T) {
	guest := errors.New("doze.cwd names no directory of the image")
	there, none := runFlags{config: vm.Config{Dir: "/x"}}, runFlags{}
	assert.EqualError(t, there.hintDir(guest), "--cwd /x: no such folder in the machine: --embed DIR:/x makes it")
	assert.Equal(t, guest, none.hintDir(guest))
	other := errors.New("no memory")
	assert.Equal(t, other, there.hintDir(other))
}

// As with go run, files that follow a file belong to the package.
func TestSources(t *testing.T) {
	for _, c := range []struct {
		args string
		want int
	}{
		{"a.go b.go c.go x d.go", 2}, {"a.go x b.go", 0}, {"./pkg b.go", 0}, {"x.doze b.go", 0}, {"a.go", 0},
	} {
		args := strings.Fields(c.args)
		assert.Equal(t, c.want, sources(args[0], args[1:]), c.args)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"build", "-h"}, {"build", "--help"}, {"test", "-h"}, {"doctor", "-h"}} {
		status, stdout, stderr := runDoze(t, args...)
		assert.Zero(t, status)
		assert.Contains(t, stdout, "Usage:")
		assert.NotContains(t, stdout, "true|false")
		assert.Empty(t, stderr)
	}
	for _, args := range []string{"version", "--version"} {
		status, stdout, _ := runDoze(t, args)
		assert.Zero(t, status)
		assert.Contains(t, stdout, "Go for images: go1.26, go1.27")
	}
}

func TestDoctor(t *testing.T) {
	status, stdout, stderr := runDoze(t, "doctor")
	require.Zero(t, status, stderr)
	for _, name := range []string{"kvm", "qemu", "go", "limits", "--vmm auto"} {
		assert.Regexp(t, `(?m)^`+name+` .+$`, stdout)
	}
}

func TestParseBuild(t *testing.T) {
	for _, c := range []struct {
		args string
		want gobuild.Request
	}{
		{".", gobuild.Request{Package: "."}},
		{"-o x.doze ./cmd", gobuild.Request{Package: "./cmd", Output: "x.doze"}},
		{"-o=x ./cmd", gobuild.Request{Package: "./cmd", Output: "x"}},
		{"./cmd -o x", gobuild.Request{Package: "./cmd", Output: "x"}},
		{"-tags a,b -v -trimpath --mod=mod p", gobuild.Request{Package: "p", Flags: []string{"-tags=a,b", "-v", "-trimpath", "-mod=mod"}}},
		{"-ldflags -w p", gobuild.Request{Package: "p", Flags: []string{"-ldflags=-w"}}},
		{"-- p", gobuild.Request{Package: "p"}},
		{"a.go b.go -v c.go", gobuild.Request{Package: "a.go", Files: []string{"b.go", "c.go"}, Flags: []string{"-v"}}},
		{"--embed a:/b -embed=c:/d p", gobuild.Request{Package: "p", Embed: []embed.Tree{{Dir: "a", Path: "/b"}, {Dir: "c", Path: "/d"}}}},
	} {
		got, help, err := parseBuild(strings.Fields(c.args))
		require.NoError(t, err, c.args)
		assert.False(t, help)
		assert.Equal(t, c.want, got, c.args)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]struct {
		bytes uint64
		shown string
	}{
		"64M": {64 << 20, "64M"}, "64m": {64 << 20, "64M"}, "64MiB": {64 << 20, "64M"}, "64MB": {64 << 20, "64M"},
		"1G": {1 << 30, "1G"}, "1.5G": {1536 << 20, "1536M"}, "0.5K": {512, "512"}, "1536K": {1536 << 10, "1536K"}, "1024M": {1 << 30, "1G"}, "100": {100, "100"}, "5B": {5, "5"},
	} {
		var s sizeValue
		require.NoError(t, s.Set(text), text)
		assert.EqualValues(t, want.bytes, s, text)
		assert.Equal(t, want.shown, s.String())
	}
	for _, bad := range []string{"", "M", "-1M", "1.5", "0.3K", "1.G.", "1/2G", "1e3M", "64 M", "64X", "64MM", "9999999999G", "0x10M"} {
		var s sizeValue
		assert.Error(t, s.Set(bad), bad)
	}
}

// testHost is a host that offers what its fields say.
type testHost struct{ runs, opens, qemu error }

func (h testHost) kvm() error           { return h.runs }
func (h testHost) kvmOpen() error       { return h.opens }
func (h testHost) qemuKVM(string) error { return h.qemu }

func TestChoose(t *testing.T) {
	var (
		no      = errors.New("nothing there")
		missing = testHost{runs: no, opens: syscall.ENOENT, qemu: no}
		barred  = testHost{runs: no, opens: &os.PathError{Op: "open", Path: "/dev/kvm", Err: syscall.EACCES}, qemu: no}
		full    = testHost{runs: syscall.EMFILE, opens: syscall.EMFILE, qemu: no}
		broken  = testHost{runs: no, qemu: no}
		picky   = testHost{qemu: errors.New("QEMU aborted")}
		good    = testHost{}
		tcg     = backend{vmm: vmmQEMU, qemu: qemu.Options{Machine: qemu.MicroVM, Accel: qemu.TCG}}
		kvm     = backend{vmm: vmmQEMU, qemu: qemu.Options{Machine: qemu.MicroVM, Accel: qemu.KVM}}
		q35     = backend{vmm: vmmQEMU, qemu: qemu.Options{Machine: qemu.Q35, Accel: qemu.KVM}}
		own     = backend{vmm: vmmKVM}
	)
	for _, c := range []struct {
		name    string
		flags   backendFlags
		host    testHost
		want    backend
		instead string
		err     string
	}{
		{"auto, all well", backendFlags{vmm: "auto"}, good, own, "", ""},
		{"auto, no /dev/kvm", backendFlags{vmm: "auto"}, missing, tcg, "which has no API: no such file", ""},
		{"auto, no right to it", backendFlags{vmm: "auto"}, barred, tcg, "which has no API: open /dev/kvm: permission denied", ""},
		{"auto, no descriptors", backendFlags{vmm: "auto"}, full, own, "", "--vmm auto: too many open files"},
		{"auto, KVM that runs nothing", backendFlags{vmm: "auto"}, broken, own, "", "--vmm auto: nothing there: use --vmm qemu"},
		{"auto, KVM that QEMU can't use", backendFlags{vmm: "auto"}, picky, own, "", ""},
		{"auto with an accelerator", backendFlags{vmm: "auto", accel: "tcg"}, good, tcg, "", ""},
		{"auto with a machine", backendFlags{vmm: "auto", machine: "q35"}, good, q35, "", ""},
		{"qemu", backendFlags{vmm: "qemu"}, good, kvm, "", ""},
		{"qemu, KVM that only we can't use", backendFlags{vmm: "qemu"}, testHost{runs: no}, kvm, "", ""},
		{"qemu, no /dev/kvm", backendFlags{vmm: "qemu"}, missing, tcg, "emulates this machine: no such file", ""},
		{"qemu, KVM that it can't use", backendFlags{vmm: "qemu"}, picky, tcg, "emulates this machine: QEMU aborted (--accel tcg asks for that", ""},
		{"qemu with TCG", backendFlags{vmm: "qemu", accel: "tcg"}, picky, tcg, "", ""},
		{"qemu with KVM that it can't use", backendFlags{vmm: "qemu", accel: "kvm"}, picky, kvm, "", ""},
		{"kvm", backendFlags{vmm: "kvm"}, good, own, "", ""},
		{"kvm, no /dev/kvm", backendFlags{vmm: "kvm"}, missing, own, "", "nothing there: use --vmm qemu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.flags.chooseOn(c.host)
			if c.err != "" {
				assert.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.NotEmpty(t, got.why)
			if c.instead == "" {
				assert.Empty(t, got.instead)
			}
			assert.Contains(t, got.instead, c.instead)
			assert.NotContains(t, got.instead, "\n")
			got.why, got.instead = "", ""
			assert.Equal(t, c.want, got)
		})
	}
}

// The answer about QEMU's KVM is kept, and asked for anew when it is old or another QEMU
// is there.
func TestTheVerdictAboutQEMUIsKept(t *testing.T) {
	if _, err := os.Stat("/dev/kvm"); err != nil {
		t.Skip(err)
	}
	bin, count := t.TempDir(), filepath.Join(t.TempDir(), "count")
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	install := func(script string) {
		name := filepath.Join(bin, qemu.Binary)
		require.NoError(t, os.WriteFile(name, []byte("#!/bin/sh\necho >>"+count+"\n"+script+"\n"), 0o700))
	}
	asked := func() int {
		text, _ := os.ReadFile(count)
		return len(text)
	}
	install("exit 85 # as QEMU ends when the guest has run")
	for range 2 {
		require.NoError(t, probeQEMU(qemu.MicroVM))
		require.Equal(t, 1, asked())
	}
	require.NoError(t, probeQEMU(qemu.Q35))
	require.Equal(t, 2, asked(), "another machine")
	old := time.Now().Add(-verdictAge - time.Hour)
	require.NoError(t, os.Chtimes(verdictFile(qemu.MicroVM), old, old))
	require.NoError(t, probeQEMU(qemu.MicroVM))
	require.Equal(t, 3, asked(), "it was old")
	install("echo aborted >&2; exit 3 # another one")
	for range 2 {
		require.ErrorContains(t, probeQEMU(qemu.MicroVM), "aborted")
		require.Equal(t, 4, asked())
	}
}
