package gobuild

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// location is where the go command runs and what it builds there.
type location struct {
	dir     string
	pkgs    []string // a package, or its files
	env     []string
	cleanup func()
}

// locate finds the package. path@version is built in a module of its own that is
// removed afterwards.
func locate(ctx context.Context, req Request) (location, error) {
	name, version, versioned := strings.Cut(req.Package, "@")
	if isLocal(req.Package) || !versioned {
		return locateLocal(req)
	}
	tmp, err := os.MkdirTemp("", "doze-module-")
	if err != nil {
		return location{}, fmt.Errorf("folder for temporary files (see TMPDIR): %w", err)
	}
	// What the user has set for modules of theirs does not hold for this one.
	at := location{dir: tmp, pkgs: []string{name}, cleanup: func() { os.RemoveAll(tmp) },
		env: []string{"GOWORK=off", "GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -mod=mod")}}
	for _, args := range [][]string{
		{"mod", "init", "doze.invalid/build"},
		{"get", name + "@" + version},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = tmp
		cmd.Env = append(append(os.Environ(), at.env...), "PWD="+tmp)
		if out, err := cmd.CombinedOutput(); err != nil {
			at.cleanup()
			return location{}, fmt.Errorf("package %s: %s", req.Package, lastLine(out, err))
		}
	}
	return at, nil
}

// locateLocal runs a package given as a folder inside that folder, so that its
// own go.mod decides, wherever doze is started.
func locateLocal(req Request) (location, error) {
	pkg := req.Package
	wd, err := os.Getwd()
	if err != nil {
		return location{}, err
	}
	at := location{dir: wd, pkgs: []string{pkg}, cleanup: func() {}}
	if !isLocal(pkg) {
		return at, nil
	}
	abs, err := filepath.Abs(pkg)
	if err != nil {
		return location{}, err
	}
	info, err := os.Stat(abs)
	switch {
	case err != nil && strings.HasSuffix(pkg, ".go"):
		return location{}, fmt.Errorf("package %s: no such file", pkg)
	case err != nil:
		return location{}, fmt.Errorf("package %s: no such folder", pkg)
	case info.IsDir():
		at.dir, at.pkgs = abs, []string{"."}
		return at, nil
	}
	at.dir, at.pkgs = filepath.Dir(abs), []string{filepath.Base(abs)}
	for _, name := range req.Files {
		abs, err := filepath.Abs(name)
		if err != nil {
			return location{}, err
		}
		if _, err := os.Stat(abs); err != nil {
			return location{}, fmt.Errorf("package %s: no such file %s", pkg, name)
		}
		if filepath.Dir(abs) != at.dir {
			return location{}, fmt.Errorf("package %s: %s is in another folder: the files of a package are in one", pkg, name)
		}
		at.pkgs = append(at.pkgs, filepath.Base(abs))
	}
	return at, nil
}

// isLocal says whether a package is named by its place in the file system.
func isLocal(pkg string) bool {
	return pkg == "." || pkg == ".." || strings.HasPrefix(pkg, "./") || strings.HasPrefix(pkg, "../") ||
		filepath.IsAbs(pkg) || strings.HasSuffix(pkg, ".go")
}

// lastLine makes one line of what the go command said before it failed.
func lastLine(out []byte, err error) string {
	lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return strings.TrimPrefix(last, "go: ")
	}
	return err.Error()
}
