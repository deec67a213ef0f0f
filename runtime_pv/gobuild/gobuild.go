// Package gobuild builds images: it finds the toolchain of a package, derives
// the GOROOT, runs the user's go command and converts what comes out.
//
// It must never change the user's module or GOROOT, and leaves no file behind
// but the image.
package gobuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/doze-vm/doze/kernel/boot"
	"github.com/doze-vm/doze/runtime_pv/image"
	"github.com/doze-vm/doze/runtime_pv/port"
)

// Request is one image to build.
type Request struct {
	Package string    // path, import path, or module path@version
	Output  string    // file, folder, or empty for the default name
	Flags   []string  // flags for go build
	Log     io.Writer // what the go command prints
}

// Builder builds images with the GOROOTs of a Port.
type Builder struct {
	Port *port.Port
}

// Build makes the image and returns its path.
func (b *Builder) Build(ctx context.Context, req Request) (string, error) {
	if err := CheckFlags(req.Flags); err != nil {
		return "", err
	}
	dir, pkg, cleanup, err := b.place(ctx, req)
	if err != nil {
		return "", err
	}
	defer cleanup()
	tc, err := port.Find(ctx, dir)
	if err != nil {
		return "", err
	}
	root, err := b.Port.Derive(tc)
	if err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp("", "doze-build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	program := filepath.Join(tmp, "program")
	if err := compile(ctx, req, tc, root, dir, pkg, program); err != nil {
		return "", err
	}
	data, err := os.ReadFile(program)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s is not a main package: name one with func main", req.Package)
	} else if err != nil {
		return "", err
	}
	data, err = image.Convert(data, boot.Blob)
	if err != nil {
		return "", fmt.Errorf("%s: %w", req.Package, err)
	}
	out := outputPath(req)
	return out, image.WriteFile(out, data)
}

func compile(ctx context.Context, req Request, tc port.Toolchain, root, dir, pkg, out string) error {
	args := append([]string{"build", "-o", out}, req.Flags...)
	cmd := tc.Command(ctx, root, dir, append(args, "--", pkg)...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = req.Log, io.MultiWriter(&stderr, req.Log)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s failed: see the go command's messages above", req.Package)
	}
	return nil
}

var majorSuffix = regexp.MustCompile(`^v[0-9]+$`)

// DefaultName returns the image's name for a package: its last element, without
// a version, as go build names programs.
func DefaultName(pkg string) string {
	pkg, _, _ = strings.Cut(filepath.ToSlash(pkg), "@")
	if strings.HasPrefix(pkg, ".") || filepath.IsAbs(pkg) {
		if abs, err := filepath.Abs(pkg); err == nil {
			pkg = filepath.ToSlash(abs)
		}
	}
	name := path.Base(strings.TrimSuffix(pkg, ".go"))
	if dir := path.Dir(pkg); majorSuffix.MatchString(name) && dir != "." && dir != "/" {
		name = path.Base(dir)
	}
	return name
}

func outputPath(req Request) string {
	name := DefaultName(req.Package) + ".doze"
	if req.Output == "" {
		return name
	}
	if info, err := os.Stat(req.Output); err == nil && info.IsDir() {
		return filepath.Join(req.Output, name)
	}
	return req.Output
}
