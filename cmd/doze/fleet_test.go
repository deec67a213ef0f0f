package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/api"
	"github.com/doze-vm/doze/hostvmm/registry"
	"github.com/doze-vm/doze/hostvmm/vm"
)

func TestBytesText(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0B", 1023: "1023B", 1024: "1.0K", 10 << 10: "10K", 64 << 20: "64M", 1<<30 - 1: "1.0G", 1536 << 20: "1.5G", 5 << 40: "5.0T", 1 << 63: "8388608T",
	} {
		assert.Equal(t, want, bytesText(n))
	}
}

func TestAgeText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", time.Minute: "1m00s", 3599 * time.Second: "59m59s", 25 * time.Hour: "1d01h", 23*time.Hour + 5*time.Minute: "23h05m",
	} {
		assert.Equal(t, want, ageText(d))
	}
}

// stats are those of a machine at a time, whose vCPU ran, was ready and woke so much.
func stats(at time.Duration, run, steal time.Duration, woken uint64) api.Stats {
	return api.Stats{
		Time: time.Unix(0, int64(at)), CPUs: vm.CPUs{Each: []vm.CPU{{Run: uint64(run), Steal: uint64(steal)}}},
		Sleeps: api.Sleeps{ByEvent: woken}, Exits: map[string]uint64{"park": woken, "signal": 1000 * woken},
	}
}

func TestRates(t *testing.T) {
	var r topRow
	r.rates(stats(0, 0, 0, 5), stats(2*time.Second, time.Second, time.Second/2, 15))
	assert.Equal(t, topRow{cpu: 50, steal: 25, exits: 5, wakeups: 5}, r)
	r = topRow{}
	r.rates(stats(1, 1, 1, 1), stats(1, 2, 2, 2))
	assert.Equal(t, topRow{}, r, "no time between the two")
}

func TestTopSorts(t *testing.T) {
	rows := func() []topRow {
		return []topRow{
			{id: "1", name: "b", cpu: 1, steal: 5, resident: 3, exits: 1, wakeups: 9}, {id: "2", name: "a", cpu: 2, steal: 4, resident: 3, exits: 3, wakeups: 8},
			{id: "3", name: "c", cpu: 3, steal: 6, resident: 9, exits: 2, wakeups: 7},
		}
	}
	for by, want := range map[string]string{sortName: "abc", sortCPU: "cab", sortSteal: "cba", sortMemory: "cab", sortExits: "acb", sortWakeups: "bac"} {
		f := topFlags{sort: "x"}
		require.NoError(t, f.key(sorts[by].key))
		assert.Equal(t, by, f.sort)
		got := rows()
		sortRows(got, by, false)
		assert.Equal(t, want, got[0].name+got[1].name+got[2].name, by)
	}
	got := rows()
	sortRows(got, sortCPU, true)
	assert.Equal(t, "b", got[0].name)
	f := topFlags{sort: sortCPU}
	for _, quit := range []byte{'q', 3, 27} {
		assert.ErrorIs(t, f.key(quit), errQuit)
	}
	require.NoError(t, f.key('r'))
	require.NoError(t, f.key('?'))
	assert.Equal(t, topFlags{sort: sortCPU, reverse: true}, f)
}

// Whatever the figures are, a line has at most 80 columns.
func TestTopFits(t *testing.T) {
	row := topRow{
		id: "0123456789ab", name: strings.Repeat("n", 63), state: "running", online: 64, most: 64, cpu: 6400, steal: 6400,
		resident: 1023 << 20, actual: 3840 << 20, exits: 1e9, wakeups: 1e9,
	}
	for _, line := range topLines([]topRow{row, {}}) {
		assert.LessOrEqual(t, len(line), 80, line)
	}
	screen := frame([]topRow{row, row, row, row}, topFlags{sort: sortCPU}, 40, 4)
	assert.Equal(t, 3, strings.Count(screen, termLineEnd), "the last line of a screen stays free: it would scroll")
	for _, line := range strings.Split(screen, termLineEnd) {
		line = strings.NewReplacer(termHome, "", termBold, "", termPlain, "", termClear, "").Replace(line)
		assert.LessOrEqual(t, len(line), 40)
	}
}

