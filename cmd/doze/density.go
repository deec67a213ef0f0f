package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/doze-vm/doze/hostvmm/density"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/runtime_pv/gobuild"
	"github.com/doze-vm/doze/runtime_pv/outfile"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// densityMemory is what an instance gets if --memory does not say: on a KVM with
// shadow paging a machine pays for memory that it could use, too.
const densityMemory = 16 << 20

// densityFlags are the flags of density as given.
type densityFlags struct {
	n         int
	duration  time.Duration
	memory    sizeValue
	json      string
	perWorker int
}

func newDensity() *cobra.Command {
	f := densityFlags{memory: densityMemory}
	cmd := &cobra.Command{
		Use:   "density -n N [flags] IMAGE|PACKAGE [ARG]...",
		Short: "Boot many idle instances and say what each costs",
		Long: `Boots N instances of an image under Doze's own VMM, waits until all have gone to
sleep, holds them, and reports what they cost the host: memory, CPU, wake-ups and
exits. In the end each must answer: leave its sleep on a kick, take the event and
sleep again. More than 250 instances are spread over several processes.

Where the host has no room for all, those that it has room for are measured, and the
report says which call failed, at which limit; likewise if a process is lost. The
exit status is 125 then.

What the program prints is dropped. A table goes to a terminal, JSON to a pipe.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("density: no image given: doze density -n N IMAGE|PACKAGE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDensity(cmd.Context(), f, args[0], args[1:])
		},
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.IntVarP(&f.n, "number", "n", 100, "number of instances")
	flags.DurationVar(&f.duration, "duration", time.Minute, "how long to hold them")
	flags.Var(&f.memory, "memory", "memory of each instance, as 16M")
	flags.StringVar(&f.json, "json", "", "also write the report as JSON to this file")
	flags.IntVar(&f.perWorker, "per-process", density.DefaultPerWorker, "most instances in one process")
	return cmd
}

func runDensity(ctx context.Context, f densityFlags, target string, args []string) error {
	if err := probe(); err != nil {
		return fmt.Errorf("density: %w", err)
	}
	path, name, err := imageOf(ctx, gobuild.Request{Package: target})
	if err != nil {
		return fmt.Errorf("density: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("density: %w", err)
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	report, err := density.Run(ctx, density.Options{
		Image: path, Program: name, Args: args, N: f.n, Duration: f.duration, Memory: uint64(f.memory),
		PerWorker: f.perWorker, WorkerCommand: []string{self, densityWorkerName}, Progress: note,
	})
	var sig vm.Signal
	if errors.As(err, &sig) {
		return exitStatus(sig.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("density: %w", err)
	}
	if f.json != "" {
		if err := outfile.Write(f.json, 0o644, report.JSON); err != nil {
			return fmt.Errorf("density: %w", err)
		}
	}
	if err := printReport(&report); err != nil {
		return err
	}
	return report.Failed()
}

func printReport(r *density.Report) error {
	if _, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS); err == nil {
		return r.Table(os.Stdout)
	}
	return r.JSON(os.Stdout)
}

// densityWorkerName is the hidden command that holds some of density's instances.
const densityWorkerName = "density-worker"

func newDensityWorker() *cobra.Command {
	return &cobra.Command{
		Use:    densityWorkerName,
		Short:  "Hold instances for doze density, which talks to it by stdin and stdout",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return density.Serve(os.Stdin, os.Stdout) },
	}
}
