package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Many machines in one process: all sleep, none wakes, all answer, nothing is
// left behind.
func TestDensity(t *testing.T) {
	if tier := os.Getenv("DOZE_TIER"); tier == "qemu" {
		t.Skip("density runs on /dev/kvm: the kvm tier tests it")
	}
	if why := needsKVM(); why != "" {
		t.Skip(why)
	}
	const instances = 20
	file := filepath.Join(t.TempDir(), "report.json")
	out, err := exec.Command(doze, "density", "-n", "20", "--duration", "5s", "--json", file, app(t, "idle")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	t.Logf("%s", text)
	var report struct {
		Instances, Alive, Asleep, Answered, Wakeups int
		LeftBehind                                  int `json:"left_behind"`
	}
	require.NoError(t, json.Unmarshal(text, &report))
	assert.Equal(t, instances, report.Instances)
	assert.Equal(t, instances, report.Alive)
	assert.Equal(t, instances, report.Asleep)
	assert.Equal(t, instances, report.Answered)
	assert.Zero(t, report.Wakeups)
	assert.Zero(t, report.LeftBehind)
}
