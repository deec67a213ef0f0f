package gotest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/doze-vm/doze/runtime_pv/embed"
)

// Place is where a test runs.
type Place struct {
	Dir    string // the package's folder
	GOROOT string // the derived one, by which packages of the standard library are known
	Plain  string // the one it was derived from
	// Exclude are patterns (path.Match) of what the machine does not get of the
	// package's folder, by name or by path below it.
	Exclude []string
}

// Trees are the files that a test may read, each where it is natively: the
// package's folder, folders testdata beside it and above it up to the module's
// root, and the time zones. Packages of the standard library that look at more of
// the Go tree are in a table.
func (p Place) Trees() []embed.Tree {
	trees := []embed.Tree{
		{Dir: filepath.Join(p.Plain, "lib", "time"), Path: filepath.Join(p.GOROOT, "lib", "time"), Follow: true, Optional: true},
	}
	if pkg, ok := p.Standard(); ok {
		return append(trees, p.standard(pkg)...)
	}
	trees = append(trees, embed.Tree{Dir: p.Dir, Path: p.Dir, Skip: p.skip})
	root := moduleRoot(p.Dir)
	for dir := p.Dir; dir != root && dir != filepath.Dir(dir); {
		dir = filepath.Dir(dir)
		trees = append(trees, testdata(dir))
	}
	return append(trees, optional(filepath.Join(root, "go.mod")))
}

// Standard returns the import path if the package is of the standard library.
func (p Place) Standard() (string, bool) {
	rel, err := filepath.Rel(filepath.Join(p.GOROOT, "src"), p.Dir)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// standard are the trees for a package of the standard library. Its sources are
// links in the derived tree: they are followed.
func (p Place) standard(pkg string) []embed.Tree {
	src := filepath.Join(p.GOROOT, "src")
	if more, ok := needsMore[pkg]; ok && more.contains("src") {
		return p.more(more)
	}
	trees := []embed.Tree{
		{Dir: p.Dir, Path: p.Dir, Follow: true},
		optional(filepath.Join(src, "go.mod")),
		optional(filepath.Join(p.GOROOT, "VERSION")),
	}
	for dir := p.Dir; dir != src; {
		dir = filepath.Dir(dir)
		trees = append(trees, testdata(dir))
	}
	return append(trees, p.more(needsMore[pkg])...)
}

// more are trees by their place in GOROOT. What the derived GOROOT has none of
// is taken from the plain one.
func (p Place) more(m more) []embed.Tree {
	var trees []embed.Tree
	for _, rel := range m.paths {
		from := filepath.Join(p.GOROOT, rel)
		if _, err := os.Stat(from); err != nil {
			from = filepath.Join(p.Plain, rel)
		}
		t := embed.Tree{Dir: from, Path: filepath.Join(p.GOROOT, rel), Follow: true, Optional: true}
		if rel == "src" {
			t.Skip = func(rel string) bool { return rel == "cmd" }
		}
		trees = append(trees, t)
	}
	for _, name := range m.host {
		t := optional(name)
		t.Skip = func(string) bool { return true }
		trees = append(trees, t)
	}
	return trees
}

func optional(file string) embed.Tree {
	return embed.Tree{Dir: file, Path: file, Follow: true, Optional: true}
}

func testdata(dir string) embed.Tree { return optional(filepath.Join(dir, "testdata")) }

// skip leaves out what belongs to the version control, and other modules.
func (p Place) skip(rel string) bool {
	switch filepath.Base(rel) {
	case ".git", ".hg", ".svn", ".bzr", ".jj":
		return true
	}
	if p.excluded(rel) {
		return true
	}
	_, err := os.Stat(filepath.Join(p.Dir, rel, "go.mod"))
	return err == nil && !strings.Contains("/"+rel+"/", "/testdata/")
}

// excluded says whether one of the patterns is of this file or folder.
func (p Place) excluded(rel string) bool {
	for _, pattern := range p.Exclude {
		for _, name := range []string{rel, path.Base(rel)} {
			if ok, _ := path.Match(strings.TrimSuffix(pattern, "/"), name); ok {
				return true
			}
		}
	}
	return false
}

// CheckExclude says what is wrong with a pattern of Place.Exclude.
func CheckExclude(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return fmt.Errorf("--exclude %q: write a name or a path below the package's folder, with *, ? and [...] as in a shell", pattern)
	}
	return nil
}

// moduleRoot is the folder with the go.mod that dir belongs to, dir itself if
// there is none.
func moduleRoot(dir string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}
