package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// way is how a package is run: natively, or in a machine with so many vCPUs.
type way struct{ cpus int }

func (w way) String() string {
	switch w.cpus {
	case 0:
		return "native"
	case 1:
		return "1 vCPU"
	}
	return strconv.Itoa(w.cpus) + " vCPUs"
}

// ways are native first, then the machines.
func (o options) ways() []way {
	out := []way{{}}
	for _, n := range o.cpus {
		out = append(out, way{n})
	}
	return out
}

// result is what came of one package in one way.
type result struct {
	Package string
	CPUs    int    // 0: native
	Under   string `json:",omitempty"` // what ran the machine
	Go      string
	Seconds float64
	Exit    int
	Tests   map[string]test `json:",omitempty"`
	Last    string          `json:",omitempty"` // the test that ran last
	Ended   []string        `json:",omitempty"` // tests that ended the package: it was run again without them
	Output  string          // the package's own, its end if it is long
}

// test is a test, a subtest or an example.
type test struct {
	Action string // pass, fail or skip; run if it did not end
	Output string `json:",omitempty"` // of those that did not pass
}

func (o options) file(pkg string, w way) string {
	name := "native"
	if w.cpus > 0 {
		name = fmt.Sprintf("vm%d", w.cpus)
	}
	return filepath.Join(o.results, name, strings.ReplaceAll(pkg, "/", "_")+".json")
}

// load returns a result, nil if there is none.
func (o options) load(pkg string, w way) (*result, error) {
	data, err := os.ReadFile(o.file(pkg, w))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var r result
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s: %w: remove it to run the package anew", o.file(pkg, w), err)
	}
	for name, t := range r.Tests {
		if s := stable(name); s != name { // written by an older version
			delete(r.Tests, name)
			r.Tests[s] = t
		}
	}
	return &r, nil
}

// command is what runs a job; the tests named are left out.
func (o options) command(ctx context.Context, j job, skip []string) *exec.Cmd {
	args := []string{"test", "-json", "-short", "-vet=off", "-count=1"}
	name := "go"
	if j.way.cpus > 0 {
		name = o.doze
		args = append(args, "--memory=2G", "--cpus="+strconv.Itoa(j.way.cpus), "-timeout="+o.vm.String())
		args = append(args, o.extra...)
	} else {
		args = append(args, "-timeout="+o.native.String())
	}
	if len(skip) > 0 {
		args = append(args, "-skip=^("+strings.Join(skip, "|")+")$")
	}
	cmd := exec.CommandContext(ctx, name, append(args, j.pkg)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// maxRounds bounds how often a package is run that some tests end early.
const maxRounds = 12

// run runs a job and keeps its result. A test that ends its whole package keeps
// others from running: the package is run again without it.
func (o options) run(ctx context.Context, j job) (*result, error) {
	r, err := o.once(ctx, j, nil)
	var skip []string
	for err == nil && j.way.cpus > 0 && len(skip) < maxRounds {
		culprit := r.culprit()
		if culprit == "" || slices.Contains(skip, culprit) {
			break
		}
		skip = append(skip, culprit)
		var next *result
		if next, err = o.once(ctx, j, skip); err == nil {
			r.merge(next, culprit)
		}
	}
	if ctx.Err() != nil {
		return nil, nil // incomplete: not kept
	}
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return nil, err
	}
	file := o.file(j.pkg, j.way)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file+".new", data, 0o644); err != nil {
		return nil, err
	}
	return r, os.Rename(file+".new", file)
}

// once runs a package once.
func (o options) once(ctx context.Context, j job, skip []string) (*result, error) {
	cmd := o.command(ctx, j, skip)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("%s %s: %w", j.way, j.pkg, err)
	}
	r := &result{Package: j.pkg, CPUs: j.way.cpus, Go: goVersion(), Exit: cmd.ProcessState.ExitCode(),
		Seconds: time.Since(start).Round(time.Millisecond).Seconds()}
	if j.way.cpus > 0 {
		r.Under = under("/dev/kvm", o.extra)
	}
	if err := r.read(&out); err != nil {
		return nil, fmt.Errorf("%s %s: %w", j.way, j.pkg, err)
	}
	r.Output = tail(r.Output + errs.String())
	return r, nil
}

// under says what doze test runs machines under: Doze's own VMM where it may use
// KVM, unless its further flags say otherwise.
func under(kvm string, flags []string) string {
	name := "QEMU without KVM"
	if unix.Access(kvm, unix.R_OK|unix.W_OK) == nil {
		name = "hostvmm on " + kvm
	}
	if len(flags) > 0 {
		name += " (" + strings.Join(flags, " ") + ")"
	}
	return name
}

// event is one of go test's (go doc test2json).
type event struct{ Action, Package, Test, Output string }

// read takes in the events of go test -json.
func (r *result) read(events io.Reader) error {
	r.Tests = map[string]test{}
	in := bufio.NewScanner(events)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			r.Output = tail(r.Output + in.Text() + "\n") // what go test itself says
			continue
		}
		r.take(e)
	}
	return in.Err()
}

func (r *result) take(e event) {
	e.Test = stable(e.Test)
	t := r.Tests[e.Test]
	switch e.Action {
	case "output", "build-output":
		if e.Test == "" {
			r.Output = tail(r.Output + e.Output)
			return
		}
		t.Output = tail(t.Output + e.Output)
	case "run", "cont", "pass", "fail", "skip":
		if e.Test != "" {
			r.Last = e.Test
		}
		if e.Action == "cont" {
			return
		}
		if t.Action = e.Action; e.Action == "pass" {
			t.Output = ""
		}
	default:
		return
	}
	if e.Test != "" {
		r.Tests[e.Test] = t
	}
}

// address is what differs from run to run in the name of a subtest.
var address = regexp.MustCompile(`0x[0-9a-f]{6,}`)

func stable(name string) string { return address.ReplaceAllString(name, "0x...") }

// kept is how much of an output is kept: its head says what went wrong, its end
// how it ended.
const kept = 8 << 10

func tail(s string) string {
	if len(s) <= 2*kept {
		return s
	}
	return s[:kept] + "\n[...]\n" + s[len(s)-kept+64:]
}

// passed are the names of the tests that passed.
func (r *result) passed() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.Tests)) {
		if r.Tests[name].Action == "pass" {
			out = append(out, name)
		}
	}
	return out
}

func (r *result) summary() string {
	if r == nil {
		return "not run"
	}
	count := map[string]int{}
	for _, t := range r.Tests {
		count[t.Action]++
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped, exit %d", count["pass"], count["fail"]+count["run"], count["skip"], r.Exit)
}

func goVersion() string {
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
