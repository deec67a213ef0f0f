package main

import "strings"

// difference is a test that passes natively and not in the machine.
type difference struct {
	test, reason string
	line         string // the first line of what it printed
}

// compare returns how many of the tests that passed natively pass in the
// machine, and why the others do not.
func compare(native, vm *result) (passed int, out []difference) {
	for _, name := range native.passed() {
		t, ran := vm.Tests[name]
		if ran && t.Action == "pass" {
			passed++
			continue
		}
		d := vm.explain(name, t, ran)
		if reason := known(vm.Package, name); reason != "" {
			d.reason = reason
		}
		out = append(out, d)
	}
	return passed, out
}

// explain finds the reason in what the test printed, else in what its subtests,
// the tests above it, or at last the package printed.
func (r *result) explain(name string, t test, ran bool) difference {
	d := difference{test: name, reason: otherReason, line: firstLine(t.Output)}
	if ran && t.Action == "run" && strings.Contains(r.Output, "test timed out") {
		d.reason = timeout
		return d
	}
	outputs := []string{t.Output}
	for sub, s := range r.Tests {
		if strings.HasPrefix(sub, name+"/") && s.Action != "pass" {
			outputs = append(outputs, s.Output)
		}
	}
	for above := name; strings.Contains(above, "/"); {
		above = above[:strings.LastIndexByte(above, '/')]
		outputs = append(outputs, r.Tests[above].Output)
	}
	if !ran || t.Action == "run" {
		outputs = append(outputs, r.Output)
	}
	for _, text := range outputs {
		if d.reason = classify(text); d.reason != otherReason {
			d.line = firstLine(text)
			return d
		}
	}
	if !ran {
		return r.unreached(d)
	}
	return d
}

// diedIn says whether the package ended while its last test ran.
func (r *result) diedIn(last test, ok bool) bool {
	return ok && last.Action == "run" && r.Exit != 0
}

// unreached is the reason for a test that did not begin: what ended the package
// before, if that is known.
func (r *result) unreached(d difference) difference {
	last, ok := r.Tests[r.Last]
	above, isAbove := r.Tests[top(d.test)]
	switch {
	case isAbove && (above.Action == "skip" || above.Action == "fail" && classify(above.Output) != otherReason):
		d.reason, d.line = classify(above.Output), firstLine(above.Output)
	case len(r.Tests) > 0 && !isAbove && !r.diedIn(last, ok) && atEnd.MatchString(r.Output):
		d.reason, d.line = needsCgo, "not in a program built without cgo"
	case len(r.Tests) == 0 && (strings.Contains(r.Output, "[build failed]") || strings.Contains(r.Output, "[setup failed]")):
		d.reason, d.line = notBuilt, firstLine(r.Output)
	case ok && last.Action != "pass" && r.Exit != 0 && !strings.HasPrefix(d.test, r.Last+"/"):
		d.line = "after " + r.Last + ": " + firstLine(last.Output)
		if d.reason = classify(last.Output); d.reason == otherReason {
			d.reason = notReached
		}
	default:
		d.reason, d.line = notReached, firstLine(r.Output)
	}
	return d
}
