package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/doze-vm/doze/hostvmm/api"
	"github.com/doze-vm/doze/hostvmm/registry"
	"github.com/spf13/cobra"
)

// statsFlags are the flags of stats as given.
type statsFlags struct {
	output   string
	interval time.Duration
}

// figures are those of one machine, as JSON has them.
type figures struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	api.Stats
}

func newStats() *cobra.Command {
	var f statsFlags
	cmd := &cobra.Command{
		Use:   "stats [-o table|json] [--interval TIME] [ID]...",
		Short: "Print what machines have used since they were started",
		Long: `Prints what the machines given, or all, have used since they were started: vCPUs
online of those there can be; the time these ran, were ready without a physical CPU
(steal) and were asleep; memory that the host holds, of what the guest has; exits to
the VMM, and wake-ups from sleep.

With --interval it does so again and again, until SIGINT or until no machine is
left; as JSON, one line for each machine and time.` + whatID,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := printStats(cmd.Context(), cmd.OutOrStdout(), f, ids); err != nil {
				return fmt.Errorf("stats: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", outputTable, "table or json")
	cmd.Flags().DurationVar(&f.interval, "interval", 0, "print again after this time")
	return cmd
}

// minInterval keeps a slip of the finger from keeping the host busy.
const minInterval = 100 * time.Millisecond

func printStats(ctx context.Context, out io.Writer, f statsFlags, ids []string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if f.interval != 0 && f.interval < minInterval {
		return fmt.Errorf("--interval %v: use at least %v", f.interval, minInterval)
	}
	list, err := machines(ids)
	if err != nil {
		return err
	}
	for {
		all, err := collectStats(ctx, list)
		warn(err)
		if err := writeStats(out, f, all); err != nil || f.interval == 0 || len(all) == 0 {
			return err
		}
		select {
		case <-time.After(f.interval):
		case <-ctx.Done():
			return nil
		}
		if len(ids) == 0 {
			if list, err = machines(nil); err != nil {
				return err
			}
		}
	}
}

// collectStats returns the figures of those machines that answer, in order.
func collectStats(ctx context.Context, list []registry.Machine) ([]figures, error) {
	got, err := ask(ctx, list, func(ctx context.Context, c *api.Client) (api.Stats, error) { return c.Stats(ctx) })
	all := make([]figures, 0, len(got))
	for _, m := range list {
		if s, ok := got[m.ID]; ok {
			all = append(all, figures{m.ID, shown(m), s})
		}
	}
	return all, err
}

func writeStats(out io.Writer, f statsFlags, all []figures) error {
	switch {
	case f.output == outputJSON && f.interval == 0:
		return writeJSON(out, all)
	case f.output == outputJSON:
		e := json.NewEncoder(out)
		for _, one := range all {
			if err := e.Encode(one); err != nil {
				return err
			}
		}
		return nil
	}
	return table(out, "NAME\tCPUS\tRUN\tSTEAL\tHALT\tMEMORY\tEXITS\tWAKE-UPS", func(w io.Writer) {
		for _, s := range all {
			run, steal, halt := cpuTimes(s.Stats)
			fmt.Fprintf(w, "%s\t%d/%d\t%v\t%v\t%v\t%s/%s\t%d\t%d\n", s.Name, s.CPUs.Online, s.CPUs.Max,
				secondsText(run), secondsText(steal), secondsText(halt), bytesText(s.Memory.Resident), bytesText(s.Memory.Actual),
				exits(s.Stats), wakeups(s.Stats))
		}
	})
}

// cpuTimes are those of all vCPUs together.
func cpuTimes(s api.Stats) (run, steal, halt time.Duration) {
	for _, c := range s.CPUs.Each {
		run += time.Duration(c.Run)
		steal += time.Duration(c.Steal)
		halt += time.Duration(c.Parked)
	}
	return run, steal, halt
}

func secondsText(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// exits are those that the guest caused.
func exits(s api.Stats) (n uint64) {
	for reason, c := range s.Exits {
		if reason != "signal" {
			n += c
		}
	}
	return n
}

func wakeups(s api.Stats) uint64 { return s.Sleeps.ByEvent + s.Sleeps.ByDeadline }
