package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// limits says what of a call is not served, or served otherwise.
var limits = map[string]string{
	"arch_prctl":        "FS base only",
	"capget":            "all capabilities",
	"clock_nanosleep":   "not by clocks of CPU time",
	"clock_settime":     "refused with EPERM: the wall clock is the host's",
	"clone":             "threads only",
	"epoll_ctl":         "no epoll in an epoll, no regular files",
	"epoll_pwait":       "without a mask of signals",
	"epoll_pwait2":      "without a mask of signals",
	"fcntl":             "descriptors, status flags, locks, sizes of pipes",
	"fsync":             "nothing to do: no disk",
	"futex":             "wait and wake, with bits; no requeue, no priority inheritance",
	"getrusage":         "CPU time and resident size",
	"ioctl":             "FIONREAD, FIONBIO, FIOCLEX, FIONCLEX",
	"kill":              "to itself",
	"madvise":           "DONTNEED and FREE give pages back; the rest is advice",
	"memfd_create":      "without sealing",
	"mknod":             "files, FIFOs, character devices, socket names",
	"mmap":              "anonymous memory and files ([mappings.md](mappings.md)); nothing is executable",
	"mprotect":          "nothing becomes executable",
	"openat":            "FIFOs not for both ends at once",
	"openat2":           "without restrictions on paths",
	"ppoll":             "without a mask of signals",
	"prctl":             "names, dumpable, keepcaps, no_new_privs, death signal",
	"preadv2":           "without flags that change anything",
	"prlimit64":         "descriptors are limited, cores too; other limits can't be set",
	"pwritev2":          "without flags that change anything",
	"rt_sigaction":      "signals that stop a process are ignored by default",
	"sched_getaffinity": "the vCPUs",
	"sendfile":          "between regular files",
	"setrlimit":         "as prlimit64",
	"setuid":            "root only",
	"timer_create":      "CPU time of the process and of the caller",
	"timer_settime":     "a timer fires at most every 200 µs; what falls in between is an overrun",
	"setitimer":         "a timer fires at most every 200 µs",
}

// instead says what programs do after an error of a call that is always refused.
var instead = map[string]string{
	"EINVAL":  "read and write",
	"ENOTSUP": "the file system has no extended attributes",
}

// missing are calls that programs make and get ENOSYS for.
var missing = []struct{ calls, why string }{
	{"socket, socketpair, bind, listen, accept, connect, sendto, recvfrom", "there is no network yet"},
	{"fork, vfork, execve, wait4, waitid, pidfd_open", "there is one process"},
	{"rt_sigpending, rt_sigtimedwait, rt_sigqueueinfo, rt_sigsuspend, signalfd4", "the runtime takes signals by handlers"},
	{"timerfd_create, timerfd_settime", "timers are the runtime's, or timer_create's"},
	{"inotify_init1, fanotify_init", "nobody but the program changes files"},
	{"select, pselect6", "poll and epoll"},
	{"io_uring_setup", "reads and writes"},
	{"brk", "mmap"},
	{"sched_setaffinity, getpriority, setpriority", "threads run on any vCPU"},
	{"mount, umount2, chroot, pivot_root", "there is one tree of files"},
	{"ptrace, perf_event_open, bpf, init_module", "there is no kernel beneath to look into"},
	{"set_tid_address, set_robust_list, rseq, membarrier", "a C library's"},
}

var definition = regexp.MustCompile(`(?m)^\s+SYS_(\w+)\s+=\s+(\d+)$`)

// names are the calls of Linux by number, from golang.org/x/sys.
var names = sync.OnceValues(func() (map[int]string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m golang.org/x/sys: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix/zsysnum_linux_amd64.go"))
	if err != nil {
		return nil, err
	}
	all := map[int]string{}
	for _, m := range definition.FindAllStringSubmatch(string(text), -1) {
		var n int
		if _, err := fmt.Sscan(m[2], &n); err != nil {
			return nil, err
		}
		all[n] = strings.ToLower(m[1])
	}
	return all, nil
})

func nameOf(number int) (string, error) {
	all, err := names()
	if err != nil {
		return "", err
	}
	if all[number] == "" {
		return "", fmt.Errorf("the kernel serves call %d, which golang.org/x/sys has no name for", number)
	}
	return all[number], nil
}
