package density

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// withLimit says an error of the host with the limit that was met, as far as that can be
// told: the error's own text says which call it was.
func withLimit(err error) string {
	if limit := limitOf(err); limit != "" {
		return err.Error() + " (" + limit + ")"
	}
	return err.Error()
}

func limitOf(err error) string {
	switch {
	case is(err, unix.EMFILE):
		return "limit: " + rlimit(unix.RLIMIT_NOFILE, "open files in a process: ulimit -n")
	case is(err, unix.ENFILE):
		return "limit: " + sysctl("fs/file-max", "open files on this host")
	case is(err, unix.EAGAIN):
		return "limits: " + rlimit(unix.RLIMIT_NPROC, "threads of a user: ulimit -u") + ", " + sysctl("kernel/pid_max", "on this host")
	case is(err, unix.ENOMEM):
		return memoryLimit()
	}
	return ""
}

// is says whether an error is of a number, or a crash whose text ends in it.
func is(err error, number unix.Errno) bool {
	return errors.Is(err, number) || strings.HasSuffix(err.Error(), number.Error())
}

// memoryLimit says what there is of memory: the kernel may want more in one piece than
// is free in one.
func memoryLimit() string {
	text := "the kernel found no memory for it"
	if kib, err := kib("/proc/meminfo", "MemAvailable:"); err == nil {
		text += fmt.Sprintf(" with %d MiB available, which may be in too small pieces: see /proc/buddyinfo", kib>>10)
	}
	if limit := rlimit(unix.RLIMIT_AS, "bytes of address space: ulimit -v"); !strings.HasPrefix(limit, unlimited) {
		text += "; limit: " + limit
	}
	return text + "; limit: " + sysctl("vm/max_map_count", "mappings of a process")
}

const unlimited = "no limit of"

func rlimit(which int, what string) string {
	var l unix.Rlimit
	if err := unix.Getrlimit(which, &l); err != nil || l.Cur == unix.RLIM_INFINITY {
		return unlimited + " " + what
	}
	return fmt.Sprintf("%d %s", l.Cur, what)
}

func sysctl(name, what string) string {
	text, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return what
	}
	return fmt.Sprintf("%s %s: %s", strings.TrimSpace(string(text)), what, strings.ReplaceAll(name, "/", "."))
}
