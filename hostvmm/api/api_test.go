package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm"
	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/hostvmm/park"
	"github.com/doze-vm/doze/hostvmm/registry"
	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// fake is a machine that does as it is told, within bounds as a real one.
type fake struct {
	mu      sync.Mutex
	cpus    vm.CPUs
	memory  vm.Memory
	paused  bool
	ended   bool
	veto    int
	signals []syscall.Signal
}

func newFake() *fake {
	return &fake{
		cpus: vm.CPUs{Online: 1, Target: 1, Max: 4, Each: []vm.CPU{{State: vm.CPUParked, Run: 5e9, Steal: 1e9, Parked: 2e9}}},
		memory: vm.Memory{Boot: 64 << 20, Max: 128 << 20, Target: 64 << 20, Actual: 64 << 20, Resident: 5 << 20,
			Guest: map[string]uint64{"free": 7, "major_faults": 3}},
	}
}

func (f *fake) lock() func() { f.mu.Lock(); return f.mu.Unlock }

func (f *fake) SetBalloon(target uint64) error {
	defer f.lock()()
	if target < 4<<20 || target > f.memory.Max {
		return errors.New("out of range")
	}
	f.memory.Target = target
	return nil
}

func (f *fake) SetCPUs(n int) error {
	defer f.lock()()
	switch {
	case n < 1 || n > f.cpus.Max:
		panic("out of range: the server must have refused it")
	case n == f.veto:
		return hostvmm.ErrVetoed
	}
	f.cpus.Online, f.cpus.Target = n, n
	return nil
}

func (f *fake) set(paused bool) error {
	defer f.lock()()
	if f.ended {
		return errors.New("the machine has ended")
	}
	f.paused = paused
	return nil
}

func (f *fake) MemoryStatus() vm.Memory { defer f.lock()(); return f.memory }
func (f *fake) CPUStatus() vm.CPUs      { defer f.lock()(); return f.cpus }
func (f *fake) Pause() error            { return f.set(true) }
func (f *fake) Resume() error           { return f.set(false) }
func (f *fake) Paused() bool            { defer f.lock()(); return f.paused }
func (f *fake) Running() bool           { defer f.lock()(); return !f.ended }
func (f *fake) Memory() []byte          { return make([]byte, 1<<20) }

func (f *fake) Stats() hostvmm.Stats {
	s := hostvmm.Stats{Exits: map[string]uint64{"park": 7}, Park: park.Counts{Sleeps: 5, Events: 2, Deadlines: 3},
		Queues: []hostvmm.Queue{{Device: "stdout", Name: "out", QueueCounts: virtio.QueueCounts{Notifies: 1, Requests: 2, Bytes: 3}}}}
	s.Park.Late.Classes[1], s.Park.Late.Classes[14], s.Park.Late.Sum = 2, 1, 3e9
	return s
}

func (f *fake) Sample(context.Context, sample.Options) (sample.Result, error) {
	return sample.Result{}, sample.ErrNotRunning
}

// serve serves a machine on a socket.
func serve(t *testing.T, f *fake) (*Client, *Server) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := registry.Listen(socket)
	require.NoError(t, err)
	s := newServer(f)
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); require.NoError(t, <-done) })
	return NewClient(socket), s
}

func newServer(f *fake) *Server {
	var s *Server
	s = New(f, Options{
		ID: "0123456789ab", Name: "web", Image: "/x/web.doze", Idle: vm.IdlePark, Version: "v", Started: time.Unix(1e9, 0).UTC(),
		Signal: func(sig syscall.Signal) { defer f.lock()(); f.signals = append(f.signals, sig) },
		Kill:   func() { func() { defer f.lock()(); f.ended = true }(); go s.Close() },
	})
	return s
}

