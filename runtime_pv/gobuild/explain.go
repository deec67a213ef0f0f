package gobuild

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// goCommand runs the go command of the derived GOROOT with variables added to
// its environment.
type goCommand func(env []string, args ...string) ([]byte, error)

// listed is what is used of go list's answer.
type listed struct {
	Name       string
	ImportPath string
	CgoFiles   []string
	Standard   bool
}

// checkMain says in one line what go build would say in several or not at all:
// it compiles a package that is not main, too.
func checkMain(run goCommand, req Request, pkgs []string) error {
	args := append([]string{"list", "-find", "-json=Name,ImportPath,CgoFiles"}, listFlags(req.Flags)...)
	out, err := run(nil, slices.Concat(args, []string{"--"}, pkgs)...)
	if err != nil {
		if cgo := findCgo(run, req, pkgs); cgo != nil {
			return cgo
		}
		return fmt.Errorf("package %s: %w", req.Package, err)
	}
	found := decode(out)
	switch {
	case len(found) != 1:
		return fmt.Errorf("%s matches %d packages: name one main package", req.Package, len(found))
	case found[0].Name != "main":
		return fmt.Errorf("%s is package %s, not a main package: name one with func main", req.Package, found[0].Name)
	}
	return nil
}

// explain returns why a build failed: the go command has printed its messages,
// which do not say that a package needs cgo.
func explain(run goCommand, req Request, pkgs []string) error {
	if err := findCgo(run, req, pkgs); err != nil {
		return err
	}
	return fmt.Errorf("go build %s failed: its messages are above", req.Package)
}

// findCgo looks for packages outside the standard library that have files for
// cgo, which are left out of an image.
func findCgo(run goCommand, req Request, pkgs []string) error {
	args := append([]string{"list", "-e", "-deps", "-json=ImportPath,CgoFiles,Standard,Name"}, listFlags(req.Flags)...)
	out, _ := run([]string{"CGO_ENABLED=1"}, slices.Concat(args, []string{"--"}, pkgs)...)
	for _, p := range decode(out) {
		if len(p.CgoFiles) > 0 && !p.Standard {
			return fmt.Errorf("%s needs cgo (%s of package %s), and images are pure Go: use a package without it", req.Package, p.CgoFiles[0], p.ImportPath)
		}
	}
	return nil
}

// listFlags keeps the flags that decide which files and modules are used.
func listFlags(flags []string) []string {
	var out []string
	for _, f := range flags {
		switch name, _, _ := strings.Cut(strings.TrimLeft(f, "-"), "="); name {
		case "tags", "mod", "modfile", "overlay":
			out = append(out, f)
		}
	}
	return out
}

func decode(out []byte) []listed {
	var found []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) || err != nil {
			return found
		}
		found = append(found, p)
	}
}
