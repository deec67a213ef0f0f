// Package gobuild builds images: it finds the toolchain of a package, derives
// the GOROOT, runs the user's go command and converts what comes out.
//
// It must never change the user's module or GOROOT, and leaves no file behind
// but the image and what its own cache folder holds.
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
	"slices"
	"strings"

	"github.com/doze-vm/doze/kernel/boot"
	"github.com/doze-vm/doze/runtime_pv/embed"
	"github.com/doze-vm/doze/runtime_pv/image"
	"github.com/doze-vm/doze/runtime_pv/port"
)

// Request is one image to build.
type Request struct {
	Package string    // path, import path, or module path@version; a .go file
	Files   []string  // if Package is a .go file, further ones of the same package
	Output  string    // file, folder, or empty for the default name
	Flags   []string  // flags for go build
	Log     io.Writer // what the go command prints

	Embed []embed.Tree // what the image carries as its file system
}

// Builder builds images with the GOROOTs of a Port.
type Builder struct {
	Port *port.Port
}

// Build makes the image and returns its path.
func (b *Builder) Build(ctx context.Context, req Request) (string, error) {
	out := outputPath(req)
	if info, err := os.Stat(filepath.Dir(out)); err != nil || !info.IsDir() {
		return "", fmt.Errorf("write image %s: no such folder %s", out, filepath.Dir(out))
	}
	tree, err := archive(req)
	if err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp("", "doze-build-")
	if err != nil {
		return "", fmt.Errorf("folder for temporary files (see TMPDIR): %w", err)
	}
	defer os.RemoveAll(tmp)
	program, err := b.program(ctx, req, filepath.Join(tmp, "program"))
	if err != nil {
		return "", err
	}
	data, err := image.Convert(program, boot.Blob, tree)
	if err != nil {
		return "", fmt.Errorf("%s: %w", req.Package, err)
	}
	return out, image.WriteFile(out, data)
}

// archive makes the archive of what is to be embedded and says what was left
// out.
func archive(req Request) ([]byte, error) {
	data, notes, err := embed.Archive(req.Embed)
	if req.Log != nil {
		for _, n := range notes {
			fmt.Fprintln(req.Log, n)
		}
	}
	return data, err
}

// program builds the package with the derived GOROOT into the file out and
// returns its bytes.
func (b *Builder) program(ctx context.Context, req Request, out string) ([]byte, error) {
	if err := CheckFlags(req.Flags); err != nil {
		return nil, err
	}
	if info, err := os.Stat(os.TempDir()); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("no folder %s for temporary files: set TMPDIR to one that is there", os.TempDir())
	}
	at, err := locate(ctx, req)
	if err != nil {
		return nil, err
	}
	defer at.cleanup()
	tc, err := port.Find(ctx, at.dir, at.env...)
	if err != nil {
		return nil, fmt.Errorf("package %s: %w", req.Package, err)
	}
	root, err := b.Port.Derive(ctx, tc)
	if err != nil {
		return nil, err
	}
	run := func(env []string, args ...string) ([]byte, error) {
		cmd := tc.Command(ctx, root, at.dir, args...)
		cmd.Env = append(append(cmd.Env, at.env...), env...)
		var said bytes.Buffer
		cmd.Stderr = &said
		if args[0] == "build" {
			cmd.Stderr = req.Log
		}
		stdout, err := cmd.Output()
		if err != nil {
			return stdout, errors.New(lastLine(said.Bytes(), err))
		}
		return stdout, nil
	}
	if err := checkMain(run, req, at.pkgs); err != nil {
		return nil, err
	}
	args := append([]string{"build", "-o", out}, req.Flags...)
	if _, err := run(nil, slices.Concat(args, []string{"--"}, at.pkgs)...); err != nil {
		return nil, explain(run, req, at.pkgs)
	}
	return os.ReadFile(out)
}

var majorSuffix = regexp.MustCompile(`^v[0-9]+$`)

// DefaultName returns the image's name for a package: its last element, without
// a version, as go build names programs.
func DefaultName(pkg string) string {
	pkg, _, _ = strings.Cut(filepath.ToSlash(pkg), "@")
	if isLocal(pkg) {
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
