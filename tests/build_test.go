package tests

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ageKeygen is a program somebody else wrote, with dependencies.
const ageKeygen = "filippo.io/age/cmd/age-keygen@latest"

func TestForeignProgram(t *testing.T) {
	needModule(t, "filippo.io/age@latest")
	key := regexp.MustCompile(`AGE-SECRET-KEY-1[0-9A-Z]{58}`)
	onEach(t, func(t *testing.T, m machine) {
		seen := map[string]bool{}
		for range 2 {
			r := m.run(t, image(t, ageKeygen))
			require.Equal(t, 0, r.status, r.stderr)
			found := key.FindString(r.stdout)
			assert.NotEmpty(t, found, r.stdout)
			seen[found] = true
		}
		assert.Len(t, seen, 2, "a fresh key each time")
	})
}

// needModule skips the test if a module can't be had: that is the network's
// fault, not the program's.
func needModule(t *testing.T, module string) {
	if os.Getenv("DOZE_IMAGES") != "" {
		return // the image is there or not
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "list", "-m", module)
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("the module proxy can't be reached: go list -m %s: %v: %s", module, err, out)
	}
}

// refused is a package doze build can't make an image of. The error is one line,
// the status 125, and no file is left.
func TestBuildRefuses(t *testing.T) {
	switch {
	case os.Getenv("DOZE_IMAGES") != "":
		t.Skip("no Go toolchain here to build with")
	case os.Getenv("DOZE_TIER") == "kvm":
		t.Skip("needs no machine: the qemu tier runs it")
	}
	for _, c := range []struct {
		name, pkg string
		files     map[string]string
		says      []string
	}{
		{name: "a stray SYSCALL", pkg: "../apps/syscallstray", says: []string{"SYSCALL", "rawcall"}},
		{name: "not a main package", pkg: "../ci/rules", says: []string{"main"}},
		{name: "no such package", pkg: "./nowhere", says: []string{"nowhere"}},
		{name: "cgo", files: map[string]string{
			"go.mod":  "module example.test/cgo\n\ngo 1.26\n",
			"main.go": "package main\n\n// int one(void) { return 1; }\nimport \"C\"\n\nfunc main() { println(C.one()) }\n",
		}, says: []string{"cgo"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "refused.doze")
			cmd := exec.Command(doze, "build", "-o", target, c.pkg)
			if c.files != nil {
				cmd.Dir = t.TempDir()
				cmd.Args[len(cmd.Args)-1] = "."
				for name, text := range c.files {
					require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, name), []byte(text), 0o600))
				}
			}
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			assert.Equal(t, 125, cmd.ProcessState.ExitCode())
			for _, word := range c.says {
				assert.Contains(t, string(out), word)
			}
			assert.NotContains(t, string(out), "goroutine ")
			left, err := os.ReadDir(filepath.Dir(target))
			require.NoError(t, err)
			assert.Empty(t, left, "nothing half written")
		})
	}
}

// What is no image is refused in one line that says what and where.
func TestRunRefuses(t *testing.T) {
	whole, err := os.ReadFile(app(t, "hello"))
	require.NoError(t, err)
	own, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	flipped := append([]byte(nil), whole...)
	flipped[18] = 0xb7 // e_machine: AArch64
	for name, bytes := range map[string][]byte{
		"empty":         {},
		"text":          []byte("Hello"),
		"truncated":     whole[:len(whole)/2],
		"a header":      whole[:64],
		"other machine": flipped,
		"no image":      own, // an ELF executable without a PVH note
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "bad.doze")
			require.NoError(t, os.WriteFile(file, bytes, 0o600))
			onEach(t, func(t *testing.T, m machine) {
				r := m.run(t, file)
				assert.Equal(t, 125, r.status)
				assert.Empty(t, r.stdout)
				assert.Contains(t, r.stderr, "bad.doze")
				assert.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
			})
		})
	}
}

func TestTooLittleMemory(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, "--memory", "2M", app(t, "hello"))
		assert.Equal(t, 125, r.status)
		assert.Empty(t, r.stdout)
		assert.Regexp(t, `(?i)memory.*\d`, r.stderr, "says how much it needs")
	})
}