func TestClientAndServer(t *testing.T) {
	f, ctx := newFake(), t.Context()
	c, _ := serve(t, f)
	s, err := c.Status(ctx)
	require.NoError(t, err)
	assert.Equal(t, "web", s.Name)
	assert.Equal(t, StateRunning, s.State)
	assert.Equal(t, f.memory, s.Memory)
	assert.Equal(t, f.cpus, s.CPUs)
	assert.Equal(t, time.Unix(1e9, 0).UTC(), s.Started)
	s, err = c.SetBalloon(ctx, 32<<20)
	require.NoError(t, err)
	assert.EqualValues(t, 32<<20, s.Memory.Target)
	s, err = c.SetCPUs(ctx, 3)
	require.NoError(t, err)
	assert.Equal(t, 3, s.CPUs.Online)
	for range 2 {
		s, err = c.Pause(ctx)
		require.NoError(t, err)
		assert.Equal(t, StatePaused, s.State)
	}
	for range 2 {
		s, err = c.Resume(ctx)
		require.NoError(t, err)
		assert.Equal(t, StateRunning, s.State)
	}
	figures, err := c.Stats(ctx)
	require.NoError(t, err)
	assert.Equal(t, Sleeps{5, 2, 3, 3e9}, figures.Sleeps)
	assert.Equal(t, map[string]uint64{"park": 7}, figures.Exits)
	assert.Equal(t, []Queue{{"stdout", "out", 1, 2, 3}}, figures.Queues)
	_, err = c.Profile(ctx, 1, 99)
	assert.ErrorContains(t, err, sample.ErrNotRunning.Error())
}

func TestErrorsNameTheField(t *testing.T) {
	f, ctx := newFake(), t.Context()
	f.veto = 2
	c, _ := serve(t, f)
	for _, r := range []struct {
		name string
		call func() error
		want Error
	}{
		{"balloon", func() error { _, err := c.SetBalloon(ctx, 1); return err }, Error{"out of range", "target_bytes", 400}},
		{"no vCPU", func() error { _, err := c.SetCPUs(ctx, 0); return err }, Error{"0 vCPUs: this machine can have 1 to 4", "count", 400}},
		{"many vCPUs", func() error { _, err := c.SetCPUs(ctx, 5); return err }, Error{"5 vCPUs: this machine can have 1 to 4", "count", 400}},
		{"veto", func() error { _, err := c.SetCPUs(ctx, 2); return err }, Error{hostvmm.ErrVetoed.Error(), "", 409}},
		{"signal", func() error { _, err := c.Stop(ctx, "FOO", 0); return err }, Error{`"FOO" is no signal: use a name, as TERM, or a number from 1 to 64`, "signal", 400}},
		{"timeout", func() error { _, err := c.Stop(ctx, "", -time.Second); return err }, Error{"-1: use 0 to 3600", "timeout_seconds", 400}},
		{"interval", func() error { return c.Watch(ctx, time.Millisecond, nil) }, Error{`"1ms": use a time from 100ms to 1h0m0s, as 1s`, "interval", 400}},
		{"rate", func() error { _, err := c.Profile(ctx, 1, 0); return err }, Error{"0 is out of range: use 1 to 1000", "hz", 400}},
	} {
		var got *Error
		require.ErrorAs(t, r.call(), &got, r.name)
		assert.Equal(t, r.want, *got, r.name)
	}
	assert.EqualValues(t, 64<<20, f.memory.Target)
	assert.Equal(t, 1, f.cpus.Target)
}

// request sends raw text to a server without a socket.
func request(s *Server, method, target, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://machine/", strings.NewReader(body))
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w
}

