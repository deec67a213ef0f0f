package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file or folder that a page or a comment names: a path from the root, or a file of the
// kernel.
var (
	namedPath   = regexp.MustCompile(`\b(?:apps|ci|cmd|drivers|hostvmm|kernel|pv|runtime_pv|tests)/[\w./-]*[a-zA-Z0-9]`)
	namedKernel = regexp.MustCompile(`\bdoze_\w+\.go\b`)
	backquoted  = regexp.MustCompile("`[^`\n]+`")
	commented   = regexp.MustCompile(`(?m)//.*$`)
)

// pathsOf returns the paths that a text names. A part of a longer path is none: an import path,
// an address, a file below bin.
func pathsOf(text string) (paths []string) {
	for _, at := range namedPath.FindAllStringIndex(text, -1) {
		if before := text[:at[0]]; before == "" || strings.ContainsAny(before[len(before)-1:], " `(\"'\t") || strings.HasSuffix(before, " ./") {
			paths = append(paths, text[at[0]:at[1]])
		}
	}
	for _, name := range namedKernel.FindAllString(text, -1) {
		paths = append(paths, kernelFiles+strings.TrimPrefix(name, "doze_"))
	}
	return paths
}

// there reports whether the repository has a path. `kernel/fs.Peek` names something in
// a package, `hostvmm/probe` may be a file without its ending.
func there(path string) bool {
	if _, err := os.Stat(filepath.Join(root, path)); err == nil {
		return true
	}
	dir, name := filepath.Split(path)
	if pkg, _, ok := strings.Cut(name, "."); ok && pkg != "" && !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".md") {
		return there(dir + pkg)
	}
	return false
}

func TestPathsOf(t *testing.T) {
	assert.Equal(t, []string{"kernel/fs", "hostvmm/probe.go"}, pathsOf("`kernel/fs`, (hostvmm/probe.go), x.org/kernel/mem"))
	assert.Equal(t, []string{kernelFiles + "fd.go"}, pathsOf("`doze_fd.go`"))
	assert.True(t, there("kernel/fs"))
	assert.True(t, there("kernel/fs.Peek"))
	assert.False(t, there("kernel/nothing"))
	assert.False(t, there("kernel/fs/nothing.go"))
}

// What pages and comments name is there.
func TestNamedFilesExist(t *testing.T) {
	found := 0
	for _, name := range tracked(t, ".md", ".go", ".s") {
		if name == "CHANGELOG.md" || name == "ci/rules/paths_test.go" { // what was, and what is not
			continue
		}
		parts := backquoted
		if !strings.HasSuffix(name, ".md") {
			parts = commented
		}
		for _, part := range parts.FindAllString(string(read(t, name)), -1) {
			for _, path := range pathsOf(part) {
				found++
				assert.True(t, there(path), "%s names %s", name, path)
			}
		}
	}
	require.Greater(t, found, 100)
}

var (
	namedTest   = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+\b`)
	namedTarget = regexp.MustCompile(`\bmake ([a-z][a-z-]+)\b`)
)

// What pages tell the reader to run is there: tests by name, and targets of make.
func TestNamedTestsAndTargetsExist(t *testing.T) {
	var tests strings.Builder
	for _, name := range tracked(t, "_test.go") {
		tests.Write(read(t, name))
	}
	targets := string(read(t, "Makefile"))
	found := 0
	for _, page := range tracked(t, ".md") {
		if page == "CHANGELOG.md" || page == "docs/std.md" { // what was, and others' tests
			continue
		}
		for _, part := range backquoted.FindAllString(string(read(t, page)), -1) {
			for _, name := range namedTest.FindAllString(part, -1) {
				found++
				assert.Contains(t, tests.String(), "func "+name, "%s names %s", page, name)
			}
			for _, m := range namedTarget.FindAllStringSubmatch(part, -1) {
				found++
				assert.Contains(t, targets, "\n"+m[1]+":", "%s says make %s", page, m[1])
			}
		}
	}
	require.Greater(t, found, 20)
}