// quietMachine listens as a machine does and never answers.
func quietMachine(t *testing.T) registry.Machine {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "doze-cmd-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(base) })
	t.Setenv("XDG_RUNTIME_DIR", base)
	dir, err := registry.Dir()
	require.NoError(t, err)
	e, err := registry.Add(dir, "mute", "")
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return registry.Machine{ID: e.ID, Name: e.Name, Socket: e.Socket}
}

func TestMachinesThatDoNotAnswer(t *testing.T) {
	m := quietMachine(t)
	list, err := machines(nil)
	require.NoError(t, err)
	assert.Equal(t, []registry.Machine{m}, list)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	got, err := ask(ctx, list, func(ctx context.Context, c *api.Client) (api.Status, error) { return c.Status(ctx) })
	assert.Empty(t, got)
	assert.ErrorContains(t, err, "from mute")
	assert.Equal(t, map[string]bool{m.ID: true}, silent(err))
	_, err = machines([]string{"mute", "nobody"})
	assert.ErrorContains(t, err, `no machine "nobody"`)
	require.NoError(t, os.Remove(m.Socket))
	list, err = machines(nil)
	require.NoError(t, err)
	assert.Empty(t, list)
}

// A machine that does not answer is shown all the same.
func TestSilentMachinesAreListed(t *testing.T) {
	m := quietMachine(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	require.NoError(t, listMachines(ctx, &out, outputTable, false))
	assert.Regexp(t, m.ID+` +mute +silent +-`, out.String())
	out.Reset()
	require.NoError(t, listMachines(ctx, &out, outputJSON, false))
	var back []api.Status
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	require.Len(t, back, 1)
	assert.Equal(t, api.Status{ID: m.ID, Name: "mute", State: stateSilent}, back[0])
	var w watcher
	rows, err := w.look(ctx)
	require.NoError(t, err)
	assert.Equal(t, []topRow{{id: m.ID, name: "mute", state: stateSilent}}, rows)
}

// What is done with several machines is done with all that are there, at once.
func TestEachIsAllAtOnce(t *testing.T) {
	quietMachine(t)
	dir, err := registry.Dir()
	require.NoError(t, err)
	for _, name := range []string{"a", "b"} {
		e, err := registry.Add(dir, name, "")
		require.NoError(t, err)
		defer e.Close()
	}
	var out bytes.Buffer
	var meet sync.WaitGroup
	meet.Add(2)
	err = each(t.Context(), &out, []string{"a", "nobody", "b"}, func(context.Context, *api.Client) error {
		meet.Done()
		meet.Wait() // for ever, if one came after the other
		return nil
	})
	assert.EqualError(t, err, `no machine "nobody": doze ps lists those that run`)
	assert.ElementsMatch(t, []string{"a", "b"}, strings.Fields(out.String()))
}

// A name that another begins with is no mistake to act on, but one to explain.
func TestChooseSaysWhatBeginsSo(t *testing.T) {
	list := []registry.Machine{{ID: "757c44e64a4c", Name: "life-757c"}, {ID: "0123456789ab", Name: "web"}}
	_, err := choose(list, "life")
	assert.EqualError(t, err, `no machine "life": doze ps lists those that run: life-757c begins so`)
	m, err := choose(list, "757")
	require.NoError(t, err)
	assert.Equal(t, "life-757c", m.Name)
}

func TestWriteStats(t *testing.T) {
	all := []figures{{"0123456789ab", "web", stats(0, 1500*time.Millisecond, time.Second, 7)}}
	var out bytes.Buffer
	require.NoError(t, writeStats(&out, statsFlags{output: outputTable}, all))
	assert.Equal(t, "NAME  CPUS  RUN    STEAL  HALT   MEMORY  EXITS  WAKE-UPS\nweb   0/0   1.50s  1.00s  0.00s  0B/0B   7      7\n", out.String())
	out.Reset()
	require.NoError(t, writeStats(&out, statsFlags{output: outputJSON, interval: time.Second}, all))
	assert.Equal(t, 1, strings.Count(out.String(), "\n"), "a line each")
	var back figures
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	assert.Equal(t, "web", back.Name)
	assert.EqualValues(t, 7, back.Sleeps.ByEvent)
}

func TestMachineCommandsRefuse(t *testing.T) {
	quietMachine(t)
	for args, want := range map[string]string{
		"ps x": "unknown command", "ps -o xml": `--output "xml": use table or json`, "stats --interval 1ms": "use at least 100ms",
		"top --sort x": "use cpu, exits", "top -n -1": "use at least 1", "top --interval 0s": "use at least 100ms", "pause": "give the name or ID", "stop nobody": "doze ps lists",
		"cpus web": "give the name or ID of a machine and a number", "cpus mute x": `"x" is no number of vCPUs`, "cpus nobody 2": "doze ps lists",
		"balloon mute 64X": `"64X" is no size: write one as 64M`, "balloon nobody 64M": "doze ps lists", "profile --hz 0": "--hz: 0 is out of range", "profile nobody": "doze ps lists",
		"run --name a/b --vmm qemu x": "machines under QEMU have no API",
	} {
		status, stdout, stderr := runDoze(t, strings.Fields(args)...)
		assert.Equal(t, exitOwn, status, args)
		assert.Empty(t, stdout, args)
		assert.Contains(t, stderr, want, args)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), args)
	}
}