func TestBadRequests(t *testing.T) {
	const js = contentJSON
	for _, c := range []struct {
		method, path, kind, body string
		status                   int
		field, text              string
	}{
		{"PUT", pathBalloon, js, ``, 400, "target_bytes", "it is missing"},
		{"PUT", pathBalloon, js, `{}`, 400, "target_bytes", "it is missing"},
		{"PUT", pathBalloon, js, `null`, 400, "", "the body is null: send an object"},
		{"PUT", pathBalloon, js, `{"target_bytes":"64M"}`, 400, "target_bytes", "a JSON string can't be used here: send a value of type uint64"},
		{"PUT", pathBalloon, js, `{"target_bytes":-1}`, 400, "target_bytes", "a JSON number -1 can't be used here: send a value of type uint64"},
		{"PUT", pathBalloon, js, `{"target_bytes":1.5}`, 400, "target_bytes", "a JSON number 1.5 can't be used here: send a value of type uint64"},
		{"PUT", pathBalloon, js, `{"target_bytes":99999999999999999999}`, 400, "target_bytes", "can't be used here"},
		{"PUT", pathBalloon, js, `{"target":1}`, 400, "target", "there is no such field"},
		{"PUT", pathBalloon, js, `{"target_bytes":33554432}{}`, 400, "", "there is more behind the JSON object"},
		{"PUT", pathBalloon, js, `[1]`, 400, "", "the body is a JSON array: send an object"},
		{"PUT", pathBalloon, js, `{"target_bytes":`, 400, "", "the body is no JSON object: unexpected EOF"},
		{"PUT", pathBalloon, "", `{"target_bytes":33554432}`, 415, "", "send application/json"},
		{"PUT", pathBalloon, "text/plain", `{"target_bytes":33554432}`, 415, "", "send application/json"},
		{"PUT", pathBalloon, js, `{"x":"` + strings.Repeat("x", maxBody) + `"}`, 413, "", "the body has more than 65536 bytes"},
		{"PUT", pathBalloon + "?x=1", js, `{"target_bytes":33554432}`, 400, "x", "there is no such field: this call has none"},
		{"PUT", pathCPUs, js, `{"count":"2"}`, 400, "count", "a JSON string can't be used here: send a value of type int"},
		{"POST", pathPause, js, `{"now":true}`, 400, "now", "there is no such field"},
		{"POST", pathStop, js, `{"signal":9}`, 400, "signal", "a JSON number can't be used here: send a value of type string"},
		{"GET", pathBalloon, "", ``, 405, "", `"GET" is no method of /v1/balloon: use PUT`},
		{"DELETE", pathStatus, "", ``, 405, "", `"DELETE" is no method of /v1/status: use GET`},
		{"GET", "/", "", ``, 404, "", `there is no "/": use /v1/balloon, /v1/cpus, /v1/metrics`},
		{"GET", "/v1/status/", "", ``, 404, "", `there is no "/v1/status/"`},
		{"GET", pathStats + "?interval=1s&interval=2s", "", ``, 400, "interval", "it is given twice"},
		{"GET", pathStats + "?interval=", "", ``, 400, "interval", `"": use a time`},
		{"GET", pathStats + "?every=1s", "", ``, 400, "every", "there is no such field: use interval"},
	} {
		f := newFake()
		w := request(newServer(f), c.method, c.path, c.kind, c.body)
		name := c.method + " " + c.path + " " + c.body[:min(len(c.body), 40)]
		assert.Equal(t, c.status, w.Code, name)
		var e Error
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e), name)
		assert.Equal(t, c.field, e.Field, name)
		assert.Contains(t, e.Text, c.text, name)
		assert.Equal(t, contentJSON, w.Header().Get("Content-Type"))
		if c.status == http.StatusMethodNotAllowed {
			assert.NotEmpty(t, w.Header().Get("Allow"))
		}
		assert.Equal(t, newFake(), f, "%s reached the machine", name)
	}
}

func TestWatchUntilTheMachineEnds(t *testing.T) {
	f := newFake()
	c, s := serve(t, f)
	n := 0
	require.NoError(t, c.Watch(t.Context(), 100*time.Millisecond, func(Stats) error {
		if n++; n == 3 {
			go s.Close()
		}
		return nil
	}))
	assert.GreaterOrEqual(t, n, 3)
	enough := errors.New("enough")
	c, _ = serve(t, f)
	assert.ErrorIs(t, c.Watch(t.Context(), time.Second, func(Stats) error { return enough }), enough)
}

func TestStop(t *testing.T) {
	f := newFake()
	f.paused = true
	c, s := serve(t, f)
	done := make(chan Stopped)
	go func() {
		r, err := c.Stop(t.Context(), "sigint", time.Minute)
		assert.NoError(t, err)
		done <- r
	}()
	require.Eventually(t, func() bool { defer f.lock()(); return len(f.signals) == 1 }, time.Minute, time.Millisecond)
	assert.Equal(t, []syscall.Signal{syscall.SIGINT}, f.signals)
	assert.False(t, f.paused, "a paused program can't end")
	s.Close()
	assert.Equal(t, Stopped{Killed: false}, <-done)
}

func TestStopKills(t *testing.T) {
	for name, c := range map[string]struct {
		signal  string
		timeout time.Duration
		passed  int
	}{"after the timeout": {"", 50 * time.Millisecond, 1}, "at once": {"", 0, 0}, "by signal": {"KILL", time.Minute, 0}, "by number": {"9", time.Minute, 0}} {
		f := newFake()
		client, _ := serve(t, f)
		r, err := client.Stop(t.Context(), c.signal, c.timeout)
		require.NoError(t, err, name)
		assert.True(t, r.Killed, name)
		assert.Len(t, f.signals, c.passed, name)
	}
}

