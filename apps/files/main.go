// Command files does with files whatever package os offers, in a folder of its own,
// and prints what comes of it. It prints the same in a machine as in a Linux
// process.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

func main() {
	dir, err := os.MkdirTemp("", "files")
	check(err)
	check(os.Chdir(dir))
	for _, part := range []struct {
		name string
		run  func()
	}{
		{"whole files", wholeFiles}, {"positions", positions}, {"appending", appending}, {"sparse", sparse}, {"large", large},
		{"copies", copies}, {"unlinked", unlinked}, {"exclusive", exclusive},
		{"folders", folders}, {"removing", removing}, {"many", many}, {"reading while removing", readingWhileRemoving},
		{"renaming", renaming}, {"hard links", hardLinks}, {"symbolic links", symbolicLinks}, {"loops", loops},
		{"modes", modes}, {"times", times}, {"working directory", workingDirectory}, {"roots", roots}, {"errors", failures},
		{"devices", devices}, {"descriptors", descriptors},
	} {
		fmt.Println("--", part.name)
		sub := filepath.Join(dir, "work")
		check(os.Mkdir(sub, 0o777))
		check(os.Chdir(sub))
		part.run()
		check(os.Chdir(dir))
		check(os.RemoveAll(sub))
	}
	left, err := os.ReadDir(".")
	check(err)
	fmt.Println("-- left:", len(left))
	check(os.Remove(dir))
}

// check ends the program at an error that must not be.
func check(err error) {
	if err != nil {
		fmt.Printf("files: %.200v\n", err)
		os.Exit(1)
	}
}

// say prints a result beside what it is of.
func say(what string, v ...any) {
	fmt.Print(what, ":")
	for _, x := range v {
		if err, ok := x.(error); ok {
			x = short(err)
		}
		fmt.Printf(" %v", x)
	}
	fmt.Println()
}

// short is an error without the paths, which are not always the same.
func short(err error) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no.Error()
	}
	return err.Error()
}

func write(name, body string) { check(os.WriteFile(name, []byte(body), 0o644)) }

func read(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return short(err)
	}
	return string(b)
}

// tree prints everything below the working directory.
func tree() {
	check(filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			fmt.Printf("  %v %s\n", info.Mode(), path)
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			fmt.Printf("  %v %s -> %s\n", info.Mode(), path, to)
			return err
		default:
			fmt.Printf("  %v %s %d\n", info.Mode(), path, info.Size())
		}
		return nil
	}))
}
