package port

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

const (
	stdDir     = "runtime_pv/goroot/_std"
	modulePath = "github.com/doze-vm/doze/"
	// guestRoot is where guest packages live in the derived tree. Packages below
	// internal/runtime are exempt from asynchronous preemption and may be
	// imported by package runtime.
	guestRoot = "internal/runtime/doze/"
)

// guestFiles returns the files to write into the derived tree, by path relative
// to GOROOT/src: those of _std and the guest packages they import.
func (p *Port) guestFiles() (map[string][]byte, error) {
	out := map[string][]byte{}
	var queue []string
	err := fs.WalkDir(p.Sources, stdDir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isGuestSource(name) {
			return err
		}
		data, imports, err := p.load(name)
		queue = append(queue, imports...)
		out[strings.TrimPrefix(name, stdDir+"/")] = data
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sources of the guest: %w", err)
	}
	return out, p.addPackages(out, queue)
}

// addPackages adds the packages of the queue, given by module path, and what
// they import.
func (p *Port) addPackages(out map[string][]byte, queue []string) error {
	done := map[string]bool{}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		if done[dir] {
			continue
		}
		done[dir] = true
		entries, err := fs.ReadDir(p.Sources, dir)
		if err != nil {
			return fmt.Errorf("guest package %s: %w", dir, err)
		}
		for _, e := range entries {
			if e.IsDir() || !isGuestSource(e.Name()) {
				continue
			}
			data, imports, err := p.load(path.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			out[importPath(dir)+"/"+e.Name()] = data
			queue = append(queue, imports...)
		}
	}
	return nil
}

// importPath returns the path by which the derived tree imports the guest
// package in the module's folder dir: kernel/mem becomes
// internal/runtime/doze/mem.
func importPath(dir string) string {
	_, rest, _ := strings.Cut(dir, "/")
	return guestRoot + rest
}

func isGuestSource(name string) bool {
	switch path.Ext(name) {
	case ".go":
		return !strings.HasSuffix(name, "_test.go")
	case ".s", ".h":
		return true
	}
	return false
}

// load reads a file, rewrites its imports of guest packages and lists those
// packages by their path in the module.
func (p *Port) load(name string) (data []byte, imports []string, err error) {
	data, err = fs.ReadFile(p.Sources, name)
	if err != nil || path.Ext(name) != ".go" {
		return data, nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, data, parser.ImportsOnly)
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	last := 0
	for _, spec := range file.Imports {
		dir, err := p.guestDir(spec.Path.Value)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		if dir == "" {
			continue
		}
		imports = append(imports, dir)
		out.Write(data[last:fset.Position(spec.Path.Pos()).Offset])
		out.WriteString(strconv.Quote(importPath(dir)))
		last = fset.Position(spec.Path.End()).Offset
	}
	out.Write(data[last:])
	return out.Bytes(), imports, nil
}

// guestDir returns the folder of the guest package that an import means, or
// nothing if it means another package.
func (p *Port) guestDir(quoted string) (string, error) {
	imp, err := strconv.Unquote(quoted)
	if err != nil {
		return "", err
	}
	if dir, ok := strings.CutPrefix(imp, modulePath); ok {
		return dir, nil
	}
	name, ok := strings.CutPrefix(imp, guestRoot)
	if !ok {
		return "", nil
	}
	for _, dir := range []string{"kernel/", "drivers/", "drivers/virtio/"} {
		if info, err := fs.Stat(p.Sources, dir+name); err == nil && info.IsDir() {
			return dir + name, nil
		}
	}
	return "", fmt.Errorf("no guest package %s", imp)
}
