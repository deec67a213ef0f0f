package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// line is a package on the page.
type line struct {
	pkg    string
	apart  string
	native *result
	under  []string    // what ran its machines
	passed map[int]int // by vCPUs
	diffs  map[int][]difference
}

func (l line) total() int { return len(l.native.passed()) }

// lines gathers the packages that have a native result.
func (o options) lines(packages []string) ([]line, error) {
	var out []line
	for _, pkg := range packages {
		native, err := o.load(pkg, way{})
		if err != nil {
			return nil, err
		}
		if native == nil {
			continue
		}
		l := line{pkg: pkg, apart: setApart(pkg), native: native, passed: map[int]int{}, diffs: map[int][]difference{}}
		for _, n := range o.cpus {
			vm, err := o.load(pkg, way{n})
			if err != nil {
				return nil, err
			}
			if vm != nil {
				l.passed[n], l.diffs[n] = compare(native, vm)
				l.under = append(l.under, vm.Under)
			}
		}
		out = append(out, l)
	}
	return out, nil
}

const head = `# The standard library's own tests in machines

Written by ` + "`make std`" + `, which runs the tests of each package of the standard library natively
(` + "`go test -short`" + `) and in machines (` + "`doze test -short`" + `, [testing.md](testing.md)) and compares
them one by one. Only tests, subtests and examples that pass natively are counted. Each one that
fails, is skipped or never runs in the machine is a difference. The reason is taken from what the
test printed.

`

// makePage writes the page from the results.
func makePage(o options, packages []string) (string, error) {
	lines, err := o.lines(packages)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(head)
	if len(lines) > 0 {
		fmt.Fprintf(&b, "These are the results of %s for %d of the %d packages that have tests%s.\n\n", lines[0].native.Go, len(lines), len(packages), machines(lines))
	}
	o.sums(&b, lines)
	b.WriteString("\n## Reasons\n\n")
	o.reasons(&b, lines)
	b.WriteString("\n## Packages\n\n")
	o.table(&b, lines, func(l line) bool { return l.apart == "" })
	b.WriteString("\n## Packages that need what a machine does not have\n\n")
	o.table(&b, lines, func(l line) bool { return l.apart != "" })
	b.WriteString("\n## Differences\n")
	o.differences(&b, lines)
	return b.String(), nil
}

