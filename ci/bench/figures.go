package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parallel compares what a machine of so many vCPUs computes with what a process
// with that GOMAXPROCS does.
func parallel(ctx context.Context, o options) error {
	for _, cpus := range o.cpus {
		if err := o.compare(ctx, "parallel", cpus); err != nil {
			return err
		}
	}
	return nil
}

// alone compares a program that has one vCPU.
func alone(app string) func(context.Context, options) error {
	return func(ctx context.Context, o options) error { return o.compare(ctx, app, 1) }
}

// compare runs a program in a machine and as a process in turn, and prints the
// medians of the figures it reports, with their ratios. The first run of each
// does not count: it brings files into memory.
func (o options) compare(ctx context.Context, app string, cpus int) error {
	image, err := o.image(ctx, app)
	if err != nil {
		return err
	}
	program, err := o.process(ctx, app)
	if err != nil {
		return err
	}
	n, args := strconv.Itoa(cpus), flag.Args()[1:]
	memory := strconv.FormatUint(o.memory>>20, 10) + "M"
	ours := map[string][]float64{}
	process := map[string][]float64{}
	for round := range o.rounds + 1 {
		for _, c := range []struct {
			figures map[string][]float64
			command []string
		}{
			{ours, slices.Concat([]string{o.doze, "run", "--vmm", "kvm", "--cpus", n, "--memory", memory, image}, args)},
			{process, slices.Concat([]string{program}, args)},
		} {
			if err := collect(ctx, c.command, "GOMAXPROCS="+n, c.figures); err != nil {
				return err
			}
			if round == 0 {
				clear(c.figures)
			}
		}
	}
	fmt.Printf("apps/%s, %d CPU, %d runs of each in turn, medians:\n\n| what | Doze, hostvmm, KVM | Linux process | ratio |\n|---|---|---|---|\n", app, cpus, o.rounds)
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		a, b := middle(ours[name]), middle(process[name])
		fmt.Printf("| %s | %.6g | %.6g | %.3g |\n", name, a, b, a/b)
	}
	fmt.Println()
	return nil
}

// collect runs a program and adds the figures in its output to those there are.
func collect(ctx context.Context, command []string, env string, figures map[string][]float64) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env)
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, &out)
	}
	if !readFigures(out.String(), figures) {
		return fmt.Errorf("%v printed no figure (a line \"time: NAME: NUMBER\"):\n%s", cmd, &out)
	}
	return nil
}

var figure = regexp.MustCompile(`(?m)^time: ([^:\n]+): ([0-9.]+)( \S+)?\r?$`)

// readFigures adds each line "time: NAME: NUMBER UNIT" under NAME and its unit.
func readFigures(text string, figures map[string][]float64) (found bool) {
	for _, m := range figure.FindAllStringSubmatch(text, -1) {
		if v, err := strconv.ParseFloat(m[2], 64); err == nil {
			name := strings.TrimSpace(m[1])
			if m[3] != "" {
				name += "," + m[3]
			}
			figures[name] = append(figures[name], v)
			found = true
		}
	}
	return found
}

// middle is the median.
func middle(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// numbers reads a list as 1,2,4.
func numbers(s string) (list []int, err error) {
	for word := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q: want a list of numbers from 1", s)
		}
		list = append(list, n)
	}
	return list, nil
}
