package port_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	doze "github.com/doze-vm/doze"
	"github.com/doze-vm/doze/runtime_pv/port"
	"github.com/doze-vm/doze/runtime_pv/port/standin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTreeForEachToolchain(t *testing.T) {
	for _, tc := range standin.Toolchains(t) {
		t.Run(tc.Version, func(t *testing.T) {
			p := &port.Port{Sources: doze.Sources, Cache: t.TempDir()}
			root, err := p.Derive(t.Context(), tc)
			require.NoError(t, err)
			again, err := p.Derive(t.Context(), tc)
			require.NoError(t, err)
			assert.Equal(t, root, again)

			// go:embed refuses symbolic links, so what is not source is a file.
			info, err := os.Lstat(filepath.Join(root, "src/crypto/internal/fips140/check/checktest/asm_amd64.s"))
			require.NoError(t, err)
			assert.NotZero(t, info.Mode()&os.ModeSymlink)
			info, err = os.Lstat(filepath.Join(root, "src/embed/internal/embedtest/testdata/hello.txt"))
			require.NoError(t, err)
			assert.True(t, info.Mode().IsRegular())

			entry, err := os.Lstat(filepath.Join(root, "src/runtime/rt0_linux_amd64.s"))
			require.NoError(t, err)
			assert.True(t, entry.Mode().IsRegular(), "replaced, not linked")
			out, err := tc.Command(context.Background(), root, t.TempDir(), "list", "std").CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Contains(t, string(out), "internal/runtime/doze/abi\n")
		})
	}
}

func TestConcurrentBuildsShareOneTree(t *testing.T) {
	tc := standin.Toolchains(t)[0]
	cache := t.TempDir()
	roots := make([]string, 4)
	var wait sync.WaitGroup
	for i := range roots {
		wait.Go(func() {
			p := &port.Port{Sources: doze.Sources, Cache: cache}
			root, err := p.Derive(t.Context(), tc)
			assert.NoError(t, err)
			roots[i] = root
		})
	}
	wait.Wait()
	for _, root := range roots {
		assert.Equal(t, roots[0], root)
	}
	found, err := filepath.Glob(filepath.Join(cache, "*goroot-*"))
	require.NoError(t, err)
	assert.Len(t, found, 1)
}

func TestOtherSourcesMakeAnotherTree(t *testing.T) {
	tc := standin.Toolchains(t)[0]
	cache := t.TempDir()
	sources := standin.Sources(t, tc)
	one, err := (&port.Port{Sources: sources, Cache: cache}).Derive(t.Context(), tc)
	require.NoError(t, err)
	sources["kernel/mem/mem.go"].Data = append(sources["kernel/mem/mem.go"].Data, "// more\n"...)
	two, err := (&port.Port{Sources: sources, Cache: cache}).Derive(t.Context(), tc)
	require.NoError(t, err)
	assert.NotEqual(t, one, two)
	data, err := os.ReadFile(filepath.Join(two, "src/internal/runtime/doze/mem/mem.go"))
	require.NoError(t, err)
	assert.Contains(t, string(data), `import "internal/runtime/doze/abi"`)
	assert.NoFileExists(t, filepath.Join(two, "src/internal/runtime/doze/mem/mem_test.go"))
}

func TestDeriveRefuses(t *testing.T) {
	tc := standin.Toolchains(t)[0]
	const std = "runtime_pv/goroot/_std/runtime/x.go"
	for _, c := range []struct {
		name, want string
		version    string
		sources    fstest.MapFS
	}{
		{"old Go", "not supported", "go1.25.1", fstest.MapFS{}},
		{"unknown guest package", "no guest package internal/runtime/doze/gone", tc.Version,
			fstest.MapFS{std: {Data: []byte("package runtime\nimport _ \"internal/runtime/doze/gone\"\n")}}},
		{"missing guest package", "guest package kernel/gone", tc.Version,
			fstest.MapFS{std: {Data: []byte("package runtime\nimport _ \"github.com/doze-vm/doze/kernel/gone\"\n")}}},
		{"no sources", "sources of the guest", tc.Version, fstest.MapFS{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cache := t.TempDir()
			p := &port.Port{Sources: c.sources, Cache: cache}
			_, err := p.Derive(t.Context(), port.Toolchain{Version: c.version, GOROOT: tc.GOROOT})
			assert.ErrorContains(t, err, c.want)
			left, err := filepath.Glob(filepath.Join(cache, "*goroot-*"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

// go.mod's toolchain line decides, not the go command in PATH.
func TestFindHonoursGoMod(t *testing.T) {
	found := standin.Toolchains(t)
	if len(found) < 2 {
		t.Skip("one toolchain on this machine")
	}
	t.Setenv("GOTOOLCHAIN", "auto")
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOPROXY", "off")
	for _, tc := range found[1:] {
		dir := standin.Module(t, map[string]string{"go.mod": "module m\n\ngo 1.26\n\ntoolchain " + tc.Version + "\n"})
		got, err := port.Find(context.Background(), dir)
		require.NoError(t, err)
		assert.Equal(t, tc, got)
	}
}
