package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/doze-vm/doze/hostvmm/api"
	"github.com/doze-vm/doze/hostvmm/registry"
)

// answerLimit is how long a machine may take for an answer that it has ready.
const answerLimit = 5 * time.Second

// machines are those with the names and IDs given, or all; it is an error if one of
// those given is not there.
func machines(what []string) ([]registry.Machine, error) {
	dir, err := registry.Dir()
	if err != nil {
		return nil, err
	}
	list, err := registry.List(dir)
	if err != nil || len(what) == 0 {
		return list, err
	}
	var some []registry.Machine
	for _, w := range what {
		m, err := registry.Choose(list, w)
		if err != nil {
			return nil, err
		}
		some = append(some, m)
	}
	return some, nil
}

// shown is what a machine is called.
func shown(m registry.Machine) string {
	if m.Name != "" {
		return m.Name
	}
	return m.ID
}

// askLimit is how many machines are asked at a time.
const askLimit = 64

// ask asks all machines the same at once. Those that end meanwhile are left out;
// those that do not answer are reported together.
func ask[T any](ctx context.Context, list []registry.Machine, what func(context.Context, *api.Client) (T, error)) (got map[string]T, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	got = map[string]T{}
	var silent []string
	slots := make(chan struct{}, askLimit)
	for _, m := range list {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, answerLimit)
			defer cancel()
			v, err := what(ctx, api.NewClient(m.Socket))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				got[m.ID] = v
			case errors.Is(err, context.DeadlineExceeded):
				silent = append(silent, shown(m))
			}
		})
	}
	all.Wait()
	if silent != nil {
		err = fmt.Errorf("no answer within %v from %s", answerLimit, strings.Join(silent, ", "))
	}
	return got, err
}

// each does something with each machine given, one after the other, and prints the
// names of those with which it went well, as docker does.
func each(ctx context.Context, out io.Writer, what []string, do func(context.Context, *api.Client) error) error {
	list, err := machines(what)
	if err != nil {
		return err
	}
	var errs []error
	for i, m := range list {
		if err := do(ctx, api.NewClient(m.Socket)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what[i], err))
			continue
		}
		fmt.Fprintln(out, what[i])
	}
	return errors.Join(errs...)
}

// table writes aligned columns.
func table(out io.Writer, head string, rows func(w io.Writer)) error {
	const gap = 2
	w := tabwriter.NewWriter(out, 0, 0, gap, ' ', 0)
	fmt.Fprintln(w, head)
	rows(w)
	return w.Flush()
}

// bytesText shows an amount of memory in at most six characters.
func bytesText(n uint64) string {
	const unit = 1024
	v, units := float64(n), "BKMGT"
	i := 0
	for v >= unit-0.5 && i < len(units)-1 {
		v /= unit
		i++
	}
	if v < 10 && i > 0 {
		return fmt.Sprintf("%.1f%c", v, units[i])
	}
	return fmt.Sprintf("%.0f%c", v, units[i])
}

// ageText shows how long something lasts, in at most six characters.
func ageText(d time.Duration) string {
	switch day := 24 * time.Hour; {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
	}
}

// warn says on stderr what did not keep the command from going on.
func warn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "doze: "+oneLine(err))
	}
}
