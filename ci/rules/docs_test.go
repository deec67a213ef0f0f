package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var program = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")

// The programs in the documentation build.
func TestProgramsInPagesBuild(t *testing.T) {
	found := 0
	for _, page := range tracked(t, ".md") {
		for _, m := range program.FindAllSubmatch(read(t, page), -1) {
			found++
			file := filepath.Join(t.TempDir(), "main.go")
			require.NoError(t, os.WriteFile(file, m[1], 0o600))
			vet := exec.Command("go", "vet", file)
			vet.Dir = root
			out, err := vet.CombinedOutput()
			require.NoError(t, err, "%s: %s", page, out)
		}
	}
	require.NotZero(t, found)
}
