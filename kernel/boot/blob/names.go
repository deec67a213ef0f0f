package blob

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"strings"
)

// namesMark begins the part of docs/nucleus.md that Names makes: all behind it.
const namesMark = "<!-- Behind this line: made from kernel/abi by `make boot`. -->\n"

// Names returns the page with the tables of all constants of package abi at its end: name,
// value, and what the source says of it.
func Names(src, page string) ([]byte, error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	head, _, ok := strings.Cut(string(text), namesMark)
	if !ok {
		return nil, fmt.Errorf("%s has no line %q", page, strings.TrimSpace(namesMark))
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, src, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	conf := types.Config{Importer: importer.Default()}
	pkg, err := conf.Check("abi", fset, []*ast.File{file}, nil)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(head + namesMark)
	for _, decl := range file.Decls {
		if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.CONST {
			group(&out, pkg.Scope(), gen)
		}
	}
	return out.Bytes(), nil
}

// group writes what the source says of a group of constants, and their table.
func group(out *bytes.Buffer, scope *types.Scope, gen *ast.GenDecl) {
	fmt.Fprintf(out, "\n%s\n| name | value | |\n|---|---|---|\n", gen.Doc.Text())
	for _, spec := range gen.Specs {
		s := spec.(*ast.ValueSpec)
		for _, id := range s.Names {
			v := scope.Lookup(id.Name).(*types.Const).Val()
			value := v.String()
			if v.Kind() == constant.Int {
				if u, ok := constant.Uint64Val(v); ok && u > 9 {
					value = fmt.Sprintf("%#x", u)
				}
			}
			says := strings.ReplaceAll(strings.TrimSpace(s.Comment.Text()), "|", `\|`)
			fmt.Fprintf(out, "| `%s` | %s | %s |\n", id.Name, value, says)
		}
	}
}

// WriteNames brings the page up to date.
func WriteNames(src, page string) error {
	text, err := Names(src, page)
	if err != nil {
		return err
	}
	return os.WriteFile(page, text, 0o644)
}
