package tests

import (
	"bytes"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

//go:embed testdata/mappings.txt
var mappingsTranscript string

// Mappings of files and memory show, and are refused, what they are on Linux.
func TestMappings(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []string{"1", "2"} {
			r := m.run(t, "--cpus", cpus, app(t, "mappings"))
			r.ok(t)
			assert.Equal(t, mappingsTranscript, r.stdout)
		}
	})
}

// A file that the image carries is mapped where it lies.
func TestMappingsOfCarriedFiles(t *testing.T) {
	if os.Getenv("DOZE_IMAGES") != "" {
		t.Skip("no Go toolchain here to build with")
	}
	dir := t.TempDir()
	text := bytes.Repeat([]byte("carried along\n"), 200_001)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "large"), text, 0o644))
	file := filepath.Join(t.TempDir(), "carrying.doze")
	out, err := exec.Command(doze, "build", "--embed", dir+":/data", "-o", file, "../apps/mappings").CombinedOutput()
	require.NoError(t, err, "%s", out)
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, file, "/data/large")
		r.ok(t)
		assert.Equal(t, `mappings: as it is read: true true
mappings: zero behind it: true
mappings: taken for that: 0 KiB
mappings: a copy: 1 true true
mappings: made writable: permission denied
`, r.stdout)
	})
}

func TestMappingsOfTheHost(t *testing.T) {
	assert.Equal(t, mappingsTranscript, asProcess(t, "mappings"), "the transcript is that of a process")
}
