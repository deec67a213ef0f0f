package tests

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// differences are the answers of apps/probes that may differ in a machine: a name or
// a pattern of names, what the machine answers, "*" for anything, and why.
//
//go:embed testdata/linux.txt
var differences string

// difference is a line of that list.
type difference struct{ name, answer, why string }

func (d difference) of(name string) bool {
	ok, err := path.Match(d.name, name)
	return err == nil && ok || d.name == name
}

func readDifferences(t *testing.T, text string) (all []difference) {
	t.Helper()
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		f := strings.Split(line, "\t")
		f = slices.DeleteFunc(f, func(s string) bool { return s == "" })
		require.Len(t, f, 3, "%q: name, answer, reason, tabs in between", line)
		all = append(all, difference{f[0], f[1], f[2]})
	}
	return all
}

// compare says what of a machine's answers is neither a process's nor listed, and
// what is listed and does not differ.
func compare(process, machine string, list []difference) (problems []string) {
	answers := map[string]string{}
	for line := range strings.Lines(machine) {
		name, answer, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		answers[name] = answer
	}
	used := make([]bool, len(list))
	for line := range strings.Lines(process) {
		name, want, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		got, asked := answers[name]
		delete(answers, name)
		i := slices.IndexFunc(list, func(d difference) bool { return d.of(name) && (d.answer == "*" || d.answer == got) })
		switch {
		case !asked:
			problems = append(problems, name+": not asked in the machine")
		case got == want:
		case i < 0:
			problems = append(problems, fmt.Sprintf("%s:\n  process %s\n  machine %s", name, want, got))
		default:
			used[i] = true
		}
	}
	for name := range answers {
		problems = append(problems, name+": asked in the machine alone")
	}
	for i, d := range list {
		if !used[i] {
			problems = append(problems, d.name+": listed, and does not differ: take it off the list")
		}
	}
	return problems
}

func TestCompare(t *testing.T) {
	list := []difference{{"b/*", "2", "so"}, {"c", "*", "so"}}
	for _, c := range []struct{ process, machine, problem string }{
		{"a: 1\nb/x: 1\nc: 1\n", "a: 1\nb/x: 2\nc: 9\n", ""},
		{"a: 1\nb/x: 1\nc: 1\n", "a: 2\nb/x: 2\nc: 9\n", "a:\n  process 1\n  machine 2"},
		{"a: 1\nb/x: 1\nc: 1\n", "a: 1\nb/x: 3\nc: 9\n", "b/x:\n  process 1\n  machine 3"},
		{"a: 1\nb/x: 1\nc: 1\n", "b/x: 2\nc: 9\n", "a: not asked in the machine"},
		{"b/x: 1\nc: 1\n", "a: 1\nb/x: 2\nc: 9\n", "a: asked in the machine alone"},
		{"b/x: 1\nc: 1\n", "b/x: 2\nc: 1\n", "c: listed, and does not differ: take it off the list"},
	} {
		problems := compare(c.process, c.machine, list)
		if c.problem == "" {
			assert.Empty(t, problems)
		} else {
			assert.Contains(t, problems, c.problem)
		}
	}
}

// asked are the machines of the tier linux.
var asked = []machine{
	{"kvm, 1 CPU", "kvm", []string{"--vmm", "kvm"}, needsKVM},
	{"kvm, 4 CPUs", "kvm", []string{"--vmm", "kvm", "--cpus", "4"}, needsKVM},
	{"qemu", "qemu", []string{"--vmm", "qemu", "--machine", "microvm", "--accel", "tcg"}, needsQEMU},
}

// TestLinuxAnswersTheSame is the tier linux: what apps/probes is answered in a machine
// is what a process is answered on this host, but for the list.
func TestLinuxAnswersTheSame(t *testing.T) {
	if os.Getenv("DOZE_IMAGES") != "" {
		t.Skip("no Go toolchain here to build with")
	}
	if tier := os.Getenv("DOZE_TIER"); tier != "" && tier != "linux" {
		t.Skip("the tier linux runs it")
	}
	program := filepath.Join(t.TempDir(), "probes")
	out, err := exec.Command("go", "build", "-o", program, "../apps/probes").CombinedOutput()
	require.NoError(t, err, "%s", out)
	native := exec.Command(program, "", "a b", "") // the first would choose some
	// Go's SIGURG, by which a collection stops a goroutine, ends a process's wait with
	// EINTR: where the host is busy it comes in the middle of a probe.
	native.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
	process, err := native.Output()
	require.NoError(t, err)
	list := readDifferences(t, differences)
	for _, m := range asked {
		t.Run(m.name, func(t *testing.T) {
			if why := m.needs(); why != "" {
				t.Skip(why)
			}
			r := m.run(t, app(t, "probes"), "", "a b", "")
			r.ok(t)
			for _, problem := range compare(string(process), r.stdout, list) {
				t.Error(problem)
			}
		})
	}
}
