package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
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

// pageWidth is how long a line of a page may be, in characters.
const pageWidth = 100

// tooLong returns the numbers of the lines of a page that should be wrapped. Rows of tables and
// blocks of code can't be.
func tooLong(page string) (lines []int) {
	code := false
	for i, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		wraps := !code && !strings.HasPrefix(line, "|") && strings.Contains(strings.TrimSpace(line), " ")
		if wraps && utf8.RuneCountInString(line) > pageWidth {
			lines = append(lines, i+1)
		}
	}
	return lines
}

func TestPagesAreWrapped(t *testing.T) {
	long := strings.Repeat("word ", pageWidth/4)
	assert.Equal(t, []int{2, 6}, tooLong("short\n"+long+"\n```\n"+long+"\n```\n"+long+"\n| "+long))
	pages := tracked(t, ".md")
	require.NotEmpty(t, pages)
	for _, page := range pages {
		if page == "docs/std.md" {
			continue // make std writes a line for each reason
		}
		assert.Empty(t, tooLong(string(read(t, page))), "%s: lines of more than %d characters", page, pageWidth)
	}
}
