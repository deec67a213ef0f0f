// Package embed makes the tree of files that an image carries: a cpio archive in
// the "newc" form (Linux Documentation/driver-api/early-userspace/buffer-format.rst),
// which the guest's kernel reads where it lies in memory.
//
// The same trees give the same bytes: entries are sorted and nothing of the host
// but names, permissions, modification times and contents goes in. The package
// must never write to the folders it reads, and never leave out a file without
// saying so.
package embed

import (
	"fmt"
	"path"
	"strings"
)

// Tree is a folder or a file of the host and its place in the machine.
type Tree struct {
	Dir  string // on the host
	Path string // in the machine, absolute

	// Follow takes what a symbolic link leads to in place of the link.
	Follow bool
	// Optional makes it no error if Dir does not exist.
	Optional bool
	// Skip says which folders and files to leave out, by their slash-separated
	// path below Dir; nil leaves out none.
	Skip func(rel string) bool
}

// Parse reads DIR:/PATH, as --embed takes it. The folder may contain colons.
func Parse(text string) (Tree, error) {
	i := strings.LastIndex(text, ":/")
	if i <= 0 {
		return Tree{}, fmt.Errorf("--embed %q: write DIR:/PATH, a folder here and its place in the machine", text)
	}
	t := Tree{Dir: text[:i], Path: text[i+1:]}
	return t, t.check()
}

func (t Tree) check() error {
	switch {
	case t.Dir == "":
		return fmt.Errorf("embed at %s: no folder given", t.Path)
	case !path.IsAbs(t.Path):
		return fmt.Errorf("embed %s: its place in the machine, %q, must begin with /", t.Dir, t.Path)
	case strings.IndexByte(t.Path, 0) >= 0:
		return fmt.Errorf("embed %s: its place in the machine has a NUL byte", t.Dir)
	}
	return nil
}

// Archive returns the archive of the trees, none if there are no trees. Notes
// say in a line each what was left out because it is no file, folder or link.
func Archive(trees []Tree) (data []byte, notes []string, err error) {
	if len(trees) == 0 {
		return nil, nil, nil
	}
	c := collector{entries: map[string]entry{}}
	for _, t := range trees {
		if err := c.add(t); err != nil {
			return nil, nil, err
		}
	}
	data, err = c.write()
	return data, c.notes, err
}
