package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Databases keep what is written, by mappings, locks and syncs of all kinds, and answer a second
// open as they do in a process. Their modules are large: long tests alone download them.
func TestStores(t *testing.T) {
	if os.Getenv("DOZE_LONG") != "1" || os.Getenv("DOZE_IMAGES") != "" {
		t.Skip("DOZE_LONG=1 builds the stores")
	}
	file := filepath.Join(t.TempDir(), "stores.doze")
	bin, err := filepath.Abs(doze)
	require.NoError(t, err)
	build := exec.Command(bin, "build", "-o", file, ".")
	build.Dir = "testdata/stores"
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	native := filepath.Join(t.TempDir(), "stores")
	build = exec.Command("go", "build", "-o", native, ".")
	build.Dir = "testdata/stores"
	out, err = build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	onEach(t, func(t *testing.T, m machine) {
		for _, store := range []string{"bbolt", "sqlite", "goleveldb", "pebble", "badger", "bleve"} {
			want, err := exec.Command(native, store).Output()
			require.NoError(t, err, "%s", want)
			require.Contains(t, string(want), "stores: "+store+" is whole\n")
			for _, cpus := range []string{"1", "2"} {
				r := m.run(t, "--cpus", cpus, "--memory", "512M", file, store)
				assert.Equal(t, string(want), r.stdout, "on %s CPUs: %s", cpus, r.stderr)
			}
			t.Logf("%s", want)
		}
	})
}
