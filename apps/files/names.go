package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func folders() {
	check(os.MkdirAll("a/b/c", 0o755))
	say("again", os.MkdirAll("a/b/c", 0o755), os.Mkdir("a", 0o755))
	write("a/b/f", "text")
	write("a/z", "")
	say("through a file", os.MkdirAll("a/z/y", 0o755))
	tree()
	info, err := os.Stat("a")
	check(err)
	say("links of a folder", info.Sys().(*syscall.Stat_t).Nlink)
	list, err := os.ReadDir("a")
	say("read", list, err)
	d, err := os.Open("a")
	check(err)
	defer d.Close()
	first, err := d.Readdirnames(1)
	say("one", len(first), err)
	second, err := d.Readdirnames(1)
	say("another", len(second), err, first[0] != second[0])
	_, err = d.Readdirnames(1)
	say("no more", err)
	_, err = d.Seek(0, io.SeekStart)
	check(err)
	all, err := d.Readdirnames(-1)
	say("from the begin", len(all), err)
	_, err = d.Write([]byte("x"))
	say("write to a folder", err)
	matches, err := filepath.Glob("a/*/*")
	say("glob", matches, err)
	check(fs.WalkDir(os.DirFS("a"), ".", func(path string, _ fs.DirEntry, err error) error {
		fmt.Print(" ", path)
		return err
	}))
	fmt.Println()
}

func removing() {
	check(os.MkdirAll("a/b/c", 0o755))
	write("a/f", "")
	say("full folder", os.Remove("a"))
	say("empty folder", os.Remove("a/b/c"))
	say("file", os.Remove("a/f"))
	say("nothing", os.Remove("a/f"))
	say("syscall: a folder", syscall.Unlink("a"), syscall.Rmdir("a"))
	write("f", "")
	say("syscall: a file", syscall.Rmdir("f"), syscall.Rmdir("f/x"))
	say("here", syscall.Rmdir("."), syscall.Rmdir("a/.."))
	check(os.RemoveAll("a"))
	say("nothing again", os.RemoveAll("a"))
	tree()
}

func many() {
	const n = 3000
	for i := range n {
		f, err := os.Create(fmt.Sprintf("file-%04d", i))
		check(err)
		check(f.Close())
	}
	list, err := os.ReadDir(".")
	check(err)
	say("files", len(list), list[0], list[n-1])
	ordered := true
	for i, e := range list {
		ordered = ordered && e.Name() == fmt.Sprintf("file-%04d", i)
	}
	say("each of them once", ordered)
	for i := 0; i < n; i += 2 {
		check(os.Remove(fmt.Sprintf("file-%04d", i)))
	}
	list, err = os.ReadDir(".")
	say("every second", len(list), err)
}

func readingWhileRemoving() {
	const n = 1500
	for i := range n {
		write(fmt.Sprint(i), "")
	}
	d, err := os.Open(".")
	check(err)
	defer d.Close()
	seen := 0
	for {
		names, err := d.Readdirnames(100)
		for _, name := range names {
			seen++
			check(os.Remove(name))
		}
		if err != nil {
			say("seen and removed", seen, err)
			break
		}
	}
}

func renaming() {
	write("a", "a")
	write("b", "b")
	check(os.MkdirAll("d/e", 0o755))
	check(os.Mkdir("empty", 0o755))
	say("to a new name", os.Rename("a", "c"), read("a"), read("c"))
	say("over a file", os.Rename("c", "b"), read("b"))
	say("into a folder", os.Rename("b", "d/e/f"), read("d/e/f"))
	say("to itself", os.Rename("d/e/f", "d/e/f"), read("d/e/f"))
	say("a folder", os.Rename("d", "g"), read("g/e/f"))
	say("over an empty folder", syscall.Rename("g", "empty"), read("empty/e/f"))
	check(os.Mkdir("h", 0o755))
	say("over a full folder", syscall.Rename("h", "empty"))
	say("into itself", syscall.Rename("empty", "empty/e/x"))
	write("f", "f")
	say("a file over a folder", syscall.Rename("f", "h"), syscall.Rename("f", "h/"))
	say("a folder over a file", syscall.Rename("h", "f"))
	say("nothing", os.Rename("none", "x"))
	say("into nothing", os.Rename("f", "none/x"))
	say("here", syscall.Rename(".", "x"), syscall.Rename("h", "h/.."))
	tree()
}

func hardLinks() {
	write("a", "text")
	check(os.Link("a", "b"))
	f, err := os.OpenFile("b", os.O_WRONLY|os.O_APPEND, 0)
	check(err)
	_, err = f.WriteString(" and more")
	check(err)
	check(f.Close())
	say("by the other name", read("a"))
	a, err := os.Stat("a")
	check(err)
	b, err := os.Stat("b")
	check(err)
	say("the same", os.SameFile(a, b), a.Sys().(*syscall.Stat_t).Nlink)
	say("taken", os.Link("a", "b"))
	say("of a folder", os.Link(".", "d"))
	say("of nothing", os.Link("none", "d"))
	check(os.Remove("a"))
	say("one removed", read("b"))
	check(os.Symlink("b", "l"))
	check(os.Link("l", "m"))
	tree()
}

func symbolicLinks() {
	check(os.MkdirAll("d/e", 0o755))
	write("d/f", "text")
	for _, l := range [][2]string{{"d/f", "l"}, {"../f", "d/e/up"}, {"d", "dir"}, {"none", "broken"}, {"dir/e/up", "far"}} {
		check(os.Symlink(l[0], l[1]))
	}
	say("followed", read("l"), read("d/e/up"), read("dir/f"), read("far"))
	say("broken", read("broken"))
	write("broken", "made through the link")
	say("made", read("none"))
	info, err := os.Lstat("l")
	check(err)
	say("itself", info.Mode(), info.Size())
	info, err = os.Stat("dir")
	check(err)
	say("what it leads to", info.Mode())
	real, err := filepath.EvalSymlinks("far")
	say("in truth", real, err)
	_, err = os.Readlink("d/f")
	say("no link", err)
	say("taken", os.Symlink("x", "l"))
	check(os.Remove("dir"))
	say("removed", read("dir/f"), read("d/f"))
	long := strings.Repeat("long/", 600)
	check(os.Symlink(long, "long"))
	to, err := os.Readlink("long")
	say("long", to == long, err)
	check(os.Remove("long"))
	tree()
}

func loops() {
	check(os.Symlink("b", "a"))
	check(os.Symlink("a", "b"))
	say("loop", read("a"))
	say("through it", read("a/x"))
	_, err := os.Lstat("a")
	say("itself", err)
	write("end", "reached")
	last := "end"
	for i := range 41 {
		name := fmt.Sprint("l", i)
		check(os.Symlink(last, name))
		last = name
	}
	say("40 links", read("l39"))
	say("41 links", read("l40"))
}
