package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func devices() {
	b := make([]byte, 4)
	for _, name := range []string{"null", "zero", "full"} {
		f, err := os.OpenFile("/dev/"+name, os.O_RDWR, 0)
		check(err)
		n, err := f.Read(b)
		say(name+", read", n, err)
		n, err = f.Write(b)
		say(name+", written", n, err)
		info, err := f.Stat()
		say(name+", mode", info.Mode(), err)
		check(f.Close())
	}
	zero := make([]byte, 32)
	random := make([]byte, 32)
	f, err := os.Open("/dev/urandom")
	check(err)
	_, err = io.ReadFull(f, random)
	check(err)
	check(f.Close())
	say("random", string(random) != string(zero))
	out, err := os.OpenFile("/dev/stdout", os.O_WRONLY|os.O_APPEND, 0)
	check(err)
	_, err = out.WriteString("written to /dev/stdout\n")
	check(err)
	check(out.Close())
}

func descriptors() {
	write("f", "text")
	f, err := os.Open("f")
	check(err)
	defer f.Close()
	link := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	to, err := os.Readlink(link)
	say("leads to", filepath.Base(to), err)
	say("opened again", read(link))
	check(os.Remove("f"))
	say("after it was removed", read(link))
	copied, err := syscall.Dup(int(f.Fd()))
	check(err)
	_, err = f.Seek(2, io.SeekStart)
	check(err)
	b := make([]byte, 10)
	n, err := syscall.Read(copied, b)
	say("a copy shares the position", string(b[:n]), err)
	check(syscall.Close(copied))
	_, err = os.Stat(fmt.Sprintf("/proc/self/fd/%d", copied))
	say("closed", err)
	say("program", strings.TrimSpace(read("/proc/self/comm")))
	cwd, err := os.Getwd()
	check(err)
	to, err = os.Readlink("/proc/self/cwd")
	say("working directory", to == cwd, err)
}
