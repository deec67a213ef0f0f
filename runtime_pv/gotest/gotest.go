// Package gotest runs the tests of packages in machines. It leaves to the go
// command what that does well: finding packages, building, vetting, printing. Go
// runs test binaries by way of a program of ours (go test -exec), which makes an
// image of the binary and of the files that the test may read.
//
// The package must never change what a test prints, and never let a result be
// taken from a cache: what counts is the run in a machine.
package gotest

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Args are the arguments of `doze test`, sorted.
type Args struct {
	Own  []string // doze's own flags, as --name=value
	Go   []string // what go test gets, in the order given
	Dir  string   // of -C
	Help bool

	given map[string]bool // flags of go test that were given
}

// Parse sorts arguments: own holds doze's flags, with true for those that take a
// value. Flags of doze and of go test may be mixed; after -args all belongs to
// the test.
func Parse(args []string, own map[string]bool) (Args, error) {
	a := Args{given: map[string]bool{}}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, hasValue := cutFlag(arg)
		if name == "args" {
			a.Go = append(append(a.Go, arg), args...)
			return a, nil
		}
		takes, isOwn := own[name]
		isTest := !isOwn && takesValue[strings.TrimPrefix(name, "test.")]
		if (isOwn && takes || isTest) && !hasValue {
			if len(args) == 0 {
				return a, fmt.Errorf("flag %s needs a value", arg)
			}
			value, args = args[0], args[1:]
			hasValue = true
		}
		switch {
		case name == "":
			a.Go = append(a.Go, arg)
		case name == "h", name == "help":
			a.Help = true
		case isOwn && hasValue:
			a.Own = append(a.Own, "--"+name+"="+value)
		case isOwn:
			a.Own = append(a.Own, "--"+name)
		case name == "C":
			a.Dir = value
		default:
			if err := a.goFlag(arg, name, value, hasValue); err != nil {
				return a, err
			}
		}
	}
	return a, nil
}

// cutFlag returns a flag's name without dashes; of what is no flag, nothing.
func cutFlag(arg string) (name, value string, hasValue bool) {
	if len(arg) < 2 || arg[0] != '-' {
		return "", "", false
	}
	return strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
}

// goFlag takes in a flag of go test.
func (a *Args) goFlag(arg, name, value string, hasValue bool) error {
	short := strings.TrimPrefix(name, "test.")
	if why, bad := refused[short]; bad && value != "false" {
		return fmt.Errorf("go test flag -%s: %s: leave it out", short, why)
	}
	a.given[short] = true
	switch {
	case short == "ldflags":
		arg = "-ldflags=" + withSymbols(value)
	case hasValue:
		arg = "-" + name + "=" + value
	}
	a.Go = append(a.Go, arg)
	return nil
}

// keepSymbols undoes the -s that go test gives the linker: an image needs its
// symbol table. The linker takes the last -s it is given.
const keepSymbols = "-s=false"

// withSymbols puts keepSymbols before the flags, behind the pattern of packages
// that they may begin with.
func withSymbols(ldflags string) string {
	if pattern, rest, ok := strings.Cut(ldflags, "="); ok && pattern != "" && pattern[0] != '-' && !strings.ContainsAny(pattern, " \t'\"") {
		return pattern + "=" + keepSymbols + " " + rest
	}
	return strings.TrimSpace(keepSymbols + " " + ldflags)
}

// Command returns the arguments of the go command: exec is the program that runs
// a test binary in a machine with cpus vCPUs.
func (a Args) Command(exec string, cpus int) ([]string, error) {
	quoted, err := quote(exec)
	if err != nil {
		return nil, err
	}
	args := []string{"test", "-exec=" + quoted + " " + MachineCommand, "-ldflags=" + keepSymbols}
	if !a.given["count"] {
		args = append(args, "-count=1") // else go test would look for the result in its cache
	}
	if !a.given["p"] {
		args = append(args, "-p="+strconv.Itoa(max(1, runtime.NumCPU()/max(cpus, 1))))
	}
	return append(args, a.Go...), nil
}

// std is the pattern for all of the standard library.
const std = "std"

// guestPackages are in the derived standard library only.
const guestPackages = "internal/runtime/doze/"

// ExpandStd replaces the pattern std by the packages that list returns for it,
// without those that are part of the kernel: they have no tests there.
func (a *Args) ExpandStd(list func() ([]string, error)) error {
	for i, arg := range a.Go {
		if name, _, _ := cutFlag(arg); name == "args" {
			return nil
		}
		if arg != std {
			continue
		}
		packages, err := list()
		if err != nil {
			return err
		}
		packages = slices.DeleteFunc(packages, func(p string) bool { return strings.HasPrefix(p, guestPackages) })
		a.Go = slices.Concat(a.Go[:i], packages, a.Go[i+1:])
		return nil
	}
	return nil
}

// MachineCommand is the hidden command that runs one test binary.
const MachineCommand = "test-machine"

// quote writes a path as one word of a flag (go help environment: values with
// spaces are quoted, and there is no escape).
func quote(path string) (string, error) {
	path = filepath.Clean(path)
	switch {
	case !strings.ContainsAny(path, " \t\n\r'\""):
		return path, nil
	case !strings.Contains(path, "'"):
		return "'" + path + "'", nil
	case !strings.Contains(path, `"`):
		return `"` + path + `"`, nil
	}
	return "", fmt.Errorf("the doze command can't be started by go test from %s: put it into a folder whose name has no quotes", path)
}
