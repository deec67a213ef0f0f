package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

func wholeFiles() {
	write("a", "first")
	say("read", read("a"))
	write("a", "2")
	say("overwritten", read("a"))
	write("empty", "")
	say("empty", len(read("empty")))
	say("none", read("none"))
	say("a folder", read("."))
	tree()
}

func positions() {
	f, err := os.Create("f")
	check(err)
	defer f.Close()
	n, err := f.WriteString("0123456789")
	say("write", n, err)
	at, err := f.Seek(-3, io.SeekEnd)
	say("seek", at, err)
	b := make([]byte, 10)
	n, err = f.Read(b)
	say("read", n, err, string(b[:n]))
	n, err = f.Read(b)
	say("at the end", n, err)
	n, err = f.ReadAt(b[:4], 2)
	say("read at 2", n, err, string(b[:n]))
	n, err = f.ReadAt(b, 5)
	say("read at 5", n, err, string(b[:n]))
	n, err = f.WriteAt([]byte("AB"), 4)
	say("write at 4", n, err)
	_, err = f.Seek(-1, io.SeekStart)
	say("seek before the begin", err)
	_, err = f.ReadAt(b, -1)
	say("read before the begin", err)
	say("truncate", f.Truncate(6), read("f"))
	say("lengthen", f.Truncate(8))
	fmt.Printf("%q\n", read("f"))
	say("truncate to less than nothing", f.Truncate(-1))
	n, err = f.WriteString("end")
	say("write beyond the end", n, err)
	fmt.Printf("%q\n", read("f"))
	r, err := os.Open("f")
	check(err)
	defer r.Close()
	_, err = r.WriteString("x")
	say("write what is open for reading", err)
	w, err := os.OpenFile("f", os.O_WRONLY, 0)
	check(err)
	defer w.Close()
	_, err = w.Read(b)
	say("read what is open for writing", err)
	say("sync", f.Sync())
	say("close", r.Close(), r.Close())
}

func appending() {
	write("log", "one\n")
	for _, line := range []string{"two\n", "three\n"} {
		f, err := os.OpenFile("log", os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		check(err)
		_, err = f.WriteString(line)
		check(err)
		_, err = f.Seek(0, io.SeekStart)
		check(err)
		_, err = f.WriteString("-")
		check(err)
		check(f.Close())
	}
	fmt.Printf("%q\n", read("log"))
}

func sparse() {
	f, err := os.Create("f")
	check(err)
	defer f.Close()
	const far = 3 << 30
	_, err = f.WriteAt([]byte("far"), far)
	check(err)
	info, err := f.Stat()
	check(err)
	say("size", info.Size())
	say("takes less than a MiB", info.Sys().(*syscall.Stat_t).Blocks < 2048)
	b := make([]byte, 5)
	n, err := f.ReadAt(b, far-2)
	say("across the edge", n, err)
	fmt.Printf("%q\n", b)
	n, err = f.ReadAt(b, 1<<30)
	say("in the hole", n, err, b)
	check(syscall.Fallocate(int(f.Fd()), 0, 0, 10000))
	info, err = f.Stat()
	check(err)
	say("size after fallocate", info.Size())
	check(f.Truncate(100))
	check(syscall.Fallocate(int(f.Fd()), 0, 0, 10000))
	info, err = f.Stat()
	check(err)
	say("size that fallocate gave", info.Size())
}

func large() {
	f, err := os.Create("f")
	check(err)
	defer f.Close()
	sum := sha256.New()
	line := strings.Repeat("0123456789abcdef", 61) // so that writes end at odd places
	for i := range 5000 {
		_, err := fmt.Fprintf(io.MultiWriter(f, sum), "%d %s\n", i, line)
		check(err)
	}
	_, err = f.Seek(0, io.SeekStart)
	check(err)
	again := sha256.New()
	n, err := io.Copy(again, f)
	say("read", n, err, string(again.Sum(nil)) == string(sum.Sum(nil)))
}

func copies() {
	body := strings.Repeat("some text, ", 2000)
	write("from", body)
	from, err := os.Open("from")
	check(err)
	defer from.Close()
	to, err := os.Create("to")
	check(err)
	defer to.Close()
	_, err = from.Seek(5, io.SeekStart)
	check(err)
	n, err := io.Copy(to, from)
	say("copied", n, err, read("to") == body[5:])
	at, err := to.Seek(0, io.SeekCurrent)
	say("position", at, err)
	check(os.MkdirAll("d/e", 0o755))
	write("d/e/f", "text")
	check(os.CopyFS("copy", os.DirFS("d")))
	tree()
}

func unlinked() {
	f, err := os.Create("f")
	check(err)
	defer f.Close()
	check(os.Remove("f"))
	say("gone", read("f"))
	_, err = f.WriteString("but still written")
	check(err)
	b := make([]byte, 100)
	n, err := f.ReadAt(b, 4)
	say("and read", string(b[:n]), err)
	info, err := f.Stat()
	check(err)
	say("links", info.Sys().(*syscall.Stat_t).Nlink)
	write("f", "another")
	say("another", read("f"))
}

func exclusive() {
	open := func(flags int) error {
		f, err := os.OpenFile("f", flags, 0o600)
		if err == nil {
			err = f.Close()
		}
		return err
	}
	say("without O_CREATE", open(os.O_RDWR))
	say("O_EXCL", open(os.O_RDWR|os.O_CREATE|os.O_EXCL))
	say("O_EXCL again", open(os.O_RDWR|os.O_CREATE|os.O_EXCL))
	write("f", "text")
	say("O_TRUNC", open(os.O_RDWR|os.O_TRUNC), len(read("f")))
	say("O_DIRECTORY", open(syscall.O_DIRECTORY))
	check(os.Symlink("f", "l"))
	_, err := os.OpenFile("l", os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	say("O_NOFOLLOW", err)
	names := map[string]bool{}
	for range 3 {
		t, err := os.CreateTemp(".", "temp-*.txt")
		check(err)
		names[t.Name()] = true
		check(t.Close())
	}
	say("temporary files", len(names))
}
