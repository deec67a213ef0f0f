package tests

import (
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

func TestMappingsOfTheHost(t *testing.T) {
	if os.Getenv("DOZE_IMAGES") != "" {
		t.Skip("no Go toolchain here to build with")
	}
	program := filepath.Join(t.TempDir(), "mappings")
	out, err := exec.Command("go", "build", "-o", program, "../apps/mappings").CombinedOutput()
	require.NoError(t, err, "%s", out)
	got, err := exec.Command(program).Output()
	require.NoError(t, err)
	assert.Equal(t, mappingsTranscript, string(got), "the transcript is that of a process")
}