// machines says what the machines ran under, nothing where results don't tell.
func machines(lines []line) string {
	var names []string
	for _, l := range lines {
		names = append(names, l.under...)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
	if len(names) == 0 {
		return ""
	}
	return ", in machines under " + strings.Join(names, " or ")
}

// sums is the table at the top. Subtests are counted too, of which a few packages
// have thousands: hence the lines without them.
func (o options) sums(b *strings.Builder, lines []line) {
	b.WriteString("| | " + o.columns("%s") + " |\n|---|" + strings.Repeat("--:|", len(o.cpus)) + "\n")
	all := func(line) bool { return true }
	rest := func(l line) bool { return l.apart == "" }
	for _, set := range []struct {
		name    string
		in      func(l line) bool
		leaving func(d difference) bool // neither passed nor counted
	}{
		{"all packages", all, none},
		{"without those that need network, exec, cgo or a Go toolchain", rest, none},
		{"without single tests elsewhere that need the same, or what the emulated CPU lacks", rest, difference.needsMore},
		{"all packages, subtests not counted", all, difference.sub},
		{"without those packages, subtests not counted", rest, difference.sub},
	} {
		var cells []string
		for _, n := range o.cpus {
			passed, total := 0, 0
			for _, l := range lines {
				if _, ran := l.passed[n]; !ran || !set.in(l) {
					continue
				}
				p, t := l.count(n, set.leaving)
				passed, total = passed+p, total+t
			}
			cells = append(cells, share(passed, total))
		}
		fmt.Fprintf(b, "| %s | %s |\n", set.name, strings.Join(cells, " | "))
	}
}

func none(difference) bool { return false }

// sub says whether it is a subtest.
func (d difference) sub() bool { return strings.Contains(d.test, "/") }

// needsMore says whether the test needs what a machine does not have, or the
// emulated CPU.
func (d difference) needsMore() bool {
	return slices.Contains([]string{needsNetwork, needsExec, needsCgo, needsToolchain, needsCPU, needsCPUs}, d.reason)
}

// count returns how many tests pass in the machines with n vCPUs, of how many,
// without those to leave out.
func (l line) count(n int, leaving func(d difference) bool) (passed, total int) {
	for _, name := range l.native.passed() {
		if !leaving(difference{test: name}) {
			total++
		}
	}
	passed = total
	for _, d := range l.diffs[n] {
		switch {
		case !leaving(d):
			passed--
		case !leaving(difference{test: d.test}): // left out for its reason: counted above
			passed, total = passed-1, total-1
		}
	}
	return passed, total
}

func share(passed, total int) string {
	if total == 0 {
		return "not run"
	}
	return fmt.Sprintf("%d of %d (%.1f %%)", passed, total, float64(passed)*100/float64(total))
}

func (o options) columns(format string) string {
	var out []string
	for _, n := range o.cpus {
		out = append(out, fmt.Sprintf(format, way{n}))
	}
	return strings.Join(out, " | ")
}

// reasons counts the differences by reason.
func (o options) reasons(b *strings.Builder, lines []line) {
	count := map[string]map[int]int{}
	for _, l := range lines {
		for n, diffs := range l.diffs {
			for _, d := range diffs {
				if count[d.reason] == nil {
					count[d.reason] = map[int]int{}
				}
				count[d.reason][n]++
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(count), func(x, y string) int {
		return cmp.Or(count[y][o.cpus[0]]-count[x][o.cpus[0]], strings.Compare(x, y))
	})
	b.WriteString("| reason | " + o.columns("%s") + " |\n|---|" + strings.Repeat("--:|", len(o.cpus)) + "\n")
	for _, name := range names {
		fmt.Fprintf(b, "| %s |", name)
		for _, n := range o.cpus {
			fmt.Fprintf(b, " %d |", count[name][n])
		}
		b.WriteString("\n")
	}
}

// table lists packages with their counts and the reasons for what is missing.
func (o options) table(b *strings.Builder, lines []line, in func(l line) bool) {
	b.WriteString("| package | native | " + o.columns("%s") + " | reasons |\n|---|--:|" + strings.Repeat("--:|", len(o.cpus)) + "---|\n")
	for _, l := range lines {
		if !in(l) {
			continue
		}
		fmt.Fprintf(b, "| %s | %d |", l.pkg, l.total())
		for _, n := range o.cpus {
			if passed, ran := l.passed[n]; ran {
				fmt.Fprintf(b, " %d |", passed)
			} else {
				b.WriteString(" not run |")
			}
		}
		fmt.Fprintf(b, " %s |\n", l.reasons())
	}
}

// reasons are those of a package, the most frequent first.
func (l line) reasons() string {
	count := map[string]int{}
	for _, diffs := range l.diffs {
		for _, d := range diffs {
			count[d.reason]++
		}
	}
	return strings.Join(slices.SortedFunc(maps.Keys(count), func(x, y string) int {
		return cmp.Or(count[y]-count[x], strings.Compare(x, y))
	}), ", ")
}

// shown is how many tests of a kind are named; the others are counted.
const shown = 4

// differences lists what is missing by package and reason.
func (o options) differences(b *strings.Builder, lines []line) {
	for _, l := range lines {
		if l.reasons() == "" {
			continue
		}
		fmt.Fprintf(b, "\n### %s\n\n", l.pkg)
		if l.apart != "" {
			fmt.Fprintf(b, "Listed apart: %s.\n\n", l.apart)
		}
		for _, k := range l.kinds(o.cpus) {
			names := k.tests
			more := ""
			if len(names) > shown {
				more = fmt.Sprintf(" and %d more", len(names)-shown)
				names = names[:shown]
			}
			fmt.Fprintf(b, "- %s (%s): %s%s", k.reason, k.ways, strings.Join(names, ", "), more)
			if k.line != "" {
				fmt.Fprintf(b, ": `%s`", strings.ReplaceAll(k.line, "`", "'"))
			}
			b.WriteString("\n")
		}
	}
}

// kind are the tests of a package with the same reason in the same machines.
// Those without a known reason are told apart by what they printed.
type kind struct {
	reason, ways, line string
	tests              []string
}

func (l line) kinds(cpus []int) []kind {
	type seen struct {
		difference
		ways []string
	}
	tests := map[string]*seen{}
	for _, n := range cpus {
		for _, d := range l.diffs[n] {
			if s := tests[d.test]; s != nil && s.reason == d.reason {
				s.ways = append(s.ways, way{n}.String())
			} else if s == nil {
				tests[d.test] = &seen{d, []string{way{n}.String()}}
			}
		}
	}
	byKey := map[string]*kind{}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		s := tests[name]
		k := kind{reason: s.reason, ways: strings.Join(s.ways, ", ")}
		if s.reason == otherReason || s.reason == notReached || s.reason == kernelGap || s.reason == notBuilt {
			k.line = s.line
		}
		key := k.reason + "\x00" + k.ways + "\x00" + k.line
		if byKey[key] == nil {
			byKey[key] = &k
		}
		byKey[key].tests = append(byKey[key].tests, name)
	}
	var out []kind
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		out = append(out, *byKey[key])
	}
	return out
}
