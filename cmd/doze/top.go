package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// topFlags are the flags of top as given.
type topFlags struct {
	sort     string
	reverse  bool
	interval time.Duration
	times    int
}

func newTop() *cobra.Command {
	var f topFlags
	cmd := &cobra.Command{
		Use:   "top [--sort COLUMN] [--interval TIME] [-n TIMES]",
		Short: "Watch what machines use",
		Long: `Shows what all machines use: physical CPUs, how much of a CPU was stolen from them,
memory that the host holds and that the guest has, exits to the VMM and wake-ups a
second. The busiest stand first.

On a terminal it goes on until q is pressed; n, c, s, m, e and w sort by name, CPU,
steal, memory, exits and wake-ups, r turns the order round. Elsewhere it prints the
table once, or -n times.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := runTop(cmd.Context(), f, os.Stdin, cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("top: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.sort, "sort", sortCPU, "column to sort by: "+strings.Join(sortNames(), ", "))
	flags.BoolVarP(&f.reverse, "reverse", "r", false, "the other way round")
	flags.DurationVar(&f.interval, "interval", time.Second, "time between two looks")
	flags.IntVarP(&f.times, "times", "n", 0, "print so many tables, without colours or keys")
	return cmd
}

func runTop(ctx context.Context, f topFlags, in *os.File, out io.Writer) error {
	switch {
	case sorts[f.sort].less == nil:
		return fmt.Errorf("--sort %q: use %s", f.sort, strings.Join(sortNames(), ", "))
	case f.interval < minInterval:
		return fmt.Errorf("--interval %v: use at least %v", f.interval, minInterval)
	case f.times < 0:
		return fmt.Errorf("--times %d: use at least 1", f.times)
	}
	screen, ok := out.(*os.File)
	if ok && f.times == 0 && term.IsTerminal(int(screen.Fd())) {
		return liveTop(ctx, f, in, screen)
	}
	return plainTop(ctx, f, out)
}

// plainTop prints tables one below the other.
func plainTop(ctx context.Context, f topFlags, out io.Writer) error {
	var w watcher
	if _, err := w.look(ctx); err != nil {
		return err
	}
	for i := range max(f.times, 1) {
		select {
		case <-time.After(f.interval):
		case <-ctx.Done():
			return ctx.Err()
		}
		rows, err := w.look(ctx)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		sortRows(rows, f.sort, f.reverse)
		for _, line := range topLines(rows) {
			fmt.Fprintln(out, line)
		}
	}
	return nil
}

// Sequences of terminals (ECMA-48, and xterm's private modes).
const (
	termEnter   = "\x1b[?1049h\x1b[?25l" // another screen, no cursor
	termLeave   = "\x1b[?25h\x1b[?1049l"
	termHome    = "\x1b[H"
	termLineEnd = "\x1b[K\r\n" // clear to the end of the line
	termClear   = "\x1b[J"     // and what is below
	termBold    = "\x1b[7m"    // the head stands out
	termPlain   = "\x1b[0m"
)

var errQuit = errors.New("quit")

// liveTop redraws the screen until a key or a signal ends it, and leaves the
// terminal as it was.
func liveTop(ctx context.Context, f topFlags, in, screen *os.File) error {
	keys := make(chan byte)
	if term.IsTerminal(int(in.Fd())) {
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return err
		}
		defer term.Restore(int(in.Fd()), old)
		go readKeys(in, keys)
	}
	fmt.Fprint(screen, termEnter)
	defer fmt.Fprint(screen, termLeave)
	var w watcher
	rows, err := w.look(ctx)
	tick := time.NewTicker(f.interval)
	defer tick.Stop()
	for err == nil {
		draw(screen, rows, f)
		select {
		case <-tick.C:
			rows, err = w.look(ctx)
		case k := <-keys:
			err = f.key(k)
		case <-ctx.Done():
			return nil
		}
	}
	if errors.Is(err, errQuit) {
		return nil
	}
	return err
}

func readKeys(in io.Reader, keys chan<- byte) {
	var b [1]byte
	for {
		if n, err := in.Read(b[:]); n == 0 || err != nil {
			return
		}
		keys <- b[0]
	}
}

// key does what a key means.
func (f *topFlags) key(k byte) error {
	const ctrlC, escape = 3, 27
	switch k {
	case 'q', ctrlC, escape:
		return errQuit
	case 'r':
		f.reverse = !f.reverse
	}
	for name, s := range sorts {
		if s.key == k {
			f.sort = name
		}
	}
	return nil
}

// draw fills the screen as far as it goes.
func draw(screen *os.File, rows []topRow, f topFlags) {
	width, height, err := term.GetSize(int(screen.Fd()))
	if err != nil || width == 0 || height == 0 { // a serial line does not know
		width, height = 80, 24
	}
	sortRows(rows, f.sort, f.reverse)
	fmt.Fprint(screen, frame(rows, f, width, height))
}

// frame is a screen full.
func frame(rows []topRow, f topFlags, width, height int) string {
	var b strings.Builder
	b.WriteString(termHome)
	lines := append([]string{summary(rows, f)}, topLines(rows)...)
	for i, line := range lines[:max(min(len(lines), height-1), 0)] {
		line = line[:min(len(line), width)] // names are ASCII
		if i == 1 {
			line = termBold + line + termPlain
		}
		b.WriteString(line + termLineEnd)
	}
	b.WriteString(termClear)
	return b.String()
}

// summary is the line above the table.
func summary(rows []topRow, f topFlags) string {
	var sum topRow
	for _, r := range rows {
		sum.cpu += r.cpu
		sum.resident += r.resident
		sum.wakeups += r.wakeups
	}
	return fmt.Sprintf("doze top: %d machines, %.1f %% CPU, %s, %.0f wake-ups/s, by %s", len(rows), sum.cpu, bytesText(sum.resident), sum.wakeups, f.sort)
}
