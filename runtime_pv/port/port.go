// Package port makes the derived GOROOT: the user's Go tree by links, in which
// the few files of the runtime that enter the operating system enter the Doze
// kernel instead. Images are built with the user's own compiler and linker from
// that tree (docs/porting-go.md lists every file touched).
//
// Everything is computed from the user's GOROOT and from sources that the doze
// command carries. The package must never write to the user's GOROOT, module or
// go.mod, and must refuse a Go version whose runtime it has not been checked
// against.
package port

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// treeFormat changes whenever the rules of this package change, so that trees
// made by an older doze are not used.
const treeFormat = "1"

// markFile is written last into a derived tree; its presence means the tree is
// complete.
const markFile = "DOZE"

// staleAfter is how long a derived tree that nobody used is kept.
const staleAfter = 14 * 24 * time.Hour

// Port derives GOROOTs from the sources of a Doze module.
type Port struct {
	// Sources is the module's guest side, by path in the module.
	Sources fs.FS
	// Cache is the folder that holds the derived trees.
	Cache string
}

// New returns a Port that keeps its trees in the user's cache folder.
func New(sources fs.FS) (*Port, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("no cache folder: %w: set HOME or XDG_CACHE_HOME", err)
	}
	return &Port{Sources: sources, Cache: filepath.Join(dir, "doze")}, nil
}

// Derive returns the path of the derived GOROOT for tc and makes it if needed.
func (p *Port) Derive(ctx context.Context, tc Toolchain) (string, error) {
	rules, err := rulesFor(tc.Version)
	if err != nil {
		return "", err
	}
	guest, err := p.guestFiles()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(p.Cache, 0o755); err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	root := filepath.Join(p.Cache, "goroot-"+tc.Version+"-"+treeKey(tc, guest))
	unlock, err := Lock(ctx, filepath.Join(p.Cache, "goroot.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if complete(root) {
		return root, touch(filepath.Join(root, markFile))
	}
	if err := p.make(root, tc, rules, guest); err != nil {
		return "", err
	}
	p.prune(root)
	return root, nil
}

// make builds the tree beside its place and renames it there.
func (p *Port) make(root string, tc Toolchain, rules rules, guest map[string][]byte) error {
	tmp, err := os.MkdirTemp(p.Cache, "tmp-goroot-")
	if err != nil {
		return fmt.Errorf("cache folder: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := linkTree(tc.GOROOT, tmp); err != nil {
		return fmt.Errorf("derive GOROOT from %s: %w", tc.GOROOT, err)
	}
	src := filepath.Join(tmp, "src")
	if err := rules.apply(src); err != nil {
		return fmt.Errorf("derive GOROOT from %s: %w", tc.GOROOT, err)
	}
	for name, data := range guest {
		if err := replaceFile(filepath.Join(src, filepath.FromSlash(name)), data); err != nil {
			return err
		}
	}
	mark := []byte(tc.Version + " " + tc.GOROOT + "\n")
	if err := os.WriteFile(filepath.Join(tmp, markFile), mark, 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	return os.Rename(tmp, root)
}

// treeKey names all that a derived tree depends on.
func treeKey(tc Toolchain, guest map[string][]byte) string {
	h := sha256.New()
	io.WriteString(h, treeFormat+"\x00"+tc.Version+"\x00"+tc.GOROOT+"\x00")
	fmt.Fprintf(h, "%v\x00", seam) // fmt prints maps in the order of their keys
	names := make([]string, 0, len(guest))
	for name := range guest {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(h, "%s\x00%d\x00", name, len(guest[name]))
		h.Write(guest[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func complete(root string) bool {
	_, err := os.Stat(filepath.Join(root, markFile))
	return err == nil
}

func touch(path string) error {
	now := time.Now()
	return os.Chtimes(path, now, now)
}

// prune removes trees that have not been used for long, and what a killed doze
// left (the lock is held, so no other is at work). It is a courtesy: what can't
// be removed stays.
func (p *Port) prune(keep string) {
	left, _ := filepath.Glob(filepath.Join(p.Cache, "tmp-goroot-*"))
	trees, _ := filepath.Glob(filepath.Join(p.Cache, "goroot-*"))
	for _, root := range trees {
		info, err := os.Stat(filepath.Join(root, markFile))
		if root != keep && err == nil && time.Since(info.ModTime()) > staleAfter {
			left = append(left, root)
		}
	}
	for _, dir := range left {
		_ = os.RemoveAll(dir)
	}
}
