package tests

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	pprof "github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/profile"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// output collects what a machine writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) has(text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Contains(o.text.Bytes(), []byte(text))
}

// boot starts an image in this process and waits until it says that it is ready.
func boot(t *testing.T, image string, args ...string) *hostvmm.Machine {
	t.Helper()
	im, err := loader.Open(image)
	require.NoError(t, err)
	defer im.Close()
	h, err := hostvmm.OpenHost()
	require.NoError(t, err)
	defer h.Close()
	var out output
	m, err := hostvmm.New(h, im, vm.Config{
		Image: image, Args: args, Memory: 64 << 20, CPUs: 1, Stdout: &out, Stderr: io.Discard,
	}, hostvmm.Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _, _ = m.Run(ctx); close(ended) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		assert.NoError(t, m.Close())
	})
	require.Eventually(t, func() bool { return out.has("ready\n") }, limit, 10*time.Millisecond)
	return m
}

// settle waits until a machine has slept for a while.
func settle(t *testing.T, m *hostvmm.Machine) hostvmm.Stats {
	t.Helper()
	const quiet = 2 * time.Second
	last, since := m.Stats(), time.Now()
	require.Eventually(t, func() bool {
		if now := m.Stats(); !assert.ObjectsAreEqual(last, now) || !m.Parked() {
			last, since = now, time.Now()
		}
		return time.Since(since) > quiet
	}, limit, 20*time.Millisecond)
	return last
}

// The profile of everything names the busy guest's functions with their right
// shares, and takes nothing from those that sleep.
func TestProfileOfEverything(t *testing.T) {
	if os.Getenv("DOZE_TIER") == "qemu" {
		t.Skip("the host samples machines on /dev/kvm: the kvm tier tests it")
	}
	if why := needsKVM(); why != "" {
		t.Skip(why)
	}
	images := map[string]string{"hot": app(t, "hot"), "idle1": app(t, "idle"), "idle2": app(t, "idle")}
	machines := map[string]*hostvmm.Machine{}
	for _, name := range []string{"idle1", "idle2", "hot"} {
		machines[name] = boot(t, images[name])
	}
	before := map[string]hostvmm.Stats{}
	for _, name := range []string{"idle1", "idle2"} {
		before[name] = settle(t, machines[name])
	}
	var sources []profile.Source
	for name, m := range machines {
		sources = append(sources, profile.Source{Name: name, Open: func(ctx context.Context) (io.ReadCloser, error) {
			p, err := profile.Take(ctx, m, profile.Options{
				Name: name, Image: images[name], Hz: profile.DefaultHz, Duration: 20 * time.Second, VMM: name == "hot",
			})
			if err != nil {
				return nil, err
			}
			var file bytes.Buffer
			return io.NopCloser(&file), p.Write(&file)
		}})
	}
	p, err := profile.Collect(t.Context(), sources)
	require.NoError(t, err)
	for name, stats := range before {
		assert.Equal(t, stats, machines[name].Stats(), "%s was woken", name)
		assert.Zero(t, cpuOf(p, name, "guest", ""), "%s was charged", name)
	}
	all := cpuOf(p, "hot", "guest", "")
	three, one := cpuOf(p, "hot", "guest", "main.hotThree"), cpuOf(p, "hot", "guest", "main.hotOne")
	share := float64(three) / float64(three+one)
	t.Logf("%v of CPU time in the guest: hotThree %v, hotOne %v (share of the first %.3f); VMM %v; %v",
		all, three, one, share, cpuOf(p, "hot", "vmm", ""), p.Comments)
	assert.InDelta(t, 0.75, share, 0.05)
	assert.Greater(t, float64(three+one), 0.8*float64(all), "something else was busy")
	assert.InEpsilon(t, float64(three+one), float64(cpuOf(p, "hot", "guest", "main.work")), 0.05, "callers are missing")
}

// cpuOf is the CPU time of a part of a machine's samples, those with a function in
// the stack if one is given.
func cpuOf(p *pprof.Profile, machine, part, function string) (d time.Duration) {
	for _, s := range p.Sample {
		if s.Label["machine"][0] == machine && s.Label["part"][0] == part && inStack(s, function) {
			d += time.Duration(s.Value[1])
		}
	}
	return d
}
