// Command std runs the standard library's own tests natively and in machines,
// package by package with the same flags, and writes a page about what differs.
//
//	std [-only REGEXP] [-cpus 1,4] [-p N] [-again REGEXP] [-page FILE] [-- doze test flags]
//
// Each result is a file of its own (-results), so that an interrupted run goes
// on where it was, and a part can be run anew. It judges nothing: a test that
// passes natively and not in the machine is counted and given a reason by what it
// printed, and what gives no reason is listed with its first error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	only, again   *regexp.Regexp
	cpus          []int
	parallel      int
	results, page string
	doze          string
	native, vm    time.Duration // time limits of a package
	report        bool
	extra         []string // for doze test
}

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(o)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "std:", err)
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("std", flag.ContinueOnError)
	only := flags.String("only", "", "only packages whose import path matches")
	again := flags.String("again", "^$", "run these packages in machines anew, even if there are results")
	cpus := flags.String("cpus", "1,4", "numbers of vCPUs; none if empty")
	flags.IntVar(&o.parallel, "p", 1, "packages at a time")
	flags.StringVar(&o.results, "results", "bin/std", "folder for the results")
	flags.StringVar(&o.page, "page", "docs/std.md", "the page to write; none if empty")
	flags.StringVar(&o.doze, "doze", "bin/doze", "the doze command")
	flags.DurationVar(&o.native, "native-timeout", 10*time.Minute, "time limit of a package natively")
	flags.DurationVar(&o.vm, "timeout", 20*time.Minute, "time limit of a package in a machine")
	flags.BoolVar(&o.report, "report", false, "run nothing, write the page from what there is")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.extra = flags.Args()
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	if o.again, err = regexp.Compile(*again); err != nil {
		return o, fmt.Errorf("-again: %w", err)
	}
	for word := range strings.SplitSeq(*cpus, ",") {
		if *cpus == "" {
			break
		}
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-cpus %q: write numbers from 1 on, as 1,4", *cpus)
		}
		o.cpus = append(o.cpus, n)
	}
	return o, nil
}

func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	packages, err := list(ctx)
	if err != nil {
		return err
	}
	if !o.report {
		if err := runAll(ctx, o, packages); err != nil {
			return err
		}
	}
	if o.page == "" || len(o.cpus) == 0 {
		return nil
	}
	page, err := makePage(o, packages)
	if err != nil {
		return err
	}
	return os.WriteFile(o.page, []byte(page), 0o644)
}

// list returns the packages of the standard library that have tests.
func list(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}", "std")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list std: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// job is one package to run in one way.
type job struct {
	pkg string
	way way
}

// runAll runs what has no result yet. A job that could not be run at all does not
// keep the others from running.
func runAll(ctx context.Context, o options, packages []string) error {
	var jobs []job
	for _, pkg := range packages {
		if !o.only.MatchString(pkg) {
			continue
		}
		for _, w := range o.ways() {
			if (w.cpus == 0 || !o.again.MatchString(pkg)) && exists(o.file(pkg, w)) {
				continue
			}
			jobs = append(jobs, job{pkg, w})
		}
	}
	var (
		wait   sync.WaitGroup
		mu     sync.Mutex
		failed error
		done   int
		queue  = make(chan job)
	)
	for range max(o.parallel, 1) {
		wait.Go(func() {
			for j := range queue {
				start := time.Now()
				r, err := o.run(ctx, j)
				mu.Lock()
				if done++; err != nil {
					failed = errors.Join(failed, err)
				} else {
					fmt.Printf("%d/%d %s %s: %s, %v\n", done, len(jobs), j.way, j.pkg, r.summary(), time.Since(start).Round(time.Second))
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		queue <- j
	}
	close(queue)
	wait.Wait()
	return errors.Join(failed, ctx.Err())
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
