package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func modes() {
	old := syscall.Umask(0o027)
	write("masked", "")
	check(os.Mkdir("masked dir", 0o777))
	say("mask", fmt.Sprintf("%o", syscall.Umask(old)))
	write("f", "")
	for _, m := range []os.FileMode{0, 0o777, 0o640 | os.ModeSetuid, 0o755 | os.ModeSetgid | os.ModeSticky} {
		check(os.Chmod("f", m))
		info, err := os.Stat("f")
		say("changed to", info.Mode(), err)
	}
	f, err := os.Open("f")
	check(err)
	defer f.Close()
	check(f.Chmod(0o600))
	check(os.Symlink("f", "l"))
	check(os.Chmod("l", 0o644))
	say("nothing", os.Chmod("none", 0))
	tree()
	say("may be read, run", syscall.Access("f", 4), syscall.Access("f", 1))
}

func times() {
	write("f", "")
	a, m := time.Unix(1_000_000_000, 123456789), time.Unix(-5, 7)
	check(os.Chtimes("f", a, m))
	show := func(what string) {
		info, err := os.Stat("f")
		check(err)
		st := info.Sys().(*syscall.Stat_t)
		say(what, time.Unix(st.Atim.Unix()).UTC(), info.ModTime().UTC())
	}
	show("set")
	check(os.Chtimes("f", time.Time{}, a))
	show("one of them")
	before := time.Now().Add(-time.Second)
	write("f", "x")
	info, err := os.Stat("f")
	check(err)
	say("written just now", info.ModTime().After(before), info.ModTime().Before(time.Now().Add(time.Second)))
	check(os.Mkdir("d", 0o755))
	check(os.Chtimes("d", a, a))
	write("d/f", "")
	info, err = os.Stat("d")
	check(err)
	say("a folder changes too", info.ModTime().After(before))
	say("nothing", os.Chtimes("none", a, a))
}

func workingDirectory() {
	start, err := os.Getwd()
	check(err)
	check(os.MkdirAll("a/b", 0o755))
	check(os.Chdir("a/b"))
	where := func() string {
		dir, err := os.Getwd()
		if err != nil {
			return short(err)
		}
		rel, err := filepath.Rel(start, dir)
		check(err)
		return rel
	}
	say("below", where())
	check(os.Chdir(".."))
	say("above", where())
	d, err := os.Open("b")
	check(err)
	defer d.Close()
	check(d.Chdir())
	say("by descriptor", where())
	write("f", "")
	say("no folder", os.Chdir("f"), os.Chdir("none"))
	check(os.Rename(filepath.Join(start, "a"), filepath.Join(start, "z")))
	check(os.Unsetenv("PWD"))
	say("renamed meanwhile", where())
	check(os.Remove("f"))
	check(os.Remove(filepath.Join(start, "z/b")))
	say("removed meanwhile", read("x"), os.WriteFile("x", nil, 0o644))
	check(os.Chdir(start))
}

func roots() {
	check(os.MkdirAll("root/d", 0o755))
	write("secret", "secret")
	write("root/f", "inside")
	check(os.Symlink("../secret", "root/out"))
	check(os.Symlink("d/../f", "root/in"))
	r, err := os.OpenRoot("root")
	check(err)
	defer r.Close()
	for _, name := range []string{"f", "in", "out", "../secret", "d", "none"} {
		f, err := r.Open(name)
		if err == nil {
			err = f.Close()
		}
		say(name, err)
	}
	check(r.Mkdir("d/e", 0o700))
	check(r.WriteFile("d/e/g", []byte("text"), 0o600))
	b, err := r.ReadFile("d/e/g")
	say("read", string(b), err)
	check(r.Rename("d/e", "h"))
	check(r.RemoveAll("d"))
	tree()
}

func failures() {
	write("f", "")
	for _, name := range []string{"", "f/", "f/x", "none/x", strings.Repeat("n", 256), strings.Repeat("n", 255), strings.Repeat("d/", 2047) + "f", strings.Repeat("d/", 2048) + "f", "f\x00"} {
		_, err := os.Stat(name)
		_, errOpen := os.OpenFile(name, os.O_RDWR, 0)
		say(fmt.Sprintf("%.20q, %d long", name, len(name)), err, errOpen)
	}
	say("make in a file", os.WriteFile("f/x", nil, 0o644))
	say("make with a slash", os.WriteFile("new/", nil, 0o644))
	say("make a folder with a slash", os.Mkdir("new/", 0o755))
	say("write to a folder", os.WriteFile("new", nil, 0o644))
	f, err := os.Open("f")
	check(err)
	check(f.Close())
	_, err = f.Stat()
	say("closed", err)
	say("closed, by number", syscall.Fsync(1000), syscall.Fchdir(1000), syscall.Fstat(1000, new(syscall.Stat_t)))
}
