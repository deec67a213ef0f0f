// Command bench measures what docs/benchmarks.md reports. Everything is measured
// side by side in one run, alternating, and printed as medians with their ratio:
// absolute figures wander with the host, ratios less so.
//
//	bench boot   QEMU's start to the program's first line: Doze and Linux, on TCG
//	bench start  doze's start to the program's first line on /dev/kvm, and a Linux process
//	bench idle   host CPU of an idle machine: Doze and Linux, on TCG
//	bench parallel|preempt|lateness|overcommit
//	             figures that the program of that name prints, on /dev/kvm and in a Linux process
//
// Run it in the module's root, after make build. It must never judge: a figure
// is printed, whatever it is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

// options are the flags.
type options struct {
	doze   string
	rounds int
	memory uint64
	length time.Duration
	settle time.Duration
	built  string // where images and programs are already
	cpus   []int  // to compare with
	dir    string // for images and the like, removed at the end
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var o options
	flag.StringVar(&o.doze, "doze", "bin/doze", "the doze command")
	flag.IntVar(&o.rounds, "n", 20, "rounds of boot and start")
	memory := flag.Uint64("memory", 128, "MiB of memory of each machine")
	flag.DurationVar(&o.length, "for", time.Minute, "how long to look at an idle machine")
	flag.DurationVar(&o.settle, "settle", 5*time.Second, "time to come to rest before that")
	flag.StringVar(&o.built, "built", "", "take NAME.doze and NAME from this `folder` instead of building them")
	o.cpus = []int{1, 2, 4}
	flag.Func("cpus", "vCPUs, and GOMAXPROCS of the process, of parallel: a `list` with commas (default 1,2,4)", func(s string) (err error) {
		o.cpus, err = numbers(s)
		return err
	})
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: bench [flags] boot|start|idle|parallel|preempt|lateness|overcommit [ARG of the program]...")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.memory = *memory << 20
	measure, ok := map[string]func(context.Context, options) error{
		"boot": boot, "start": start, "idle": idle,
		"parallel": parallel, "preempt": alone("preempt"), "lateness": alone("lateness"), "overcommit": overcommit,
	}[flag.Arg(0)]
	if !ok {
		flag.Usage()
		os.Exit(2)
	}
	if o.dir, err = os.MkdirTemp("", "doze-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	return measure(ctx, o)
}

// image builds the image of a program of apps.
func (o options) image(ctx context.Context, name string) (string, error) {
	if o.built != "" {
		return filepath.Join(o.built, name+".doze"), nil
	}
	file := filepath.Join(o.dir, name+".doze")
	out, err := exec.CommandContext(ctx, o.doze, "build", "-o", file, "./apps/"+name).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s build: %w\n%s", o.doze, err, out)
	}
	return file, nil
}

// process builds the same program as a static Linux executable.
func (o options) process(ctx context.Context, name string) (string, error) {
	if o.built != "" {
		return filepath.Join(o.built, name), nil
	}
	file := filepath.Join(o.dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", file, "./apps/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return file, nil
}