func TestMetrics(t *testing.T) {
	c, _ := serve(t, newFake())
	body, err := c.Metrics(t.Context())
	require.NoError(t, err)
	defer body.Close()
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(string(text)))
	require.NoError(t, err)
	for _, line := range []string{
		`doze_info{id="0123456789ab",idle="park",image="/x/web.doze",name="web",version="v"} 1`, `doze_state{state="running"} 1`, `doze_state{state="paused"} 0`,
		`doze_start_time_seconds 1e+09`, `doze_exits_total{reason="park"} 7`, `doze_vcpus{kind="max"} 4`,
		`doze_vcpu_seconds_total{mode="run",vcpu="0"} 5`, `doze_vcpu_seconds_total{mode="steal",vcpu="0"} 1`, `doze_vcpu_seconds_total{mode="halt",vcpu="0"} 2`,
		`doze_memory_bytes{kind="resident"} 5.24288e+06`, `doze_guest_memory_bytes{kind="free"} 7`, `doze_guest_faults_total{kind="major"} 3`,
		`doze_sleeps_total{cause="deadline"} 3`, `doze_timer_lateness_seconds_bucket{le="2e-05"} 2`, `doze_timer_lateness_seconds_bucket{le="1"} 2`,
		`doze_timer_lateness_seconds_bucket{le="+Inf"} 3`, `doze_timer_lateness_seconds_sum 3`,
		`doze_queue_notifications_total{device="stdout",queue="out"} 1`, `doze_queue_requests_total{device="stdout",queue="out"} 2`,
		`doze_queue_bytes_total{device="stdout",queue="out"} 3`,
	} {
		assert.Contains(t, string(text), line+"\n")
	}
	assert.Len(t, families, 14)
}

// Whatever is asked, the answer has the right form, and the machine stays within its
// bounds (the fake panics otherwise).
func FuzzRequest(f *testing.F) {
	for _, s := range [][4]string{
		{"PUT", pathBalloon, contentJSON, `{"target_bytes":33554432}`}, {"PUT", pathCPUs, contentJSON, `{"count":2}`},
		{"POST", pathStop, contentJSON, `{"signal":"TERM","timeout_seconds":0}`}, {"GET", pathStatus, "", ""}, {"GET", pathMetrics, "", ""},
		{"GET", pathProfile + "?seconds=1&hz=99", "", ""}, {"POST", pathPause, "", ""}, {"PUT", pathCPUs, "application/json; charset=x", "nu"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, method, path, kind, body string) {
		if strings.Contains(path, fieldInterval) || strings.ContainsAny(method, "\x00 \r\n") || strings.HasPrefix(path, pathStop) && !strings.Contains(body, `"timeout_seconds":0}`) {
			t.Skip("an answer without an end")
		}
		m := newFake()
		s := newServer(m)
		r := httptest.NewRequest(http.MethodGet, "http://machine/", strings.NewReader(body))
		r.Method = method
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
		r.Header["Content-Type"] = []string{kind}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r.WithContext(ctx))
		if w.Code == http.StatusOK {
			return
		}
		var e Error
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e), w.Body)
		require.NotEmpty(t, e.Text)
		require.GreaterOrEqual(t, w.Code, 400)
	})
}

// A request that the server had read but not begun to answer when it was closed does
// not reach a machine that is gone.
func TestARequestThatComesTooLate(t *testing.T) {
	f := newFake()
	s := newServer(f)
	s.Close()
	f.mu.Lock() // whoever touches the machine would wait for ever
	defer f.mu.Unlock()
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, pathStatus, nil))
	assert.Equal(t, http.StatusConflict, w.Code)
	assert.Contains(t, w.Body.String(), "the machine has ended")
}

// What the server has to say about its connections is not for the program's stderr.
func TestTheServerIsQuiet(t *testing.T) {
	var said bytes.Buffer
	log.SetOutput(&said)
	defer log.SetOutput(os.Stderr)
	s := newServer(newFake())
	s.http.ErrorLog.Print("http: something")
	assert.Empty(t, said.String())
}
