package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math/bits"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// defined is a constant with a number of its own.
type defined struct{ name, file string }

// numbers are the constants of the repository's code that are written in hexadecimal, by
// value. Small and round ones are left out: they are the same by chance.
func numbers(t *testing.T) map[uint64][]defined {
	t.Helper()
	const least, digits = 0x10000, 2
	all := map[uint64][]defined{}
	for _, name := range tracked(t, ".go") {
		if strings.HasSuffix(name, "_test.go") || under(name, "apps", "ci", "tests") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), 0)
		if err != nil {
			continue // a program of the tests that is meant not to build
		}
		for _, d := range file.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, s := range gen.Specs {
				for i, v := range s.(*ast.ValueSpec).Values {
					lit, ok := v.(*ast.BasicLit)
					if !ok || lit.Kind != token.INT || !strings.HasPrefix(lit.Value, "0x") {
						continue
					}
					n, err := strconv.ParseUint(strings.ReplaceAll(lit.Value, "_", ""), 0, 64)
					if err == nil && n >= least && bits.OnesCount64(n) >= digits {
						all[n] = append(all[n], defined{s.(*ast.ValueSpec).Names[i].Name, name})
					}
				}
			}
		}
	}
	return all
}

// A number that a guest and its VMM share has one definition (kernel/abi, kernel/linux,
// drivers/virtio/spec).
func TestNumbersOfABIsAreDefinedOnce(t *testing.T) {
	guest := []string{"kernel", "drivers", "runtime_pv/goroot"}
	all := numbers(t)
	assert.NotEmpty(t, all)
	for n, places := range all {
		inGuest, inHost := false, false
		for _, p := range places {
			if under(p.file, guest...) {
				inGuest = true
			} else {
				inHost = true
			}
		}
		assert.False(t, inGuest && inHost, "%#x has several definitions: %v", n, places)
	}
}
