package main

import (
	"regexp"
	"strings"
)

// running finds the tests that the testing package says it ran when time was up.
var running = regexp.MustCompile(`running tests:\n\s*([^\s(]+)`)

// culprit is the test that ended the package before its end, nothing if it came
// to its end: a package that does so says PASS or FAIL on a line of its own.
func (r *result) culprit() string {
	if r.Exit == 0 || len(r.Tests) == 0 || atEnd.MatchString(r.Output) {
		return ""
	}
	if m := running.FindStringSubmatch(r.lastWords()); m != nil {
		return top(stable(m[1]))
	}
	return top(r.Last)
}

// lastWords are what the package said when its time was up. go test takes them
// for the output of whichever test ran last.
func (r *result) lastWords() string {
	for _, t := range r.Tests {
		if running.MatchString(t.Output) {
			return t.Output
		}
	}
	return r.Output
}

// atEnd is the line that the testing package prints at the end; go test's own
// line with the package's name follows it.
var atEnd = regexp.MustCompile(`(?m)^(PASS|FAIL)$`)

func top(name string) string {
	name, _, _ = strings.Cut(name, "/")
	return name
}

// merge takes in another run of the package, which left out the test that had
// ended it. What did not come to its end before counts as it does now.
func (r *result) merge(next *result, culprit string) {
	r.Ended = append(r.Ended, culprit)
	if t := r.Tests[culprit]; t.Action == "run" {
		r.Tests[culprit] = test{Action: "fail", Output: tail(t.Output + r.lastWords())}
	}
	for name, t := range next.Tests {
		if before, ok := r.Tests[name]; !ok || before.Action == "run" {
			r.Tests[name] = t
		}
	}
	r.Last, r.Exit, r.Output = next.Last, next.Exit, next.Output
	r.Seconds += next.Seconds
}
