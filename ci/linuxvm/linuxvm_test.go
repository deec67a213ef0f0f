package linuxvm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBoot(t *testing.T) {
	for _, tool := range []string{"qemu-system-x86_64", "cpio"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	if k, _ := filepath.Glob("/boot/vmlinuz-*-cloud-amd64"); k == nil {
		t.Skip("no cloud kernel installed")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "hello")
	build := exec.Command("go", "build", "-o", program, "../../apps/hello")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	vm, err := New(dir, program)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var console bytes.Buffer
	require.NoError(t, vm.Run(ctx, &console, 256<<20, "a"), "console: %s", &console)
	assert.Contains(t, console.String(), "Hello from a Go program.")
	assert.Contains(t, console.String(), `args: ["a"]`)
	assert.Contains(t, console.String(), "(Linux process)")
}

func TestMissingProgram(t *testing.T) {
	_, err := New(t.TempDir(), "nowhere")
	require.Error(t, err)
}
