package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const greeting = "Hello from a Go program."

// boot compares QEMU's start to the program's first line.
func boot(ctx context.Context, o options) error {
	ours, err := o.underQEMU(ctx, "hello")
	if err != nil {
		return err
	}
	linux, err := o.linuxUnderQEMU(ctx, "hello")
	if err != nil {
		return err
	}
	return o.race(ctx, "Start to the program's first line", ours, linux)
}

// start compares a machine on /dev/kvm with a process.
func start(ctx context.Context, o options) error {
	ours, err := o.underKVM(ctx, "hello")
	if err != nil {
		return err
	}
	process, err := o.asProcess(ctx, "hello")
	if err != nil {
		return err
	}
	return o.race(ctx, "Start to the program's first line", ours, process)
}

// race starts the two in turn and prints medians and their ratio.
func (o options) race(ctx context.Context, title string, ours, other contender) error {
	times := map[string][]time.Duration{}
	for range o.rounds {
		for _, c := range []contender{ours, other} {
			err := c.until(ctx, greeting, func(d time.Duration) error {
				times[c.name] = append(times[c.name], d)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	fmt.Printf("%s, %d runs of each in turn:\n\n| what | median | fastest | slowest |\n|---|---|---|---|\n", title, o.rounds)
	for _, c := range []contender{ours, other} {
		t := times[c.name]
		slices.Sort(t)
		fmt.Printf("| %s | %s | %s | %s |\n", c.name, ms(median(t)), ms(t[0]), ms(t[len(t)-1]))
	}
	fmt.Printf("\n%s : %s = 1 : %.3g\n", ours.name, other.name,
		float64(median(times[other.name]))/float64(median(times[ours.name])))
	return nil
}

// median of a sorted list.
func median(t []time.Duration) time.Duration {
	return (t[(len(t)-1)/2] + t[len(t)/2]) / 2
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
