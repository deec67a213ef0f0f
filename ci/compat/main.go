// Command compat writes docs/compat.md: which of Linux's calls a machine serves, which
// it refuses and why, and which answers differ. The calls are read from the kernel's
// own source, the differences from the list of the tier linux, so that the page can't
// say what is not so; its test fails when the page is old.
//
//	go run ./ci/compat
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/doze-vm/doze/kernel/linux"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "compat: takes no arguments")
		os.Exit(2)
	}
	text, err := pageOf(".")
	if err == nil {
		err = os.WriteFile(pageName, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

const (
	pageName    = "docs/compat.md"
	table       = "runtime_pv/goroot/_std/runtime/doze_calltable.go"
	differences = "tests/testdata/linux.txt"
)

// call is one of Linux's calls as the kernel has it.
type call struct {
	number  uintptr
	name    string
	refusal string // the error that all that call it get, if that is all they get
	note    string // what is not served of it, or why it is refused
}

// calls returns the kernel's table of calls.
func calls(root string) ([]call, error) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, table), nil, 0)
	if err != nil {
		return nil, err
	}
	numbers := map[string]uintptr{}
	for nr := range uintptr(linux.Calls) {
		if c := linux.CallOf(nr); c != nil {
			numbers[identifier(c.Name)] = nr
		}
	}
	var all []call
	for _, e := range entries(file) {
		nr, ok := numbers[e.Key.(*ast.SelectorExpr).Sel.Name]
		if !ok {
			return nil, fmt.Errorf("%s: no call is named %s", table, e.Key.(*ast.SelectorExpr).Sel.Name)
		}
		c := call{number: nr, name: linux.CallOf(nr).Name}
		for _, f := range e.Value.(*ast.CompositeLit).Elts {
			kv := f.(*ast.KeyValueExpr)
			switch kv.Key.(*ast.Ident).Name {
			case "refuse":
				c.refusal = errorName(kv.Value)
			case "note":
				if c.note, err = strconv.Unquote(kv.Value.(*ast.BasicLit).Value); err != nil {
					return nil, err
				}
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// entries are those of the table.
func entries(file *ast.File) (all []*ast.KeyValueExpr) {
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != "dozeCalls" {
			return true
		}
		for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
			all = append(all, e.(*ast.KeyValueExpr))
		}
		return false
	})
	return all
}

// identifier is the constant of a call's number in package linux.
func identifier(name string) string {
	var b strings.Builder
	b.WriteString("Sys")
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// errorName is the name of an error of package linux.
func errorName(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return ""
}

// pageOf makes the page.
func pageOf(root string) ([]byte, error) {
	all, err := calls(root)
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(filepath.Join(root, differences))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(head)
	b.WriteString("## Served\n\n| number | call | limits |\n|---|---|---|\n")
	for _, c := range all {
		if c.refusal == "" {
			fmt.Fprintf(&b, "| %d | %s | %s |\n", c.number, c.name, c.note)
		}
	}
	b.WriteString("\n## Refused\n\nAll that are not in this page get ENOSYS, as on a Linux that is older than the call.\n\n" +
		"| calls | error | why, or what there is instead |\n|---|---|---|\n")
	writeRefused(&b, all)
	b.WriteString("\n## Answers that differ\n\nOf some 3,300 questions of `apps/probes` these have another answer than on Linux.\n\n| question | answer | why |\n|---|---|---|\n")
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		f := slices.DeleteFunc(strings.Split(line, "\t"), func(s string) bool { return s == "" })
		if len(f) != 3 {
			return nil, fmt.Errorf("%s: %q has not three parts", differences, line)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f[0], strings.ReplaceAll(f[1], "|", `\|`), f[2])
	}
	return b.Bytes(), nil
}

// writeRefused has a line for the calls that get the same error for the same reason.
func writeRefused(b *bytes.Buffer, all []call) {
	type reason struct{ refusal, note string }
	names := map[reason][]string{}
	var order []reason
	for _, c := range all {
		if c.refusal == "" {
			continue
		}
		r := reason{c.refusal, c.note}
		if names[r] == nil {
			order = append(order, r)
		}
		names[r] = append(names[r], c.name)
	}
	for _, r := range order {
		fmt.Fprintf(b, "| %s | %s | %s |\n", strings.Join(names[r], ", "), r.refusal, r.note)
	}
}

const head = `# What of Linux a machine answers

Made by ` + "`go run ./ci/compat`" + ` from the kernel's source, and from the list of the tier linux
([testing.md](testing.md)). How the calls are served is in [kernel.md](kernel.md).

There is one process, number 1, which is root. It has no parent, no children, no other users and no
network. A call answers what Linux answers, or it refuses; it never says yes to what was not
done.

`
