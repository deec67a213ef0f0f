package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/doze-vm/doze/hostvmm/api"
	"github.com/spf13/cobra"
)

// clientOf returns a client for the machine named by selector: a name, an ID, or a unique
// prefix of an ID.
func clientOf(selector string) (*api.Client, error) {
	list, err := machines([]string{selector})
	if err != nil {
		return nil, err
	}
	return api.NewClient(list[0].Socket), nil
}

// whatID is the end of the help of all commands that take one.
const whatID = `

ID is a machine's name, its ID, or the beginning of its ID: doze ps lists them.`

// onEach makes a command that does something with each machine given.
func onEach(use, short string, do func(context.Context, *api.Client) error) *cobra.Command {
	return &cobra.Command{
		Use:   use + " ID...",
		Short: short,
		Long:  short + "." + whatID,
		Args:  someMachine,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := each(cmd.Context(), cmd.OutOrStdout(), ids, do); err != nil {
				return fmt.Errorf("%s: %w", use, err)
			}
			return nil
		},
	}
}

func someMachine(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s: give the name or ID of a machine: doze ps lists them", cmd.Name())
	}
	return nil
}

func newPause() *cobra.Command {
	return onEach("pause", "Stop all vCPUs of machines until they are resumed", func(ctx context.Context, c *api.Client) error {
		_, err := c.Pause(ctx)
		return err
	})
}

func newResume() *cobra.Command {
	return onEach("resume", "Let paused machines go on", func(ctx context.Context, c *api.Client) error {
		_, err := c.Resume(ctx)
		return err
	})
}

func newStop() *cobra.Command {
	var signal string
	var timeout float64
	cmd := onEach("stop", "Ask the programs of machines to end, and kill those that do not", func(ctx context.Context, c *api.Client) error {
		_, err := c.Stop(ctx, signal, time.Duration(timeout*float64(time.Second)))
		return err
	})
	cmd.Use = "stop [-s SIGNAL] [-t SECONDS] ID..."
	cmd.Flags().StringVarP(&signal, "signal", "s", "TERM", "signal for the program")
	cmd.Flags().Float64VarP(&timeout, "time", "t", 10, "seconds that the program may take; 0 kills at once")
	return cmd
}

func newCPUs() *cobra.Command {
	return &cobra.Command{
		Use:   "cpus ID N",
		Short: "Change how many vCPUs of a machine run",
		Long: `Changes how many vCPUs of a machine run threads: 1 to the --max-cpus that it was
started with. GOMAXPROCS follows. The program may refuse (pv.OnCPUChange).` + whatID,
		Args: exactly("the name or ID of a machine and a number of vCPUs", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return fmt.Errorf("cpus: %q is no number of vCPUs", args[1])
			}
			c, err := clientOf(args[0])
			if err == nil {
				_, err = c.SetCPUs(cmd.Context(), n)
			}
			if err != nil {
				return fmt.Errorf("cpus %s: %w", args[0], err)
			}
			return nil
		},
	}
}

func exactly(what string, n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%s: give %s (see doze %[1]s --help)", cmd.Name(), what)
		}
		return nil
	}
}

func newBalloon() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "balloon [--timeout TIME] ID SIZE",
		Short: "Change how much memory a machine should have",
		Long: `Says how much memory a machine should have, as 64M: from what its image needs to
the --max-memory that it was started with. What is too much goes to the host as soon
as the program can do without it, for which the command waits; what is too little is
there when the program needs it.

Exit status 125 if the machine has not come down to that in time; it goes on trying.` + whatID,
		Args: exactly("the name or ID of a machine and a size", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := setBalloon(cmd.Context(), args[0], args[1], timeout); err != nil {
				return fmt.Errorf("balloon %s: %w", args[0], err)
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long to wait for it; 0 does not wait")
	return cmd
}

// balloonLook is the time between two looks at a balloon that is on its way.
const balloonLook = 50 * time.Millisecond

func setBalloon(ctx context.Context, what, text string, timeout time.Duration) error {
	var size sizeValue
	if err := size.Set(text); err != nil {
		return err
	}
	c, err := clientOf(what)
	if err != nil {
		return err
	}
	s, err := c.SetBalloon(ctx, uint64(size))
	if err != nil {
		return err
	}
	for end := time.Now().Add(timeout); s.Memory.Actual > s.Memory.Target && timeout > 0; {
		if s.State == api.StatePaused {
			return errors.New("the machine is paused: it gives memory back when it is resumed")
		}
		if time.Now().After(end) {
			return fmt.Errorf("the machine has %s after %v: its program needs that much", bytesText(s.Memory.Actual), timeout)
		}
		select {
		case <-time.After(balloonLook):
		case <-ctx.Done():
			return ctx.Err()
		}
		if s, err = c.Status(ctx); err != nil {
			return err
		}
	}
	return nil
}
