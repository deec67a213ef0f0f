package tests

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var freeLine = regexp.MustCompile(`(?m)^free KiB: (\d+) before, (\d+) after \d+ were used, (\d+) in the end$`)

// What the program dropped goes back to the machine while it is idle.
func TestFreedMemoryIsReturned(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, app(t, "idle"), "-free", "40", "-settle", "3s", "-for", "1s")
		r.ok(t)
		t.Log(r.stdout)
		found := freeLine.FindStringSubmatch(r.stdout)
		require.NotNil(t, found, r.stdout)
		var kib [3]int
		for i := range kib {
			n, err := strconv.Atoi(found[i+1])
			require.NoError(t, err)
			kib[i] = n
		}
		before, low, end := kib[0], kib[1], kib[2]
		require.Less(t, low, before-32<<10, "the program used its 40 MiB")
		assert.Greater(t, end, before-8<<10, "all but what Go keeps is free again")
	})
}

// A program that needs more than there is ends with Go's own words.
func TestOutOfMemory(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, "--memory", "32M", app(t, "idle"), "-free", "64")
		assert.Equal(t, 2, r.status)
		assert.Contains(t, r.stderr, "out of memory")
	})
}

// The machine's memory is the collector's limit: half of it in use and garbage of
// several times the rest fit, which without a limit they would not.
func TestMemoryIsTheLimit(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		r := m.run(t, "--memory", "32M", app(t, "limits"))
		r.ok(t)
		assert.Equal(t, "limits: the garbage was collected in time\n", r.constant())

		r = m.run(t, "--memory", "32M", "--env", "GOMEMLIMIT=1TiB", app(t, "limits"))
		assert.Equal(t, 2, r.status)
		assert.Contains(t, r.stderr, "out of memory")

		r = m.run(t, "--memory", "32M", app(t, "limits"), "-huge")
		assert.Equal(t, 2, r.status)
		assert.Regexp(t, `the program wants \d+ MiB at once, the machine has 3\d MiB, \d+ of them free; give it more with --memory`, r.stderr)
		assert.Contains(t, r.stderr, "fatal error: runtime: out of memory")
	})
}

// A page that comes free while another vCPU stores into it is zero when it is used
// again.
func TestFreshPagesAreZero(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []string{"2", "4"} {
			r := m.run(t, "--cpus", cpus, app(t, "zeroed"), "-for", long("300ms", "10s"))
			r.ok(t)
			for _, way := range []string{"runs", "tables", "blocks", "pieces", "protected", "replaced", "truncated", "punched", "copied"} {
				assert.Contains(t, r.stdout, "zeroed: "+way+": went round: true, fresh pages that were not zero: 0\n")
			}
		}
	})
}

// Long calls about memory from several threads at a time, each served in slices, keep
// their word, and what they give back comes back.
func TestLongCallsAtATime(t *testing.T) {
	onEach(t, func(t *testing.T, m machine) {
		for _, cpus := range []string{"1", "2", "4"} {
			r := m.run(t, "--cpus", cpus, "--memory", "256M", app(t, "remaps"), "-for", long("500ms", "20s"))
			r.ok(t)
			assert.Equal(t, "remaps: memory came back: true\n", r.stdout)
		}
	})
}
