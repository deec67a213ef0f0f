package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/doze-vm/doze/hostvmm/control"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/runtime_pv/embed"
	"github.com/doze-vm/doze/runtime_pv/gobuild"
	"github.com/spf13/cobra"
)

// defaultMemory is what a machine gets if --memory does not say. Memory that the
// program never touches costs the host nothing.
const defaultMemory = 128 << 20

// runFlags are the flags of run as given. Those that say what the machine is to be are
// set in its configuration.
type runFlags struct {
	config  vm.Config
	backend backendFlags
	embed   []string
	stats   bool
	name    string
	api     string
	tags    string
	build   []string // flags of go build
}

func newRun() *cobra.Command {
	f := runFlags{config: vm.Config{Memory: defaultMemory}}
	c := &f.config
	cmd := &cobra.Command{
		Use:   "run [flags] IMAGE|PACKAGE [ARG]...",
		Short: "Boot an image, or a package built into one",
		Long: `Boots an image as a virtual machine, passes its stdin, stdout and stderr on, and
exits with the status of the program in it. A package is built first, with the flags
of go build that --tags and --build-flag give, and kept in the cache folder. It may
be a path, an import path, a module path@version, or .go files, one after the other.
Flags of doze stand before the image; what follows it belongs to the program. Nothing
is read of stdin before the program reads.

The program sees no file of the host. --embed gives it copies; what it writes is gone
when the machine ends, but for its output. It starts in /, or where --cwd says, and its
environment is what --env sets: not even HOME is there.

SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 go to the program. The
third SIGINT or SIGTERM kills the machine, whatever the program does.

Exit status: the program's; 128 + N if signal N ended the machine; 125 if doze
itself failed.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("run: give an IMAGE or a PACKAGE (see doze run --help)")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.MaxMemory != 0 && !cmd.Flags().Changed("memory") {
				c.Memory = min(c.Memory, c.MaxMemory)
			}
			return runMachine(cmd.Context(), f, args[0], args[1:])
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if hint := hintBuildFlag(err); hint != nil {
			return hint
		}
		return flagError(cmd, err)
	})
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	f.backend.add(flags)
	flags.IntVar(&c.CPUs, "cpus", 1, "number of vCPUs")
	flags.IntVar(&c.MaxCPUs, "max-cpus", 0, "vCPUs that it may come to have (doze cpus); as many as --cpus if 0")
	flags.Var((*sizeValue)(&c.Memory), "memory", "memory of the machine, as 64M or 1G")
	flags.Var((*sizeValue)(&c.MaxMemory), "max-memory", "memory that it may come to have, if it needs it")
	flags.StringArrayVar(&c.Env, "env", nil, "set an environment variable, NAME=VALUE (repeat for more)")
	flags.StringArrayVar(&f.embed, embedFlag, nil, "give a PACKAGE the files of a folder, DIR:/PATH (repeat for more)")
	flags.StringVar(&f.tags, "tags", "", "build tags of a PACKAGE, as go build takes them")
	flags.StringArrayVar(&f.build, "build-flag", nil, "another flag of go build for a PACKAGE, -NAME=VALUE (repeat for more)")
	flags.StringVar(&c.Hostname, "hostname", "", "the machine's host name; doze if empty")
	flags.StringVar(&c.Dir, "cwd", "", "the program's working directory in the machine")
	flags.StringVar(&c.Idle, "idle", vm.IdlePark, "how an idle machine sleeps: park or hlt")
	flags.StringVar(&c.SMP, "smp", vm.SMPAll, "what to do about vCPUs without a physical CPU, to compare: all, lock, wake or none")
	flags.StringVar(&f.name, "name", "", "name of the machine for doze ps and the commands that steer it")
	flags.StringVar(&f.api, "api", apiAuto, "where its API listens: a path of a Unix socket, none, or auto")
	addStrace(flags, &c.Strace)
	flags.BoolVar(&f.stats, "stats", false, "print exits and wake-ups on stderr at the end")
	return cmd
}

func runMachine(ctx context.Context, f runFlags, target string, args []string) error {
	c := &f.config
	if c.Idle != vm.IdlePark && c.Idle != vm.IdleHLT {
		return fmt.Errorf("run: --idle %q: use %s or %s", c.Idle, vm.IdlePark, vm.IdleHLT)
	}
	switch c.SMP {
	case vm.SMPAll, vm.SMPLock, vm.SMPWake, vm.SMPNone:
	default:
		return fmt.Errorf("run: --smp %q: use %s, %s, %s or %s", c.SMP, vm.SMPAll, vm.SMPLock, vm.SMPWake, vm.SMPNone)
	}
	if c.CPUs < 1 {
		return fmt.Errorf("run: --cpus %d: use at least 1", c.CPUs)
	}
	if c.MaxCPUs != 0 && c.MaxCPUs < c.CPUs {
		return fmt.Errorf("run: --max-cpus %d: use at least --cpus, %d", c.MaxCPUs, c.CPUs)
	}
	backend, err := f.backend.choose()
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if err := f.checkAPI(backend); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if f.tags != "" {
		f.build = append(f.build, "-tags="+f.tags)
	}
	files := sources(target, args)
	path, name, err := imageOf(ctx, gobuild.Request{Package: target, Files: args[:files], Flags: f.build}, f.embed...)
	args = args[files:]
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	kept, err := control.Keep(path)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	defer kept.Close()
	start := time.Now() // a build is not the machine's
	signals := passSignals(ctx)
	if signals == nil {
		signals = make(chan vm.Signal, patience)
	}
	ctx, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	served, err := f.serve(backend, path, name, start, signals, kill)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	defer served.close()
	waste := newCollector()
	if served != nil {
		served.options.Symbols, served.options.Answered = kept.Symbols, waste.answered
	}
	backend.tell()
	c.Image, c.Name, c.Args, c.Start, c.Signals = path, name, args, start, signals
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	res, err := backend.run(ctx, *c, waste.attach, served.attach)
	leaveSignals(ctx)
	if err != nil {
		return fmt.Errorf("run %s: %w", target, f.hintDir(err))
	}
	if res.Output != nil {
		fmt.Fprintf(os.Stderr, "doze: output was lost: %v\n", res.Output)
	}
	if res.Crash != nil {
		_ = kept.WriteReport(os.Stderr, res.Crash)
	}
	if f.stats && len(res.Stats) == 0 {
		fmt.Fprintln(os.Stderr, "stats: kept by --vmm kvm only")
	}
	if f.stats {
		for _, s := range res.Stats {
			fmt.Fprintf(os.Stderr, "%s: %s\n", s.Name, s.Value)
		}
	}
	if res.ExitCode != 0 {
		return exitStatus(res.ExitCode)
	}
	return nil
}

// sources is how many of the arguments are further files of the package that target is
// a file of, as go run has it.
func sources(target string, args []string) (n int) {
	for isSource(target) && n < len(args) && isSource(args[n]) {
		n++
	}
	return n
}

// hintDir says of a working directory that is not there by which flag it was given, and
// what makes one: the guest knows only the word on its command line.
func (f *runFlags) hintDir(err error) error {
	if f.config.Dir == "" || !strings.Contains(err.Error(), "doze.cwd names no directory") {
		return err
	}
	return fmt.Errorf("--cwd %s: no such folder in the machine: --embed DIR:%[1]s makes it", f.config.Dir)
}

// hintBuildFlag says how a flag of go build is given to run; nil if it is none.
func hintBuildFlag(err error) error {
	words := strings.Fields(err.Error())
	last := words[len(words)-1]
	name, _, _ := strings.Cut(strings.TrimLeft(last, "-"), "=")
	if !strings.HasPrefix(last, "-") || !buildFlags[name] && !valueFlags[name] {
		return nil
	}
	if name == "tags" {
		return fmt.Errorf("run: %s: write --tags, with two dashes", last)
	}
	return fmt.Errorf("run: -%s is a flag of go build: write --build-flag=-%[1]s, with its =VALUE if it has one", name)
}

// imageOf returns the image that a request names and the program's argv[0]. What is
// a file is an image, all else is a package to build, with the trees given.
func imageOf(ctx context.Context, req gobuild.Request, trees ...string) (path, name string, err error) {
	target := req.Package
	req.Log = os.Stderr
	for _, text := range trees {
		tree, err := embed.Parse(text)
		if err != nil {
			return "", "", err
		}
		req.Embed = append(req.Embed, tree)
	}

	info, err := os.Stat(target)
	isFile := err == nil && !info.IsDir()
	switch {
	case isFile && !isSource(target) && len(trees) > 0:
		return "", "", fmt.Errorf("%s is an image: its files were chosen by doze build --embed", target)
	case isFile && !isSource(target) && len(req.Flags) > 0:
		return "", "", fmt.Errorf("%s is an image: flags of go build are for a package", target)
	case isFile && !isSource(target):
		return target, strings.TrimSuffix(baseName(target), ".doze"), nil
	case errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(target, ".doze"):
		return "", "", fmt.Errorf("%s: no such image: make it with doze build", target)
	}
	b, err := newBuilder()
	if err != nil {
		return "", "", err
	}
	note("building " + target)
	path, err = b.BuildCached(ctx, req)
	return path, gobuild.DefaultName(target), hintPackage(target, err)
}

// hintPackage says how a package is named that was not found by its import path: one that
// is a folder here, and one of a module that none here requires.
func hintPackage(target string, err error) error {
	if err == nil || strings.Contains(target, "@") {
		return err
	}
	if strings.HasSuffix(err.Error(), ": go get "+target) {
		return fmt.Errorf("package %s: no module required here has it: write %[1]s@latest, or add it with go get %[1]s", target)
	}
	if info, statErr := os.Stat(target); statErr == nil && info.IsDir() && strings.Contains(err.Error(), "is not in std") {
		return fmt.Errorf("%w: for the folder write ./%s", err, target)
	}
	return err
}

func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
