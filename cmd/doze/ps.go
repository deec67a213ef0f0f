package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/doze-vm/doze/hostvmm/api"
	"github.com/spf13/cobra"
)

// Values of --output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

func newPS() *cobra.Command {
	var output string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "ps [-q] [-o table|json]",
		Short: "List the machines that run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := listMachines(cmd.Context(), cmd.OutOrStdout(), output, quiet); err != nil {
				return fmt.Errorf("ps: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", outputTable, "table or json")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print IDs alone")
	return cmd
}

func checkOutput(output string) error {
	if output != outputTable && output != outputJSON {
		return fmt.Errorf("--output %q: use %s or %s", output, outputTable, outputJSON)
	}
	return nil
}

func listMachines(ctx context.Context, out io.Writer, output string, quiet bool) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	list, err := machines(nil)
	if err != nil {
		return err
	}
	if quiet {
		for _, m := range list {
			fmt.Fprintln(out, m.ID)
		}
		return nil
	}
	got, err := ask(ctx, list, func(ctx context.Context, c *api.Client) (api.Status, error) { return c.Status(ctx) })
	warn(err)
	for id := range silent(err) {
		got[id] = api.Status{ID: id, State: stateSilent}
	}
	if output == outputJSON {
		all := make([]api.Status, 0, len(got))
		for _, m := range list {
			if s, ok := got[m.ID]; ok {
				s.Name = cmp.Or(s.Name, m.Name)
				all = append(all, s)
			}
		}
		return writeJSON(out, all)
	}
	return table(out, "ID\tNAME\tSTATE\tCPUS\tMEMORY\tUP\tPROGRAM", func(w io.Writer) {
		for _, m := range list {
			switch s, ok := got[m.ID]; {
			case !ok:
			case s.State == stateSilent:
				fmt.Fprintf(w, "%s\t%s\t%s\t-\t-\t-\t-\n", m.ID, m.Name, s.State)
			default:
				fmt.Fprintf(w, "%s\t%s\t%s\t%d/%d\t%s/%s\t%s\t%s\n", s.ID, s.Name, s.State, s.CPUs.Online, s.CPUs.Max,
					bytesText(s.Memory.Resident), bytesText(s.Memory.Actual), ageText(time.Since(s.Started)), cmp.Or(s.Program, baseName(s.Image)))
			}
		}
	})
}

func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
