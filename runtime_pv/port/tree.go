package port

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// linkTree makes to a tree like the GOROOT from: folders are real, Go and
// assembly files are symbolic links, other files of src are hard links or copies
// because go:embed refuses symbolic links. What only the Go project's own tests
// need (test, doc, api, misc) is left out.
func linkTree(from, to string) error {
	for _, name := range []string{"VERSION", "go.env"} {
		if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"bin", "pkg", "lib"} {
		if err := os.Symlink(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return linkSrc(filepath.Join(from, "src"), filepath.Join(to, "src"))
}

// linkSrc links the tree of packages. The go command's own source (src/cmd) is
// one link: nothing in it is replaced.
func linkSrc(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		switch {
		case rel == "cmd":
			if err := os.Symlink(path, dst); err != nil {
				return err
			}
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(dst, 0o755)
		case isSource(rel):
			return os.Symlink(path, dst)
		default:
			return linkOrCopy(path, dst)
		}
	})
}

// isSource says whether a file may be a symbolic link.
func isSource(rel string) bool {
	if strings.Contains("/"+filepath.ToSlash(rel), "/testdata/") {
		return false
	}
	return strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, ".s")
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return out.Close()
}

// replaceFile writes a file of the tree. It removes what was there first: that
// may be a link into the user's GOROOT, which must not be written through.
func replaceFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
