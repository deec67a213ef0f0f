package rules

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A test that the nested tier chooses must be there: a pattern that matches nothing says
// nothing.
func TestChosenTestsExist(t *testing.T) {
	var tests strings.Builder
	for _, name := range tracked(t, "_test.go") {
		if under(name, "tests") {
			tests.Write(read(t, name))
		}
	}
	for _, name := range strings.Fields(string(read(t, "ci/nested/chosen"))) {
		if strings.HasPrefix(name, "Test") {
			assert.Contains(t, tests.String(), "func "+name+"(", "ci/nested/chosen")
		}
	}
}
