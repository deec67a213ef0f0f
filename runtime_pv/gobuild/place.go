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

// place returns the folder to run the go command in and what to build there.
// path@version is built in a module of its own that is removed afterwards.
func (b *Builder) place(ctx context.Context, req Request) (dir, pkg string, cleanup func(), err error) {
	name, version, versioned := strings.Cut(req.Package, "@")
	if !versioned || isLocal(req.Package) {
		dir, pkg, err := localPlace(req.Package)
		return dir, pkg, func() {}, err
	}
	tmp, err := os.MkdirTemp("", "doze-module-")
	if err != nil {
		return "", "", nil, err
	}
	cleanup = func() { os.RemoveAll(tmp) }
	for _, args := range [][]string{
		{"mod", "init", "doze.invalid/build"},
		{"get", name + "@" + version},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = tmp
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "PWD="+tmp)
		if out, err := cmd.CombinedOutput(); err != nil {
			cleanup()
			return "", "", nil, fmt.Errorf("package %s: %s", req.Package, lastLine(out, err))
		}
	}
	return tmp, name, cleanup, nil
}

// localPlace runs a package given as a folder inside that folder, so that its
// own go.mod decides, wherever doze is started.
func localPlace(pkg string) (dir, name string, err error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", "", err
	}
	if !isLocal(pkg) {
		return wd, pkg, nil
	}
	abs, err := filepath.Abs(pkg)
	if err != nil {
		return "", "", err
	}
	info, err := os.Stat(abs)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("package %s: no such folder", pkg)
	case info.IsDir():
		return abs, ".", nil
	}
	return filepath.Dir(abs), filepath.Base(abs), nil
}

// isLocal says whether a package is named by its place in the file system.
func isLocal(pkg string) bool {
	return pkg == "." || pkg == ".." || strings.HasPrefix(pkg, "./") || strings.HasPrefix(pkg, "../") || filepath.IsAbs(pkg)
}

func lastLine(out []byte, err error) string {
	lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return strings.TrimPrefix(last, "go: ")
	}
	return err.Error()
}
