package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/doze-vm/doze/ci/onecpu"
	"github.com/doze-vm/doze/hostvmm/vm"
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

// rival is one way to run a program, and the figures that it printed.
type rival struct {
	name    string
	command []string
	env     string // of the command, not of a program in a machine
	figures map[string][]float64
}

// compare compares a program in a machine with the same as a process.
func (o options) compare(ctx context.Context, app string, cpus int) error {
	return o.rivals(ctx, app, cpus, []candidate{{name: "Doze, hostvmm, KVM"}})
}

// overcommit compares four vCPUs on one physical CPU, with all that they do about
// being preempted, with less of it, and without any, with a process.
func overcommit(ctx context.Context, o options) error {
	var err error
	confined := onecpu.First(func() {
		err = o.rivals(ctx, "overcommit", 4, []candidate{
			{"Doze, all", []string{"--smp", vm.SMPAll}},
			{"lock", []string{"--smp", vm.SMPLock}},
			{"wake", []string{"--smp", vm.SMPWake}},
			{"none", []string{"--smp", vm.SMPNone}},
		})
	})
	return errors.Join(confined, err)
}

// candidate is a machine with further flags of doze run.
type candidate struct {
	name  string
	flags []string
}

// rivals runs a program in machines and as a process, in turn.
func (o options) rivals(ctx context.Context, app string, cpus int, machines []candidate) error {
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
	var all []rival
	for _, m := range machines {
		command := slices.Concat([]string{o.doze, "run", "--vmm", "kvm", "--cpus", n, "--memory", memory}, m.flags, []string{image}, args)
		all = append(all, rival{m.name, command, "", map[string][]float64{}})
	}
	all = append(all, rival{"Linux process", slices.Concat([]string{program}, args), "GOMAXPROCS=" + n, map[string][]float64{}})
	if err := race(ctx, all, o.rounds); err != nil {
		return err
	}
	fmt.Printf("apps/%s, %d CPU, %d runs of each in turn, medians, ratios to the process:\n\n", app, cpus, o.rounds)
	fmt.Println(table(all))
	return nil
}

// race runs all in turn, so many times. The first run of each does not count: it
// brings files into memory.
func race(ctx context.Context, all []rival, rounds int) error {
	for round := range rounds + 1 {
		for _, r := range all {
			if err := collect(ctx, r.command, r.env, r.figures); err != nil {
				return err
			}
			if round == 0 {
				clear(r.figures)
			}
		}
	}
	return nil
}

// table has a row for each figure: the medians, and their ratios to the last rival's.
func table(all []rival) string {
	var b strings.Builder
	last := all[len(all)-1]
	b.WriteString("| what |")
	for _, r := range all[:len(all)-1] {
		fmt.Fprintf(&b, " %s | ratio |", r.name)
	}
	fmt.Fprintf(&b, " %s |\n|%s\n", last.name, strings.Repeat("---|", 2*len(all)))
	for _, name := range slices.Sorted(maps.Keys(last.figures)) {
		base := middle(last.figures[name])
		fmt.Fprintf(&b, "| %s |", name)
		for _, r := range all[:len(all)-1] {
			v := middle(r.figures[name])
			fmt.Fprintf(&b, " %.6g | %.3g |", v, v/base)
		}
		fmt.Fprintf(&b, " %.6g |\n", base)
	}
	return b.String()
}

// collect runs a program and adds the figures in its output to those there are.
func collect(ctx context.Context, command []string, env string, figures map[string][]float64) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	if env != "" {
		cmd.Env = append(os.Environ(), env)
	}
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