func TestServe(t *testing.T) {
	m := quietMachine(t)
	kvm := backend{vmm: vmmKVM}
	serve := func(f runFlags, b backend) (*served, error) {
		return f.serve(b, "x.doze", "prog", time.Now(), make(chan vm.Signal), func(error) {})
	}
	s, err := serve(runFlags{api: apiAuto}, kvm)
	require.NoError(t, err)
	assert.Regexp(t, `^prog-[0-9a-f]{4}$`, s.options.Name)
	list, err := machines(nil)
	require.NoError(t, err)
	assert.Len(t, list, 2)
	s.close()
	list, err = machines(nil)
	require.NoError(t, err)
	assert.Equal(t, []registry.Machine{m}, list)

	for _, quiet := range []struct {
		f runFlags
		b backend
	}{{runFlags{api: apiNone}, kvm}, {runFlags{api: apiAuto}, backend{vmm: vmmQEMU}}} {
		s, err = serve(quiet.f, quiet.b)
		require.NoError(t, err)
		require.Nil(t, s)
		s.attach(nil)()
		s.close()
	}
	_, err = serve(runFlags{api: apiAuto, name: "mute"}, kvm)
	assert.ErrorIs(t, err, registry.ErrTaken)
	f := runFlags{api: apiNone, name: "x"}
	assert.ErrorContains(t, f.checkAPI(kvm), "without an API")
	f = runFlags{api: apiAuto, name: "a/b"}
	assert.ErrorContains(t, f.checkAPI(kvm), "use at most 63 letters")
	f = runFlags{api: "x"}
	assert.NoError(t, f.checkAPI(kvm))

	// A machine that nobody asked to be found runs all the same.
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(t.TempDir(), "missing"))
	s, err = serve(runFlags{api: apiAuto}, kvm)
	require.NoError(t, err)
	assert.Nil(t, s)
	_, err = serve(runFlags{api: apiAuto, name: "x"}, kvm)
	assert.ErrorIs(t, err, os.ErrNotExist)

	socket := filepath.Join(t.TempDir(), "s")
	s, err = serve(runFlags{api: socket}, kvm)
	require.NoError(t, err)
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	c.Close()
	s.close()
	assert.NoFileExists(t, socket)
}
