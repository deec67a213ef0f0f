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
	kernel      = "runtime_pv/goroot/_std/runtime"
	differences = "tests/testdata/linux.txt"
	ownCalls    = 0x10000 // from here on calls are the kernel's own
)

// servers are the functions of the kernel whose switches have the calls.
var servers = []string{"dozeServe", "dozeServeRest", "dozeServeStreams", "dozeServeFiles", "dozeServeLookups", "dozeServeNames"}

// call is one of Linux's calls as the kernel has it.
type call struct {
	number  int
	refusal string // the error that all that call it get, if that is all they get
}

// served returns the calls that the kernel's switches name.
func served(root string) ([]call, error) {
	fset := token.NewFileSet()
	var calls []call
	files, err := filepath.Glob(filepath.Join(root, kernel, "doze_*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no files of the kernel in %s: %w", kernel, err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && slices.Contains(servers, f.Name.Name) {
				calls = append(calls, switched(f)...)
			}
		}
	}
	slices.SortFunc(calls, func(a, b call) int { return a.number - b.number })
	return slices.CompactFunc(calls, func(a, b call) bool { return a.number == b.number && b.refusal == "" }), nil
}

// switched returns the calls of a function's switches over nr.
func switched(f *ast.FuncDecl) (calls []call) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SwitchStmt)
		if !ok {
			return true
		}
		if id, ok := s.Tag.(*ast.Ident); !ok || id.Name != "nr" {
			return true
		}
		for _, c := range s.Body.List {
			clause := c.(*ast.CaseClause)
			for _, e := range clause.List {
				lit, ok := e.(*ast.BasicLit)
				if !ok {
					continue // a call of the kernel's own, by name
				}
				if n, err := strconv.Atoi(lit.Value); err == nil && n < ownCalls {
					calls = append(calls, call{n, refusal(clause.Body)})
				}
			}
		}
		return true
	})
	return calls
}

// refusal is the error of a case that does nothing but return one.
func refusal(body []ast.Stmt) string {
	if len(body) != 1 {
		return ""
	}
	r, ok := body[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) == 0 {
		return ""
	}
	c, ok := r.Results[0].(*ast.CallExpr)
	if !ok || len(c.Args) != 1 {
		return ""
	}
	if f, ok := c.Fun.(*ast.Ident); !ok || f.Name != "dozeErr" {
		return ""
	}
	if e, ok := c.Args[0].(*ast.Ident); ok {
		return strings.TrimPrefix(e.Name, "doze")
	}
	return ""
}

// pageOf makes the page.
func pageOf(root string) ([]byte, error) {
	calls, err := served(root)
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
	have := map[string]bool{}
	var refused []call
	for _, c := range calls {
		name, err := nameOf(c.number)
		if err != nil {
			return nil, err
		}
		have[name] = true
		if c.refusal != "" {
			refused = append(refused, c)
			continue
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", c.number, name, limits[name])
	}
	for name := range limits {
		if !have[name] {
			return nil, fmt.Errorf("the table of limits has %s, which the kernel does not serve", name)
		}
	}
	b.WriteString("\n## Refused\n\nThese get an error that programs take for \"do it another way\".\n\n| call | error | instead |\n|---|---|---|\n")
	for _, c := range refused {
		name, _ := nameOf(c.number)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, c.refusal, instead[c.refusal])
	}
	b.WriteString("\nAll others get ENOSYS, as on a Linux that is older than the call. Programs meet these:\n\n| calls | why |\n|---|---|\n")
	for _, m := range missing {
		for name := range strings.SplitSeq(m.calls, ", ") {
			if have[name] {
				return nil, fmt.Errorf("%s is said to be missing, and the kernel serves it", name)
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", m.calls, m.why)
	}
	b.WriteString("\n## Answers that differ\n\nOf some 2,500 questions of `apps/probes` these have another answer than on Linux.\n\n| question | answer | why |\n|---|---|---|\n")
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

const head = `# What of Linux a machine answers

Made by ` + "`go run ./ci/compat`" + ` from the kernel's source, and from the list of the tier linux ([testing.md](testing.md)). How the
calls are served is in [kernel.md](kernel.md).

There is one process, number 1, which is root. It has no parent, no children, no other users and no network. A call
answers what Linux answers, or it refuses; it never says yes to what was not done.

`
