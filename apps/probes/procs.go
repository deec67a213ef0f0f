package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

func procs() (all []probe) {
	add := func(name string, ask func() string) { all = append(all, probe{name, ask}) }
	read := func(name string) []byte {
		b, err := os.ReadFile("/proc/" + name)
		must(err)
		return b
	}
	add("self/cmdline", func() string {
		b := read("self/cmdline")
		args := strings.Join(os.Args, "\x00") + "\x00"
		return fmt.Sprint(bytes.HasSuffix(b, []byte{0}), len(b) == len(args), bytes.HasSuffix(b, []byte("\x00\x00")))
	})
	add("self/comm", func() string {
		return fmt.Sprint(bytes.HasSuffix(read("self/comm"), []byte("\n")), len(read("self/comm")) <= 16)
	})
	add("self/stat fields", func() string {
		_, after, _ := strings.Cut(string(read("self/stat")), ") ")
		return fmt.Sprint(len(strings.Fields(after)))
	})
	add("self/statm fields", func() string { return fmt.Sprint(len(strings.Fields(string(read("self/statm"))))) })
	for _, key := range []string{"Name", "Umask", "State", "Tgid", "Pid", "PPid", "TracerPid", "Uid", "Gid", "VmSize", "VmRSS", "Threads"} {
		add("self/status "+key, func() string {
			for line := range strings.Lines(string(read("self/status"))) {
				if k, v, _ := strings.Cut(line, ":"); k == key {
					return fmt.Sprint(len(strings.Fields(v)))
				}
			}
			return "none"
		})
	}
	add("uptime fields", func() string { return fmt.Sprint(len(strings.Fields(string(read("uptime"))))) })
	add("loadavg fields", func() string { return fmt.Sprint(len(strings.Fields(string(read("loadavg"))))) })
	add("meminfo", func() string {
		b := read("meminfo")
		return fmt.Sprint(bytes.HasPrefix(b, []byte("MemTotal:")), bytes.Contains(b, []byte(" kB\n")))
	})
	add("self/maps lines", func() string {
		for line := range strings.Lines(string(read("self/maps"))) {
			f := strings.Fields(line)
			if len(f) < 5 || len(f[1]) != 4 || !strings.Contains(f[0], "-") {
				return "not a mapping: " + line
			}
		}
		return "mappings"
	})
	add("self is a link to a number", func() string {
		to, err := os.Readlink("/proc/self")
		must(err)
		return fmt.Sprint(to == fmt.Sprint(os.Getpid()))
	})
	add("what can't be made", func() string {
		_, err := os.Create("/proc/x")
		return fmt.Sprint(err)
	})
	return all
}
