package control

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/vm"
)

// The names in a crash report are those of what the machine ran, whatever became of
// the file; a file that was written to gives none.
func TestReportsOfAnImageThatIsGone(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	program, err := os.ReadFile(self)
	require.NoError(t, err)
	pc := uint64(reflect.ValueOf(TestReportsOfAnImageThatIsGone).Pointer())
	const name = "control.TestReportsOfAnImageThatIsGone(...)"
	for what, c := range map[string]struct {
		happens func(path string) error
		want    string
	}{
		"nothing":      {func(string) error { return nil }, name},
		"removed":      {os.Remove, name},
		"replaced":     {func(path string) error { return os.Rename(other(t), path) }, name},
		"written over": {func(path string) error { return os.WriteFile(path, []byte("else"), 0o600) }, "was written to since the machine was started"},
	} {
		path := filepath.Join(t.TempDir(), "image")
		require.NoError(t, os.WriteFile(path, program, 0o600))
		k, err := Keep(path)
		require.NoError(t, err)
		require.NoError(t, c.happens(path), what)
		for range 2 {
			var out bytes.Buffer
			require.NoError(t, k.WriteReport(&out, &vm.Crash{Text: "x", PCs: []uint64{pc}}))
			assert.Contains(t, out.String(), c.want, what)
		}
		require.NoError(t, k.Close())
	}
}

// other is another program than the test.
func other(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(name, []byte("another image"), 0o600))
	return name
}

func TestAnImageThatIsKeptIsLocked(t *testing.T) {
	path := other(t)
	k, err := Keep(path)
	require.NoError(t, err)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	lock := func() error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
	assert.ErrorIs(t, lock(), syscall.EWOULDBLOCK)
	require.NoError(t, k.Close())
	assert.NoError(t, lock())
}
