package port

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersions(t *testing.T) {
	for _, v := range []string{"go1.26", "go1.26.8", "go1.27.4", "go1.27rc1", "go1.26.3 X:nodwarf5", "go1.27.4-custom"} {
		assert.NoError(t, CheckVersion(v), v)
	}
	for _, v := range []string{"", "go1.25.9", "go1.28.0", "go1.260", "go2.0", "devel go1.28-abc", "1.26.8"} {
		err := CheckVersion(v)
		require.Error(t, err, v)
		assert.Contains(t, err.Error(), "go1.26, go1.27")
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestRewriteSyscalls(t *testing.T) {
	for _, c := range []struct {
		name, in, out, err string
		want               int
	}{
		{"plain", "TEXT f\n\tSYSCALL\n\tRET\n", "TEXT f\n\tCALL\truntime·dozecall(SB)\n\tRET\n", "", 1},
		{"comment kept", "\tSYSCALL // enter\n", "\tCALL\truntime·dozecall(SB) // enter\n", "", 1},
		{"in a comment only", "// a SYSCALL here\n\tRET\n", "// a SYSCALL here\n\tRET\n", "", 0},
		{"other words", "\tMOVQ $SYS_SYSCALL, AX\n", "\tMOVQ $SYS_SYSCALL, AX\n", "", 0},
		{"too many", "\tSYSCALL\n\tSYSCALL\n", "", "2 SYSCALL instructions where 1", 1},
		{"too few", "\tRET\n", "", "0 SYSCALL instructions where 1", 1},
		{"macro", "\tSYSCALL; RET\n", "", "a form that is not understood", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := rewriteSyscalls([]byte(c.in), c.want)
			if c.err != "" {
				assert.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.out, string(out))
		})
	}
}

func TestCallRule(t *testing.T) {
	rule := callRule{"runtime/proc.go", "sysmon", "usleep(delay)", "dozeSysmonDelay(delay)"}
	const head = "package p\n\nfunc other() { usleep(delay) }\n\n"
	for _, c := range []struct{ name, in, out, err string }{
		{"once", head + "func sysmon() { usleep(delay) }\n", head + "func sysmon() { dozeSysmonDelay(delay) }\n", ""},
		{"gone", head + "func sysmon() {}\n", "", "0 calls usleep(delay) in func sysmon where 1"},
		{"twice", head + "func sysmon() { usleep(delay); usleep(delay) }\n", "", "2 calls usleep(delay)"},
		{"no function", head, "", "no func sysmon"},
		{"method", head + "func (t T) sysmon() { usleep(delay) }\n", "", "no func sysmon"},
		{"not Go", "package", "", "expected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := rule.rewrite([]byte(c.in))
			if c.err != "" {
				assert.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.out, string(out))
		})
	}
}

// goroot returns a copy of the toolchain's files that the rules touch.
func goroot(t *testing.T) (tc Toolchain, dir string) {
	t.Helper()
	tc, err := Find(context.Background(), "")
	require.NoError(t, err)
	dir = t.TempDir()
	names := []string{"runtime/proc.go", "runtime/netpoll_epoll.go"}
	for _, text := range seam.texts {
		names = append(names, text.file)
	}
	for name := range seam.syscalls {
		names = append(names, name)
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(tc.GOROOT, "src", name))
		require.NoError(t, err)
		require.NoError(t, replaceFile(filepath.Join(dir, name), data))
	}
	return tc, dir
}

func TestRulesOnThisToolchain(t *testing.T) {
	tc, src := goroot(t)
	r, err := rulesFor(tc.Version)
	require.NoError(t, err)
	require.NoError(t, r.apply(src))
	proc, err := os.ReadFile(filepath.Join(src, "runtime/proc.go"))
	require.NoError(t, err)
	assert.Contains(t, string(proc), "dozeSysmonDelay(delay)")
	assert.Contains(t, string(proc), "dozeSysmonWait(&sched.sysmonnote, sleep)")
	netpoll, err := os.ReadFile(filepath.Join(src, "runtime/netpoll_epoll.go"))
	require.NoError(t, err)
	pacer, err := os.ReadFile(filepath.Join(src, "runtime/mgcpacer.go"))
	require.NoError(t, err)
	assert.Contains(t, string(pacer), "return dozeMemoryLimit()")
	assert.Contains(t, string(netpoll), "dozeNetpollWait(epfd, events[:], int32(len(events)), delay)")
}

func TestChangedToolchainIsRefused(t *testing.T) {
	for _, c := range []struct{ file, from, to, want string }{
		{"runtime/proc.go", "usleep(delay)", "usleep(2 * delay)", "runtime/proc.go: 0 calls usleep(delay)"},
		{"runtime/time_linux_amd64.s", "\tSYSCALL", "\tNOP", "runtime/time_linux_amd64.s: 0 SYSCALL"},
	} {
		t.Run(c.file, func(t *testing.T) {
			_, src := goroot(t)
			path := filepath.Join(src, c.file)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(data), c.from, c.to)), 0o644))
			err = seam.apply(src)
			assert.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "use an unmodified release")
		})
	}
	_, src := goroot(t)
	require.NoError(t, os.Remove(filepath.Join(src, "runtime/netpoll_epoll.go")))
	assert.ErrorContains(t, seam.apply(src), "netpoll_epoll.go")
}

func TestFindNeedsGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Find(context.Background(), "")
	assert.ErrorContains(t, err, "install Go")
}

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path)
	require.NoError(t, err)
	// flock(1) takes the same lock from another process.
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("no flock command")
	}
	assert.Error(t, exec.Command("flock", "-n", path, "true").Run())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Lock(ctx, path)
	assert.ErrorIs(t, err, context.Canceled)
	unlock()
	assert.NoError(t, exec.Command("flock", "-n", path, "true").Run())
}
