package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/doze-vm/doze/hostvmm/api"
	"github.com/doze-vm/doze/hostvmm/profile"
	"github.com/doze-vm/doze/runtime_pv/outfile"
)

// profileFlags are the flags of profile as given.
type profileFlags struct {
	out         string
	seconds, hz int
}

func newProfile() *cobra.Command {
	var f profileFlags
	cmd := &cobra.Command{
		Use:   "profile [-o FILE] [--seconds N] [--hz N] [ID]...",
		Short: "Profile running machines from outside, into one pprof file",
		Long: `Samples what the vCPUs of the machines given, or of all, execute, and writes one
pprof file with the functions of their programs: label machine tells them apart,
part=vmm is what their VMMs used. The programs need not know. Machines that sleep
are neither woken nor charged.

If some machines fail the others' profile is written all the same, and the exit
status is 125.` + whatID,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := runProfile(cmd.Context(), f, ids, cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("profile: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.out, "output", "o", "doze.pprof", "file to write")
	flags.IntVar(&f.seconds, "seconds", profile.DefaultSeconds, "how long to look")
	flags.IntVar(&f.hz, "hz", profile.DefaultHz, "how often to look, times a second")
	return cmd
}

func runProfile(ctx context.Context, f profileFlags, ids []string, out io.Writer) error {
	if err := profile.Check(f.seconds, f.hz); err != nil {
		return fmt.Errorf("--%w", err)
	}
	list, err := machines(ids)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("no machine runs: doze run starts one")
	}
	var sources []profile.Source
	for _, m := range list {
		c := api.NewClient(m.Socket)
		sources = append(sources, profile.Source{Name: shown(m), Open: func(ctx context.Context) (io.ReadCloser, error) { return c.Profile(ctx, f.seconds, f.hz) }})
	}
	note(fmt.Sprintf("looking at %d machines for %d s", len(sources), f.seconds))
	p, err := profile.Collect(ctx, sources)
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	if p == nil {
		return err
	}
	if err := outfile.Write(f.out, 0o644, p.Write); err != nil {
		return err
	}
	var failed profile.Failed
	errors.As(err, &failed)
	count, ns := profile.Sums(p)
	fmt.Fprintf(out, "wrote %s: machines %d, samples %d, CPU time %v of %v\nopen it with: go tool pprof -http : %[1]s\n",
		f.out, len(sources)-len(failed), count, time.Duration(ns).Round(time.Millisecond), time.Duration(p.DurationNanos).Round(time.Second))
	return err
}
