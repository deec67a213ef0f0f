package tests

import (
	_ "embed"
	"testing"

	"github.com/stretchr/testify/assert"
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
	assert.Equal(t, filesTranscript, asProcess(t, "files"), "the transcript is that of a process")
}
