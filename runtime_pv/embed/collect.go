package embed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// entry is what will be at one place in the machine.
type entry struct {
	source string // on the host; empty for a folder made because something is in it
	info   fs.FileInfo
	target string // of a symbolic link
}

func (e entry) isDir() bool { return e.info == nil || e.info.IsDir() }

// collector gathers the entries of several trees by their name in the archive,
// which is the path without the leading slash.
type collector struct {
	entries map[string]entry
	notes   []string
	size    int64
}

// ErrTooMuch says that an archive would hold more than fits into a machine.
var ErrTooMuch = errors.New("more than an image can carry")

// largest is how much an archive may hold: more fits into no machine, and the
// whole is held in memory here.
var largest int64 = 2 << 30

func (c *collector) add(t Tree) error {
	if err := t.check(); err != nil {
		return err
	}
	info, err := os.Stat(t.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && t.Optional:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("embed %s: no such file or folder", t.Dir)
	case err != nil:
		return fmt.Errorf("embed: %w", err)
	}
	return c.walk(t, "", t.Dir, info)
}

// walk takes in the file or folder source, which lies at rel below the tree.
func (c *collector) walk(t Tree, rel, source string, info fs.FileInfo) error {
	if rel != "" && t.Skip != nil && t.Skip(rel) {
		return nil
	}
	e := entry{source: source, info: info}
	if info.Mode().IsRegular() {
		if c.size += info.Size(); c.size > largest {
			return fmt.Errorf("embed %s: with %s there is %w, %d MiB: embed less", t.Dir, source, ErrTooMuch, largest>>20)
		}
	}
	switch info.Mode().Type() {
	case 0, fs.ModeDir:
	case fs.ModeSymlink:
		target, err := os.Readlink(source)
		if err != nil {
			return fmt.Errorf("embed: %w", err)
		}
		e.target = target
	default:
		c.notes = append(c.notes, fmt.Sprintf("%s was left out of the image: it is no file, folder or link (%v)", source, info.Mode().Type()))
		return nil
	}
	if err := c.put(path.Join(t.Path, rel), e); err != nil {
		return err
	}
	if !info.IsDir() {
		return nil
	}
	list, err := os.ReadDir(source)
	if err != nil {
		return fmt.Errorf("embed: %w", err)
	}
	for _, d := range list {
		below := filepath.Join(source, d.Name())
		info, err := t.stat(below)
		if err != nil {
			return fmt.Errorf("embed: %w", err)
		}
		if err := c.walk(t, path.Join(rel, d.Name()), below, info); err != nil {
			return err
		}
	}
	return nil
}

// stat looks at a file as the tree wants links: a link that leads nowhere stays
// a link.
func (t Tree) stat(name string) (fs.FileInfo, error) {
	if t.Follow {
		if info, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			return info, err
		}
	}
	return os.Lstat(name)
}

// put files e at an absolute path and makes the folders above it.
func (c *collector) put(at string, e entry) error {
	name := strings.TrimPrefix(path.Clean(at), "/")
	if name == "" {
		if !e.isDir() {
			return fmt.Errorf("embed %s: a file can't be at /: name a file of the machine", e.source)
		}
		return nil
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if above, ok := c.entries[dir]; ok && !above.isDir() {
			return fmt.Errorf("embed: /%s would be in /%s, which is %s and no folder", name, dir, above.source)
		} else if !ok {
			c.entries[dir] = entry{}
		}
	}
	there, ok := c.entries[name]
	switch {
	case !ok, there.source == "" && e.isDir():
		c.entries[name] = e
	case there.isDir() && e.isDir(), e.info != nil && there.info != nil && os.SameFile(there.info, e.info):
	default:
		return fmt.Errorf("embed: both %s and %s would be /%s", there.describe(), e.source, name)
	}
	return nil
}

func (e entry) describe() string {
	if e.source == "" {
		return "a folder of another tree"
	}
	return e.source
}
