package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the compiler says of code that runs beneath the Go runtime: -+ compiles a
// package as it compiles package runtime, where nothing may escape to the heap, and
// -d=wb lists the write barriers that it puts in.
var guestChecks = []string{"-gcflags=-+", "-gcflags=-d=wb"}

func compiled(t *testing.T, dir, check string, packages ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"build", check}, packages...)...)
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// Guest packages never allocate, and never store a pointer of the heap.
func TestGuestPackagesNeitherAllocateNorStoreGoPointers(t *testing.T) {
	list := exec.Command("go", "list", "./kernel/...", "./drivers/...")
	list.Dir = root
	out, err := list.Output()
	require.NoError(t, err)
	var packages []string
	for _, p := range strings.Fields(string(out)) {
		if !strings.Contains(p, "/kernel/boot") { // the blob's making, on the host
			packages = append(packages, p)
		}
	}
	require.NotEmpty(t, packages)
	for _, check := range guestChecks {
		assert.Empty(t, compiled(t, root, check, packages...), check)
	}
}

// The compiler does say so.
func TestGuestChecksFind(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module x\n\ngo 1.26\n",
		"x.go":   "package x\n\nvar kept *int\n\nfunc Escapes() *int { v := 1; return &v }\n\nfunc Stores(p *int) { kept = p }\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	assert.Contains(t, compiled(t, dir, guestChecks[0], "."), "heap")
	assert.Contains(t, compiled(t, dir, guestChecks[1], "."), "write barrier")
}
