package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func names() (all []probe) {
	add := func(name string, ask func(folder string, fd int) string) {
		all = append(all, probe{name, func() string {
			folder := fresh()
			must(os.Mkdir(folder, 0o755))
			must(os.WriteFile(filepath.Join(folder, "f"), []byte("text"), 0o644))
			must(os.Mkdir(filepath.Join(folder, "d"), 0o755))
			must(os.WriteFile(filepath.Join(folder, "d", "g"), nil, 0o644))
			must(os.Symlink("f", filepath.Join(folder, "l")))
			must(os.Symlink("nowhere", filepath.Join(folder, "dangling")))
			must(os.Symlink("loop", filepath.Join(folder, "loop")))
			fd := open(folder, 0)
			defer syscall.Close(fd)
			return ask(folder, fd)
		}})
	}
	var st syscall.Stat_t
	buf := make([]byte, 4096)
	closing := func(s string) string {
		var fd int
		if n, _ := fmt.Sscan(s, &fd); n == 1 {
			syscall.Close(fd)
			return "ok"
		}
		return s
	}
	opening := func(dirfd int, path string, flags int) string {
		return closing(call(syscall.SYS_OPENAT, dirfd, path, flags, 0o644))
	}
	paths := []string{"", ".", "..", "f", "f/", "f/x", "d", "d/", "d/.", "d/..", "d/../f", "none", "none/x", "l", "l/", "dangling", "dangling/", "loop", "loop/x", "d/g", "d/none", strings.Repeat("n", 255), strings.Repeat("n", 256),
		strings.Repeat("a/", 2040), strings.Repeat("./", 2047) + "f", strings.Repeat("./", 2048), strings.Repeat("/", 4095), "//dev//shm/."}
	short := func(p string) string {
		if len(p) > 20 {
			return fmt.Sprintf("%s...(%d)", p[:4], len(p))
		}
		return fmt.Sprintf("%q", p)
	}
	for _, p := range paths {
		add("open "+short(p), func(_ string, fd int) (s string) {
			for _, flags := range []int{0, syscall.O_WRONLY, syscall.O_RDWR | syscall.O_TRUNC, syscall.O_DIRECTORY, syscall.O_NOFOLLOW, syscall.O_CREAT | syscall.O_EXCL, syscall.O_CREAT | syscall.O_DIRECTORY, openPath, openPath | syscall.O_NOFOLLOW, 0o20200000 | syscall.O_RDWR, 0o20200000, 3} {
				s = list(s, opening(fd, p, flags))
				if flags == syscall.O_CREAT|syscall.O_EXCL && strings.HasPrefix(p, "n") {
					syscall.Unlink(p)
				}
			}
			return s
		})
		add("look "+short(p), func(_ string, fd int) string {
			return list(done(syscall.SYS_NEWFSTATAT, fd, p, &st, 0), done(syscall.SYS_NEWFSTATAT, fd, p, &st, 0x100), done(syscall.SYS_NEWFSTATAT, fd, p, &st, 0x1000), done(syscall.SYS_FACCESSAT, fd, p, 0), call(syscall.SYS_READLINKAT, fd, p, buf, 100), done(332, fd, p, 0, 0x7ff, buf))
		})
		if strings.HasPrefix(p, "/") {
			continue // what is not the program's is left alone
		}
		add("make "+short(p), func(_ string, fd int) string {
			return list(done(syscall.SYS_MKDIRAT, fd, p, 0o755), done(syscall.SYS_SYMLINKAT, "x", fd, p), done(syscall.SYS_LINKAT, fd, "f", fd, p, 0), done(syscall.SYS_MKNODAT, fd, p, syscall.S_IFIFO|0o600, 0))
		})
		add("remove "+short(p), func(_ string, fd int) string {
			return list(done(syscall.SYS_UNLINKAT, fd, p, 0), done(syscall.SYS_UNLINKAT, fd, p, 0x200))
		})
		add("rename "+short(p), func(_ string, fd int) string {
			return list(done(syscall.SYS_RENAMEAT, fd, p, fd, "d"), done(syscall.SYS_RENAMEAT, fd, "d/g", fd, p), done(316, fd, p, fd, "new", 1))
		})
	}
	add("unknown flags", func(_ string, fd int) string {
		return list(done(syscall.SYS_NEWFSTATAT, fd, "f", &st, 0x10), done(syscall.SYS_NEWFSTATAT, fd, "f", &st, 0x800), done(syscall.SYS_NEWFSTATAT, fd, "f", &st, 0x2000), done(332, fd, "f", 0x10, 0x7ff, buf), done(332, fd, "f", 0x7000, 0x7ff, buf), done(332, fd, "f", 0x6000, 0x7ff, buf), done(332, fd, "f", 0x2000, 0x7ff, buf), done(332, fd, "f", 0, 1<<31, buf),
			done(syscall.SYS_UNLINKAT, fd, "none", 0x100), done(syscall.SYS_LINKAT, fd, "f", fd, "x", 0x100), done(439, fd, "f", 0, 0x2000), done(439, fd, "f", 0, 0x300), done(439, fd, "f", 8, 0), done(439, fd, "f", -1, 0), done(syscall.SYS_FCHOWNAT, fd, "f", -1, -1, 0x10), done(syscall.SYS_UTIMENSAT, fd, "f", 0, 0x10), done(316, fd, "f", fd, "x", 16), done(316, fd, "f", fd, "x", 3), done(452, fd, "f", 0o644, 0x10), done(452, fd, "l", 0o644, 0x100))
	})
	add("bad descriptors", func(folder string, fd int) string {
		f := open(filepath.Join(folder, "f"), 0)
		r, w := pipe(0)
		defer closeAll(f, r, w)
		return list(opening(-1, "f", 0), opening(f, "f", 0), opening(r, "f", 0), opening(-1, "/", 0), opening(f, "", 0), done(syscall.SYS_NEWFSTATAT, -1, "", &st, 0x1000), done(syscall.SYS_NEWFSTATAT, f, "", &st, 0x1000), done(syscall.SYS_NEWFSTATAT, r, "", &st, 0x1000), done(syscall.SYS_NEWFSTATAT, r, "x", &st, 0x1000), done(syscall.SYS_FCHDIR, f), done(syscall.SYS_FCHDIR, -1), done(syscall.SYS_MKDIRAT, f, "x", 0o755))
	})
	add("readlink sizes", func(_ string, fd int) string {
		return list(call(syscall.SYS_READLINKAT, fd, "dangling", buf, 0), call(syscall.SYS_READLINKAT, fd, "dangling", buf, -1), call(syscall.SYS_READLINKAT, fd, "dangling", buf, 3), call(syscall.SYS_READLINKAT, fd, "dangling", buf, 100))
	})
	add("readlink of a link's descriptor", func(folder string, _ int) string {
		l := open(filepath.Join(folder, "l"), openPath|syscall.O_NOFOLLOW)
		defer syscall.Close(l)
		n, e := raw(syscall.SYS_READLINKAT, l, "", buf, 100)
		return list(name(e), string(buf[:max(n, 0)]))
	})
	add("open2", func(_ string, fd int) (s string) {
		for _, how := range []struct {
			h    [4]uint64
			size int
		}{{[4]uint64{}, 24}, {[4]uint64{}, 23}, {[4]uint64{}, 0}, {[4]uint64{}, 32}, {[4]uint64{3: 1}, 32}, {[4]uint64{}, 5000}, {[4]uint64{0: 1 << 40}, 24}, {[4]uint64{0: 1 << 28}, 24}, {[4]uint64{1: 0o644}, 24}, {[4]uint64{0: syscall.O_CREAT, 1: 1 << 20}, 24}, {[4]uint64{2: 1 << 20}, 24}, {[4]uint64{0: openPath | syscall.O_RDWR}, 24}} {
			words := append(how.h[:], make([]uint64, 700)...)
			s = list(s, closing(call(437, fd, "f", words, how.size)))
		}
		return s
	})
	add("folder's entries", func(folder string, fd int) string {
		s := call(syscall.SYS_GETDENTS64, fd, buf, 0)
		s = list(s, call(syscall.SYS_GETDENTS64, fd, buf, 18), call(syscall.SYS_GETDENTS64, fd, buf, 23))
		n, e := raw(syscall.SYS_GETDENTS64, fd, buf, 4096)
		found := map[string]bool{}
		for at := 0; at < n; {
			size := int(buf[at+16]) | int(buf[at+17])<<8
			entry, _, _ := strings.Cut(string(buf[at+19:at+size]), "\x00")
			found[fmt.Sprint(entry, ":", buf[at+18])] = true
			at += size
		}
		return list(s, name(e), fmt.Sprint(len(found), found["f:8"], found["d:4"], found["l:10"], found[".:4"], found["..:4"]), call(syscall.SYS_GETDENTS64, fd, buf, 4096), call(syscall.SYS_LSEEK, fd, 0, 0), fmt.Sprint(n))
	})
	add("a folder that is gone", func(folder string, fd int) string {
		d := open(filepath.Join(folder, "d"), 0)
		defer syscall.Close(d)
		must(os.RemoveAll(filepath.Join(folder, "d")))
		var st syscall.Stat_t
		answer := list(call(syscall.SYS_GETDENTS64, d, buf, 4096), done(syscall.SYS_NEWFSTATAT, d, ".", &st, 0), done(syscall.SYS_NEWFSTATAT, d, "..", &st, 0), opening(d, "x", syscall.O_CREAT), opening(d, ".", 0), opening(d, "..", 0), done(syscall.SYS_MKDIRAT, d, "x", 0o755), done(syscall.SYS_FSTAT, d, &st), fmt.Sprint(st.Nlink))
		to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", d))
		must(err)
		return list(answer, strings.TrimPrefix(to, folder))
	})
	add("a file that is gone", func(folder string, _ int) string {
		f := open(filepath.Join(folder, "f"), syscall.O_RDWR)
		defer syscall.Close(f)
		must(os.Remove(filepath.Join(folder, "f")))
		to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f))
		must(err)
		must(syscall.Fstat(f, &st))
		again := opening(-100, fmt.Sprintf("/proc/self/fd/%d", f), 0)
		return list(strings.TrimPrefix(to, folder), fmt.Sprint(st.Nlink), again, done(syscall.SYS_LINKAT, -100, fmt.Sprintf("/proc/self/fd/%d", f), -100, filepath.Join(folder, "back"), 0x400))
	})
	add("a working directory that is gone", func(folder string, fd int) string {
		old, err := os.Getwd()
		must(err)
		defer os.Chdir(old)
		must(os.Chdir(filepath.Join(folder, "d")))
		must(os.RemoveAll(filepath.Join(folder, "d")))
		to, err := os.Readlink("/proc/self/cwd")
		return list(call(syscall.SYS_GETCWD, buf, 4096), strings.TrimPrefix(to, folder), fmt.Sprint(err), opening(-100, ".", 0), opening(-100, "x", syscall.O_CREAT))
	})
	add("getcwd", func(folder string, fd int) string {
		old, err := os.Getwd()
		must(err)
		defer os.Chdir(old)
		must(os.Chdir("/dev/shm"))
		return list(call(syscall.SYS_GETCWD, buf, 4096), call(syscall.SYS_GETCWD, buf, 9), call(syscall.SYS_GETCWD, buf, 8), call(syscall.SYS_GETCWD, buf, 0), call(syscall.SYS_GETCWD, 0, 0))
	})
	add("modes", func(folder string, fd int) string {
		mode := func(name string) string {
			must(syscall.Lstat(filepath.Join(folder, name), &st))
			return fmt.Sprintf("%#o", st.Mode)
		}
		a := list(done(syscall.SYS_FCHMODAT, fd, "f", 0o7777), mode("f"), done(syscall.SYS_FCHMODAT, fd, "f", -1), mode("f"), done(syscall.SYS_FCHMODAT, fd, "f", 0o100000), mode("f"))
		old, _ := raw(syscall.SYS_UMASK, 0o7027)
		defer raw(syscall.SYS_UMASK, old)
		b := list(call(syscall.SYS_UMASK, 0o7027), opening(fd, "new", syscall.O_CREAT), mode("new"), done(syscall.SYS_MKDIRAT, fd, "nd", 0o7777), mode("nd"), done(syscall.SYS_MKNODAT, fd, "nf", syscall.S_IFIFO|0o7666, 0), mode("nf"))
		return list(a, b)
	})
	add("mknod", func(_ string, fd int) (s string) {
		for i, mode := range []int{0, 0o644, syscall.S_IFREG, syscall.S_IFDIR, syscall.S_IFLNK, syscall.S_IFSOCK, syscall.S_IFIFO, 0o170000} {
			s = list(s, done(syscall.SYS_MKNODAT, fd, fmt.Sprint("n", i), mode, 0))
		}
		return s
	})
	add("times", func(folder string, fd int) (s string) {
		set := func(t [4]int64) string {
			a := done(syscall.SYS_UTIMENSAT, fd, "f", &t, 0)
			must(syscall.Stat(filepath.Join(folder, "f"), &st))
			return list(a, fmt.Sprint(st.Atim.Sec&0xffffffff, st.Atim.Nsec))
		}
		const now, omit = 1<<30 - 1, 1<<30 - 2
		for _, t := range [][4]int64{{1, 2, 3, 4}, {5, omit, 6, omit}, {0, 1e9, 0, 0}, {0, -1, 0, 0}, {0, 0, 0, 1e9}, {-5, 5, 0, 0}, {7, 999999999, 0, omit}} {
			s = list(s, set(t))
		}
		usec := [4]int64{1, 999999, 2, 1e6}
		return list(s, done(syscall.SYS_FUTIMESAT, fd, "f", &usec), done(syscall.SYS_UTIMENSAT, fd, 0, 0, 0), done(syscall.SYS_UTIMENSAT, -100, 0, 0, 0), done(syscall.SYS_UTIMENSAT, -1, 0, 0, 0), done(syscall.SYS_UTIMENSAT, fd, "", 0, 0), done(syscall.SYS_UTIMENSAT, fd, "", 0, 0x1000))
	})
	add("links", func(folder string, fd int) string {
		d := open(filepath.Join(folder, "d"), openPath)
		defer syscall.Close(d)
		return list(done(syscall.SYS_LINKAT, fd, "d", fd, "x", 0), done(syscall.SYS_LINKAT, fd, "l", fd, "x", 0), done(syscall.SYS_LINKAT, fd, "dangling", fd, "y", 0x400), done(syscall.SYS_LINKAT, d, "", fd, "z", 0x1000), done(syscall.SYS_SYMLINKAT, "", fd, "e"), done(syscall.SYS_SYMLINKAT, strings.Repeat("t", 4095), fd, "e"), done(syscall.SYS_SYMLINKAT, strings.Repeat("t", 4096), fd, "e2"))
	})
	add("extended attributes", func(_ string, fd int) string {
		return list(done(syscall.SYS_GETXATTR, "/dev/shm", "user.x", buf, 100), done(syscall.SYS_FGETXATTR, fd, "user.x", buf, 100))
	})
	return all
}
