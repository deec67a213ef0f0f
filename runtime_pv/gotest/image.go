package gotest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/doze-vm/doze/kernel/boot"
	"github.com/doze-vm/doze/runtime_pv/embed"
	"github.com/doze-vm/doze/runtime_pv/image"
)

// noteworthy is how large the files of a test may be without a word: each machine
// holds them in its memory.
const noteworthy = 256 << 20

// WriteImage makes an image of a test binary with the files that its test may
// read and the trees given, at path. It returns the image's size, which is about
// what it takes of a machine's memory. Files that are many are noted.
func (p Place) WriteImage(binary, path string, extra []embed.Tree, notes io.Writer) (uint64, error) {
	tree, _, err := embed.Archive(append(p.Trees(), extra...))
	switch {
	case errors.Is(err, embed.ErrTooMuch):
		return 0, fmt.Errorf("%w; %s", err, p.hint())
	case err != nil:
		return 0, err
	case len(tree) > noteworthy:
		fmt.Fprintf(notes, "doze: the machine gets %d MiB of files; %s\n", len(tree)>>20, p.hint())
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return 0, err
	}
	data, err := image.Convert(program, boot.Blob, tree)
	if err != nil {
		return 0, err
	}
	return uint64(len(data)), image.WriteFile(path, data)
}

// hint says how a machine gets fewer files, and which are the largest.
func (p Place) hint() string {
	const shown = 3
	list := p.sizes()
	list = list[:min(len(list), shown)]
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = fmt.Sprintf("%s has %d MiB", s.name, s.bytes>>20)
	}
	return fmt.Sprintf("leave out what the test does not read, by --exclude NAME (in %s %s)", p.Dir, strings.Join(parts, ", "))
}

// sized is a file or folder with what is in it.
type sized struct {
	name  string
	bytes int64
}

// sizes are those of what lies in the package's folder, the largest first.
func (p Place) sizes() []sized {
	sum := map[string]int64{}
	_ = filepath.WalkDir(p.Dir, func(name string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(p.Dir, name)
		if err != nil || relErr != nil || rel == "." {
			return nil // what can't be read is not counted
		}
		if p.skip(rel) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			first, _, _ := strings.Cut(rel, string(filepath.Separator))
			sum[first] += info.Size()
		}
		return nil
	})
	var list []sized
	for name, bytes := range sum {
		list = append(list, sized{name, bytes})
	}
	slices.SortFunc(list, func(a, b sized) int {
		if a.bytes != b.bytes {
			return int(min(max(b.bytes-a.bytes, -1), 1))
		}
		return strings.Compare(a.name, b.name)
	})
	return list
}
