package tests

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const bulkTranscript = `writes at one position: 16777216 bytes, 2 runs
appends: 16777216 bytes, 2 runs
reads from one position: 8388608 bytes
copy: 8388608, errno 0, position 8388608, 8388608 bytes, 1 runs
truncate beside a write: all or nothing
truncate of a name that goes: one of them
`

// Calls about files that go in slices are as whole as Linux's.
func TestLongCallsAboutFilesAreWhole(t *testing.T) {
	for _, cpus := range []string{"1", "4"} {
		t.Run(cpus+" CPUs", func(t *testing.T) {
			onEach(t, func(t *testing.T, m machine) {
				r := m.run(t, "--cpus", cpus, "--memory", "256M", app(t, "bulk"))
				require.Equal(t, 0, r.status, "%s", r.stderr)
				assert.Equal(t, bulkTranscript, r.stdout)
			})
		})
	}
}

func TestLongCallsOfTheHost(t *testing.T) {
	assert.Equal(t, bulkTranscript, asProcess(t, "bulk"), "the transcript is that of a process")
}
