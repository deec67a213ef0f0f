package gobuild

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPruneLeavesWhatIsUsed(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	old := time.Now().Add(-staleAfter - time.Hour)
	for _, name := range []string{"old.doze", "running.doze", "old.lock", "new.doze"} {
		require.NoError(t, os.WriteFile(at(name), nil, 0o600))
		if name != "new.doze" {
			require.NoError(t, os.Chtimes(at(name), old, old))
		}
	}
	f, err := os.Open(at("running.doze"))
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(f.Fd()), syscall.LOCK_SH))
	prune(dir)
	assert.NoFileExists(t, at("old.doze"))
	for _, name := range []string{"running.doze", "old.lock", "new.doze"} {
		assert.FileExists(t, at(name))
	}
	f.Close()
	prune(dir)
	assert.NoFileExists(t, at("running.doze"))
}
