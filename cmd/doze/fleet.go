package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
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
		m, err := choose(list, w)
		if err != nil {
			return nil, err
		}
		some = append(some, m)
	}
	return some, nil
}

// choose is the machine that what names. A name is not taken for another that begins with
// it: doze stop web must not stop web2. So the error says which those are.
func choose(list []registry.Machine, what string) (registry.Machine, error) {
	m, err := registry.Choose(list, what)
	if err == nil || what == "" {
		return m, err
	}
	var names []string
	for _, other := range list {
		if strings.HasPrefix(other.Name, what) {
			names = append(names, other.Name)
		}
	}
	if names == nil {
		return m, err
	}
	return m, fmt.Errorf("%w: %s begins so", err, strings.Join(names, ", "))
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

// silence is the error of machines that run and do not answer.
type silence []registry.Machine

func (s silence) Error() string {
	names := make([]string, len(s))
	for i, m := range s {
		names[i] = shown(m)
	}
	return fmt.Sprintf("no answer within %v from %s", answerLimit, strings.Join(names, ", "))
}

// stateSilent is shown of a machine that does not answer.
const stateSilent = "silent"

// silent says which machines did not answer, by ID.
func silent(err error) map[string]bool {
	ids := map[string]bool{}
	var s silence
	errors.As(err, &s)
	for _, m := range s {
		ids[m.ID] = true
	}
	return ids
}

// gone says whether a machine's answer did not come because the machine has ended.
func gone(err error) bool {
	var refused *api.Error
	if errors.As(err, &refused) {
		return true // by one that is ending
	}
	for _, e := range []error{fs.ErrNotExist, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// ask asks all machines the same at once. Those that end meanwhile are left out; the
// error is the silence of those that do not answer.
func ask[T any](ctx context.Context, list []registry.Machine, what func(context.Context, *api.Client) (T, error)) (got map[string]T, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	got = map[string]T{}
	mute := map[string]bool{}
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
			case !gone(err):
				mute[m.ID] = true
			}
		})
	}
	all.Wait()
	var quiet silence
	for _, m := range list { // in this order
		if mute[m.ID] {
			quiet = append(quiet, m)
		}
	}
	if quiet != nil {
		err = quiet
	}
	return got, err
}

// each does something with all machines given at the same time, and prints the names of
// those with which it went well, as docker does. What fails with one, a name that no
// machine has too, does not keep it from the others.
func each(ctx context.Context, out io.Writer, what []string, do func(context.Context, *api.Client) error) error {
	list, err := machines(nil)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	errs := make([]error, len(what))
	slots := make(chan struct{}, askLimit)
	for i, w := range what {
		m, err := choose(list, w)
		if err != nil {
			errs[i] = err
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := do(ctx, api.NewClient(m.Socket)); err != nil {
				errs[i] = fmt.Errorf("%s: %w", w, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(out, w)
		})
	}
	all.Wait()
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
