package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// `return nil, err` sets all named results before what was deferred runs. So a
// deferred function that looks at a named error and then uses another named result
// finds that gone exactly when it is needed: to undo what was half made. Undo in the
// caller, or by a variable that is no result.
func TestNothingDeferredUsesAResultThatReturnSets(t *testing.T) {
	fset, files := parsed(t, parser.SkipObjectResolution)
	for name, f := range files {
		for _, at := range deferredUses(f) {
			assert.Fail(t, "a deferred function uses a named result", "%s: %s: `return nil, err` has set it before",
				name, fset.Position(at))
		}
	}
}

// deferredUses are the places where a deferred function uses a named result beside the
// named error that it looks at.
func deferredUses(f *ast.File) (places []token.Pos) {
	ast.Inspect(f, func(n ast.Node) bool {
		var of *ast.FuncType
		var body *ast.BlockStmt
		switch fn := n.(type) {
		case *ast.FuncDecl:
			of, body = fn.Type, fn.Body
		case *ast.FuncLit:
			of, body = fn.Type, fn.Body
		}
		if of == nil || body == nil {
			return true
		}
		failure, others := namedResults(of)
		if failure == "" || len(others) == 0 {
			return true
		}
		for _, lit := range deferred(body) {
			if len(uses(lit, map[string]bool{failure: true})) > 0 {
				places = append(places, uses(lit, others)...)
			}
		}
		return true
	})
	return places
}

// deferred are the function literals that a body defers, at any depth but that of other
// functions.
func deferred(body *ast.BlockStmt) (list []*ast.FuncLit) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.DeferStmt:
			if lit, ok := n.Call.Fun.(*ast.FuncLit); ok {
				list = append(list, lit)
			}
			return false
		}
		return true
	})
	return list
}

// namedResults are the name of the error among a function's results, and the others.
func namedResults(f *ast.FuncType) (failure string, others map[string]bool) {
	others = map[string]bool{}
	if f.Results == nil {
		return "", others
	}
	for _, field := range f.Results.List {
		kind, _ := field.Type.(*ast.Ident)
		for _, n := range field.Names {
			switch {
			case kind != nil && kind.Name == "error":
				failure = n.Name
			case n.Name != "_":
				others[n.Name] = true
			}
		}
	}
	return failure, others
}

// uses are the places where a function reads one of the names. Setting one is no use.
func uses(f *ast.FuncLit, names map[string]bool) (places []token.Pos) {
	set := map[ast.Node]bool{}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				set[left] = true
			}
		case *ast.SelectorExpr: // of x.err only x is a name
			set[n.Sel] = true
		case *ast.KeyValueExpr:
			set[n.Key] = true
		case *ast.Ident:
			if names[n.Name] && !set[n] {
				places = append(places, n.Pos())
			}
		}
		return true
	})
	return places
}

func TestDeferredUsesAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"closes what was returned":   {"func f() (m *M, err error) { defer func() { if err != nil { m.Close() } }(); return nil, err }", 1},
		"a literal":                  {"var f = func() (m *M, err error) { defer func() { if err != nil { m.Close() } }(); return nil, err }", 1},
		"in a block":                 {"func f() (m *M, err error) { if x { defer func() { if err != nil { m.Close() } }() }; return nil, err }", 1},
		"of another function":        {"func f() (m *M, err error) { g(func() { defer func() { if err != nil { m.Close() } }() }); return nil, err }", 0},
		"says why and returns none":  {"func f() (m *M, err error) { defer func() { if r := recover(); r != nil { m, err = nil, r } }(); return }", 0},
		"undoes by a variable":       {"func f() (m *M, err error) { x := n(); defer func() { if err != nil { x.Close() } }(); return nil, err }", 0},
		"adds to the error":          {"func f() (err error) { defer func() { err = join(err, g()) }(); return nil }", 0},
		"does not look at the error": {"func f() (n int, err error) { defer func() { n++ }(); return 1, nil }", 0},
		"a field of that name":       {"func f() (m *M, err error) { defer func() { if err != nil { x.m.Close() } }(); return nil, err }", 0},
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", fmt.Sprintf("package x\n\n%s\n", c.body), parser.SkipObjectResolution)
		require.NoError(t, err, name)
		assert.Len(t, deferredUses(f), c.want, name)
	}
}
