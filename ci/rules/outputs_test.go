package rules

import (
	"go/ast"
	"go/parser"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What a user names as output may be a device, a FIFO or a link: runtime_pv/outfile
// knows what to do with each. The commands and the VMM write no files otherwise.
func TestOutputsAreWrittenByOnePackage(t *testing.T) {
	makers := []string{"Create", "CreateTemp", "WriteFile", "Rename"}
	_, files := parsed(t, parser.SkipObjectResolution)
	for name, f := range files {
		if !under(name, "cmd", "hostvmm", "runtime_pv/image") || strings.HasSuffix(name, "_test.go") ||
			// Files of tests, sockets, and a file that nobody named.
			under(name, "hostvmm/guesttest", "hostvmm/registry", "hostvmm/qemu/probe.go") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(makers, s.Sel.Name) {
				if p, ok := s.X.(*ast.Ident); ok {
					assert.False(t, p.Name == "os", "%s: os.%s: use runtime_pv/outfile", name, s.Sel.Name)
				}
			}
			return true
		})
	}
}
