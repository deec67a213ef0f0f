package rules

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

// tracked returns the tracked files whose name ends in one of the suffixes (all
// files if there is none), by path from the root.
func tracked(t *testing.T, suffixes ...string) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	require.NoError(t, err, "git ls-files: the rules need a git checkout")
	var files []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil {
			continue // deleted, and not committed yet
		}
		if len(suffixes) == 0 {
			files = append(files, name)
		}
		for _, s := range suffixes {
			if strings.HasSuffix(name, s) {
				files = append(files, name)
			}
		}
	}
	require.NotEmpty(t, files)
	return files
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return text
}

// under reports whether name lies in one of the folders.
func under(name string, folders ...string) bool {
	for _, f := range folders {
		if name == f || strings.HasPrefix(name, f+"/") {
			return true
		}
	}
	return false
}

// The files that replace parts of the standard library count too: go vet and
// the go command never look into _std.
func TestGoFilesAreFormatted(t *testing.T) {
	for _, name := range tracked(t, ".go") {
		text := read(t, name)
		formatted, err := format.Source(text)
		if assert.NoError(t, err, name) {
			assert.True(t, bytes.Equal(text, formatted), "%s: run gofmt -w on it", name)
		}
	}
}

func TestOnlyTheBootBlobIsBinary(t *testing.T) {
	for _, name := range tracked(t) {
		if name == "kernel/boot/blob.bin" {
			continue
		}
		text := read(t, name)
		assert.False(t, bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text), "%s is binary: commit what it is made from", name)
	}
}

// Words that mean something unfinished, and paths that exist on one machine
// only. They are put together here so that this file passes its own test.
var forbidden = []struct {
	what string
	re   *regexp.Regexp
}{
	{"unfinished work: finish it or open an issue", regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)},
	{"a path of one machine", regexp.MustCompile(`(^|[\s"'=(:` + "`" + `])/(wor` + `k|roo` + `t|far` + `m|hom` + `e)/`)},
}

func TestNothingUnfinishedOrLocal(t *testing.T) {
	for _, name := range tracked(t) {
		if name == "kernel/boot/blob.bin" || strings.HasSuffix(name, ".sum") {
			continue
		}
		for i, line := range strings.Split(string(read(t, name)), "\n") {
			for _, f := range forbidden {
				assert.False(t, f.re.MatchString(line), "%s:%d: %s: %s", name, i+1, f.what, line)
			}
		}
	}
}

// A file longer than this holds more than one idea.
const longestFile = 600

func TestFilesAreShort(t *testing.T) {
	for _, name := range tracked(t, ".go", ".s") {
		n := bytes.Count(read(t, name), []byte("\n"))
		assert.LessOrEqual(t, n, longestFile, "%s: split it", name)
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)

// links returns the files of the repository that page links to.
func links(t *testing.T, page string) []string {
	var files []string
	for _, m := range link.FindAllStringSubmatch(string(read(t, page)), -1) {
		if !strings.Contains(m[1], "://") {
			files = append(files, path.Join(path.Dir(page), m[1]))
		}
	}
	return files
}

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range tracked(t, ".md") {
		for _, target := range links(t, page) {
			_, err := os.Stat(filepath.Join(root, target))
			assert.NoError(t, err, "%s links to it", page)
		}
	}
}

// A page nobody links to is a page nobody keeps true.
func TestEveryPageIsLinked(t *testing.T) {
	linked := map[string]bool{}
	for _, page := range []string{"README.md", "docs/architecture.md"} {
		for _, target := range links(t, page) {
			linked[target] = true
		}
	}
	for _, page := range tracked(t, ".md") {
		if under(page, "docs") {
			assert.True(t, linked[page], "%s: link it from README.md or docs/architecture.md", page)
		}
	}
}
