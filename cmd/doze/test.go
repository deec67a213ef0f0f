package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	doze "github.com/doze-vm/doze"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/runtime_pv/embed"
	"github.com/doze-vm/doze/runtime_pv/gotest"
	"github.com/doze-vm/doze/runtime_pv/port"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// testFlags are doze's own flags of test.
type testFlags struct {
	backend backendFlags
	machine testMachine
	memory  sizeValue
}

func (f *testFlags) set() *pflag.FlagSet {
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.backend.add(flags)
	flags.IntVar(&f.machine.CPUs, "cpus", 1, "number of vCPUs of each machine")
	flags.Var(&f.memory, "memory", "memory of each machine, as 1G (default 512 MiB beside the image)")
	flags.StringArrayVar(&f.machine.Env, "env", nil, "set an environment variable of the test, NAME=VALUE (repeat for more)")
	flags.StringArrayVar(&f.machine.Embed, embedFlag, nil, "give the test more files, DIR:/PATH (repeat for more)")
	flags.StringArrayVar(&f.machine.Exclude, "exclude", nil, "leave out of the package's folder what has this name or path, as data or *.iso (repeat for more)")
	flags.StringVar(&f.machine.Idle, "idle", vm.IdlePark, "how an idle machine sleeps: park or hlt")
	addStrace(flags, &f.machine.Strace)
	return flags
}

func newTest() *cobra.Command {
	var f testFlags
	flags := f.set()
	return &cobra.Command{
		Use:   "test [flags] [go test flags] [PACKAGE]... [-args ARG...]",
		Short: "Run the tests of packages in virtual machines",
		Long: `Runs the tests of each package as go test does, in a virtual machine of its own,
and prints what go test prints. Packages are those of go test: paths, import
paths, patterns, packages of the standard library. Its flags are too, but for
those that need cgo or leave files behind (-race, -cover, -cpuprofile ...).

A test finds its package's folder, and the folders testdata beside and above it,
at the same paths as natively, but for what --exclude leaves out; what it writes is
gone with its machine. -p says how many machines run at a time; by default there are
as many vCPUs as CPUs.

Exit status: that of go test; 125 for errors of doze itself.

Flags of doze, which may stand among those of go test:
` + strings.TrimRight(flags.FlagUsages(), "\n"),
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			own := map[string]bool{}
			flags.VisitAll(func(f *pflag.Flag) { own[f.Name] = f.NoOptDefVal == "" })
			parsed, err := gotest.Parse(args, own)
			if err == nil && parsed.Help {
				return cmd.Help()
			}
			if err == nil {
				err = flags.Parse(parsed.Own)
			}
			if err == nil {
				err = f.check()
			}
			if err != nil {
				return fmt.Errorf("test: %w", err)
			}
			return runTests(cmd.Context(), f, parsed)
		},
	}
}

func (f *testFlags) check() error {
	if f.machine.CPUs < 1 {
		return fmt.Errorf("--cpus %d: use at least 1", f.machine.CPUs)
	}
	if idle := f.machine.Idle; idle != vm.IdlePark && idle != vm.IdleHLT {
		return fmt.Errorf("--idle %q: use %s or %s", idle, vm.IdlePark, vm.IdleHLT)
	}
	for _, text := range f.machine.Embed {
		if _, err := embed.Parse(text); err != nil {
			return err
		}
	}
	for _, pattern := range f.machine.Exclude {
		if err := gotest.CheckExclude(pattern); err != nil {
			return err
		}
	}
	for _, e := range f.machine.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return fmt.Errorf("--env %q: write NAME=VALUE", e)
		}
	}
	return nil
}

// runTests runs go test with the derived GOROOT; it starts testMachine for each
// test binary.
func runTests(ctx context.Context, f testFlags, args gotest.Args) error {
	backend, err := f.backend.choose()
	if err != nil {
		return fmt.Errorf("test: %w", err)
	}
	backend.tell()
	tc, root, err := derive(ctx, args.Dir)
	if err != nil {
		return fmt.Errorf("test: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("test: %w", err)
	}
	if err := args.ExpandStd(func() ([]string, error) {
		out, err := tc.Command(ctx, root, args.Dir, "list", "std").Output()
		return strings.Fields(string(out)), err
	}); err != nil {
		return fmt.Errorf("test: go list std: %w", err)
	}
	goArgs, err := args.Command(self, f.machine.CPUs)
	if err != nil {
		return fmt.Errorf("test: %w", err)
	}
	m := f.machine
	m.use(backend)
	m.Memory, m.GOROOT, m.Plain = uint64(f.memory), root, tc.GOROOT
	settings, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("test: %w", err)
	}
	cmd := tc.Command(ctx, root, args.Dir, goArgs...)
	cmd.Env = append(cmd.Env, testMachineEnv+"="+string(settings))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// go test passes no signal on to what it runs: all of them get it. They end
	// with this thread, which is the process's first and lives as long.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit) && exit.Exited():
		return exitStatus(exit.ExitCode())
	case err != nil:
		return fmt.Errorf("test: %w", err)
	}
	return nil
}

// derive returns the toolchain for a folder and the GOROOT derived from it.
func derive(ctx context.Context, dir string) (port.Toolchain, string, error) {
	tc, err := port.Find(ctx, dir)
	if err != nil {
		return tc, "", err
	}
	p, err := port.New(doze.Sources)
	if err != nil {
		return tc, "", err
	}
	root, err := p.Derive(ctx, tc)
	return tc, root, err
}
