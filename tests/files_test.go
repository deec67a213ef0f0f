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

// filesTranscript is what apps/files prints wherever it runs.
//
//go:embed testdata/files.txt
var filesTranscript string

func TestFiles(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "files"))
		r.ok(t)
		assert.Equal(t, filesTranscript, r.stdout)
	})
}

func TestFilesOfTheHost(t *testing.T) {
	if os.Getenv("DOZE_IMAGES") != "" {
		t.Skip("no Go toolchain here to build with")
	}
	program := filepath.Join(t.TempDir(), "files")
	out, err := exec.Command("go", "build", "-o", program, "../apps/files").CombinedOutput()
	require.NoError(t, err, "%s", out)
	got, err := exec.Command(program).Output()
	require.NoError(t, err)
	assert.Equal(t, filesTranscript, string(got), "the transcript is that of a process")
}
