package gobuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/doze-vm/doze/kernel/boot"
	"github.com/doze-vm/doze/runtime_pv/image"
	"github.com/doze-vm/doze/runtime_pv/port"
)

// staleAfter is how long programs and images in the cache are kept unused.
const staleAfter = 7 * 24 * time.Hour

// BuildCached makes the image in the cache folder and returns its path. The
// program is kept at a place of its own for each package and set of flags, where
// the go command finds it up to date; images are named by their content.
func (b *Builder) BuildCached(ctx context.Context, req Request) (string, error) {
	programs, images := filepath.Join(b.Port.Cache, "programs"), filepath.Join(b.Port.Cache, "images")
	for _, dir := range []string{programs, images} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("cache folder: %w", err)
		}
	}
	tree, err := archive(req)
	if err != nil {
		return "", err
	}
	place := filepath.Join(programs, requestKey(req))
	unlock, err := port.Lock(ctx, place+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	program, err := b.program(ctx, req, place)
	if err != nil {
		return "", err
	}
	prune(programs)
	prune(images)
	path := filepath.Join(images, contentKey(program, tree)+".doze")
	if now := time.Now(); os.Chtimes(path, now, now) == nil {
		return path, nil
	}
	data, err := image.Convert(program, boot.Blob, tree)
	if err != nil {
		return "", fmt.Errorf("%s: %w", req.Package, err)
	}
	return path, image.WriteFile(path, data)
}

// requestKey names what was asked for.
func requestKey(req Request) string {
	name := req.Package
	if isLocal(name) {
		if abs, err := filepath.Abs(name); err == nil {
			name = abs
		}
	} else if wd, err := os.Getwd(); err == nil && !strings.Contains(name, "@") {
		name = wd + "\x00" + name // an import path means what the module here says
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Concat([]string{name}, req.Flags, req.Files), "\x00")))
	return hex.EncodeToString(sum[:12])
}

// contentKey names all that an image depends on.
func contentKey(program, tree []byte) string {
	h := sha256.New()
	h.Write([]byte(image.Format))
	h.Write(boot.Blob)
	fmt.Fprintf(h, "%d %d\x00", len(program), len(tree)) // or one could grow at the other's cost
	h.Write(program)
	h.Write(tree)
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// prune removes files that have not been used for long; what can't be removed
// stays. Locks stay too: they are empty, and removing one that is held would let
// two builds meet.
func prune(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err != nil || filepath.Ext(e.Name()) == ".lock" {
			continue
		}
		if time.Since(info.ModTime()) > staleAfter {
			removeUnused(filepath.Join(dir, e.Name()))
		}
	}
}

// removeUnused removes a file unless somebody has a lock on it: a machine that runs the
// image has one.
func removeUnused(name string) {
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		_ = os.Remove(name)
	}
}
