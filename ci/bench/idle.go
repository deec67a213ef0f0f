package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// idle compares the host CPU of idle machines, one after the other.
func idle(ctx context.Context, o options) error {
	ours, err := o.underQEMU(ctx, "idle")
	if err != nil {
		return err
	}
	linux, err := o.linuxUnderQEMU(ctx, "idle")
	if err != nil {
		return err
	}
	fmt.Printf("Host CPU of a machine that runs apps/idle, over %v:\n\n| what | CPU time | of a core |\n|---|---|---|\n", o.length)
	for _, c := range []contender{ours, linux} {
		err := c.until(ctx, "ready", func(time.Duration) error { return o.watch(ctx, c.name) }, "-settle", o.settle.String())
		if err != nil {
			return err
		}
	}
	return nil
}

// watch prints the CPU time that our child processes use while it waits.
func (o options) watch(ctx context.Context, name string) error {
	before, err := childrenCPU()
	if err != nil {
		return err
	}
	begin := time.Now()
	select {
	case <-time.After(o.length):
	case <-ctx.Done():
		return ctx.Err()
	}
	took := time.Since(begin)
	after, err := childrenCPU()
	if err != nil {
		return err
	}
	used := after - before
	fmt.Printf("| %s | %s | %.4f %% |\n", name, ms(used), 100*float64(used)/float64(took))
	return nil
}

// childrenCPU is the CPU time of all threads of our child processes, in the
// scheduler's nanoseconds (Documentation/scheduler/sched-stats.rst).
func childrenCPU() (total time.Duration, err error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return 0, err
	}
	found := false
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // that thread of ours has ended
		}
		for child := range strings.FieldsSeq(string(text)) {
			threads, err := filepath.Glob("/proc/" + child + "/task/*/schedstat")
			if err != nil {
				return 0, err
			}
			for _, file := range threads {
				stat, err := os.ReadFile(file)
				if err != nil {
					continue // that thread has ended
				}
				found = true
				ns, _, _ := strings.Cut(string(stat), " ")
				n, err := strconv.ParseInt(ns, 10, 64)
				if err != nil {
					return 0, fmt.Errorf("%s: %w", file, err)
				}
				total += time.Duration(n)
			}
		}
	}
	if !found {
		return 0, fmt.Errorf("no child process in /proc/self/task/*/children, or no schedstat: the host's kernel lacks CONFIG_PROC_CHILDREN or CONFIG_SCHEDSTATS")
	}
	return total, nil
}
