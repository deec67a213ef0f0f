package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/doze-vm/doze/hostvmm/control"
	"github.com/doze-vm/doze/hostvmm/qemu"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/runtime_pv/embed"
	"github.com/doze-vm/doze/runtime_pv/gotest"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// testMachineEnv is the variable by which doze test tells the commands that go
// test starts what machines to use.
const testMachineEnv = "DOZE_TEST_MACHINE"

// testMachine is a machine for tests, as JSON in testMachineEnv.
type testMachine struct {
	VMM, Machine, Accel string // as chosen
	CPUs                int
	Memory              uint64 // 0: testMemory beside the image
	Env, Embed, Exclude []string
	Idle                string
	Strace              string
	GOROOT, Plain       string // the derived one, and the one it was derived from
}

func (m *testMachine) use(b backend) {
	m.VMM, m.Machine, m.Accel = b.vmm, b.qemu.Machine, b.qemu.Accel
}

func (m *testMachine) backend() backend {
	return backend{vmm: m.VMM, qemu: qemu.Options{Machine: m.Machine, Accel: m.Accel}}
}

// testMemory is what a test has beside its image if --memory does not say.
const testMemory = 512 << 20

func newTestMachine() *cobra.Command {
	return &cobra.Command{
		Use:                gotest.MachineCommand + " BINARY [ARG]...",
		Short:              "Run a test binary in a machine; go test starts it for doze test",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			var m testMachine
			if err := json.Unmarshal([]byte(os.Getenv(testMachineEnv)), &m); err != nil || len(args) == 0 {
				return fmt.Errorf("%s is started by doze test only", gotest.MachineCommand)
			}
			return m.run(cmd.Context(), args[0], args[1:])
		},
	}
}

// run makes an image of the binary beside it, in a folder that go test removes,
// and runs it. Its errors go where the test's output goes: go test shows them.
func (m *testMachine) run(ctx context.Context, binary string, args []string) error {
	start := time.Now()
	// A machine must not outlive the go test that started it.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0)
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	path := binary + ".doze"
	defer os.Remove(path)
	size, err := m.makeImage(binary, path, dir)
	if err != nil {
		return err
	}
	ctx, stop := untilQuit(ctx)
	defer stop()
	res, err := m.backend().run(ctx, vm.Config{
		Image: path, Name: binary, Args: args, Env: m.environment(dir), Memory: m.memory(size), CPUs: m.CPUs,
		Dir: dir, TreeWritable: true, Stdout: os.Stdout, Stderr: os.Stdout, Idle: m.Idle, Strace: m.Strace, Start: start,
	}, newCollector().attach)
	if err != nil {
		return err
	}
	if res.Output != nil {
		fmt.Fprintf(os.Stderr, "doze: output was lost: %v\n", res.Output)
	}
	if res.Crash != nil {
		_ = control.WriteReport(os.Stdout, res.Crash, path)
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), vm.Signal(syscall.SIGQUIT)) {
		fmt.Println("doze: the test did not end by itself when its time was up (see -timeout): its machine was killed")
	}
	if res.ExitCode != 0 {
		return exitStatus(res.ExitCode)
	}
	return nil
}

func (m *testMachine) makeImage(binary, path, dir string) (uint64, error) {
	var extra []embed.Tree
	for _, text := range m.Embed {
		t, err := embed.Parse(text)
		if err != nil {
			return 0, err
		}
		extra = append(extra, t)
	}
	return gotest.Place{Dir: dir, GOROOT: m.GOROOT, Plain: m.Plain, Exclude: m.Exclude}.WriteImage(binary, path, extra, os.Stderr)
}

// memory is what a machine has whose image has so many bytes.
func (m *testMachine) memory(image uint64) uint64 {
	if m.Memory != 0 {
		return m.Memory
	}
	return (image + testMemory + 1<<20 - 1) &^ (1<<20 - 1)
}

// passed are the variables of the environment that change how Go programs run.
var passed = []string{"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"}

// environment is what a test finds: that of a bare system, not of this one.
func (m *testMachine) environment(dir string) []string {
	env := []string{"HOME=/root", "PWD=" + dir, "GOROOT=" + m.GOROOT}
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); slices.Contains(passed, name) {
			env = append(env, e)
		}
	}
	return append(env, m.Env...)
}

// untilQuit ends the context on SIGQUIT, which go test sends when a test runs on
// for a minute after its time limit.
func untilQuit(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGQUIT)
	go func() {
		select {
		case <-ch:
			cancel(vm.Signal(syscall.SIGQUIT))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(ch); cancel(nil) }
}
