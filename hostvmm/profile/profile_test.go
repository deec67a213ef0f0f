package profile

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"time"

	pprof "github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/hostvmm/sample"
	"github.com/doze-vm/doze/kernel/abi"
)

// The test binary stands in for an image: it is a Go program at the same place.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// memoryOf is guest memory that holds what the loader would put there.
func memoryOf(t *testing.T, path string) []byte {
	t.Helper()
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	memory := make([]byte, 32<<20)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Vaddr+p.Filesz < uint64(len(memory)) {
			_, err := p.ReadAt(memory[p.Vaddr:p.Vaddr+p.Filesz], 0)
			require.NoError(t, err)
		}
	}
	return memory
}

//go:noinline
func hot() []uint64 { return warm() }

//go:noinline
func warm() []uint64 {
	pcs := make([]uintptr, 16)
	var out []uint64
	for _, pc := range pcs[:runtime.Callers(1, pcs)] {
		out = append(out, uint64(pc))
	}
	return out
}

// fake is a machine that was sampled before.
type fake struct {
	result sample.Result
	memory []byte
	err    error
	wait   bool
	burn   time.Duration
}

func (f *fake) Memory() []byte { return f.memory }

func (f *fake) Sample(ctx context.Context, _ sample.Options) (sample.Result, error) {
	if f.wait {
		<-ctx.Done()
	}
	for start := time.Now(); time.Since(start) < f.burn; {
		burnHere()
	}
	return f.result, f.err
}

//go:noinline
func burnHere() {
	x := 1
	for range 1000 {
		x = x*3 + 1
	}
	runtime.KeepAlive(x)
}

// flat is the time and count of the samples whose innermost function is name.
func flat(p *pprof.Profile, name string, labels map[string]string) (count, ns int64) {
	for _, s := range p.Sample {
		matches := s.Location[0].Line[0].Function.Name == name
		for k, v := range labels {
			matches = matches && len(s.Label[k]) == 1 && s.Label[k][0] == v
		}
		if matches {
			count += s.Value[0]
			ns += s.Value[1]
		}
	}
	return count, ns
}

const pkg = "github.com/doze-vm/doze/hostvmm/profile."

func resultOf(t *testing.T) sample.Result {
	t.Helper()
	stack := hot()
	return sample.Result{
		Start: time.Unix(1e9, 0), Duration: 3 * time.Second, Hz: 100,
		Stacks: []sample.Stack{
			{CPU: 0, PCs: stack, Count: 30, Time: 300 * time.Millisecond},
			{CPU: 1, PCs: stack, Count: 10, Time: 100 * time.Millisecond},
			{CPU: 0, PCs: []uint64{abi.NucleusText + 8}, Count: 2, Time: 20 * time.Millisecond},
			{CPU: 0, PCs: []uint64{1 << 40, ^uint64(0), 0}, Count: 1, Time: 10 * time.Millisecond},
			{CPU: 1, Count: 4, Time: 40 * time.Millisecond},
		},
		Unsampled: 7 * time.Millisecond, Lost: 3,
	}
}

func TestGuestHasNamesAndLabels(t *testing.T) {
	path := self(t)
	p := guest(resultOf(t), readImage(Options{Image: path}, memoryOf(t, path)), "web")
	require.NoError(t, p.CheckValid())
	count, ns := flat(p, pkg+"warm", map[string]string{"machine": "web", "vcpu": "0", "part": "guest"})
	assert.EqualValues(t, 30, count)
	assert.EqualValues(t, 300e6, ns)
	count, _ = flat(p, pkg+"warm", map[string]string{"vcpu": "1"})
	assert.EqualValues(t, 10, count)
	for name, want := range map[string]int64{"[nucleus]": 2, "[unknown]": 1, "[further stacks]": 4} {
		count, _ := flat(p, name, nil)
		assert.Equal(t, want, count, name)
	}
	var names []string
	for _, l := range p.Sample[0].Location[:3] {
		line := l.Line[0]
		names = append(names, line.Function.Name)
		assert.Equal(t, "profile_test.go", filepath.Base(line.Function.Filename))
		assert.Positive(t, line.Line)
	}
	assert.Equal(t, []string{pkg + "warm", pkg + "hot", pkg + "resultOf"}, names)
	assert.Len(t, p.Mapping[0].BuildID, 40)
	assert.EqualValues(t, 10e6, p.Period)
	assert.Len(t, p.Comments, 2)
}

// A caller's address is where it goes on, which may be in the next function.
func TestCallersAreLookedUpAtTheCall(t *testing.T) {
	path := self(t)
	entry := reflect.ValueOf(hot).Pointer()
	end := uint64(entry)
	for fn := runtime.FuncForPC(entry); fn != nil && fn.Entry() == entry; fn = runtime.FuncForPC(uintptr(end)) {
		end++
	}
	r := sample.Result{Hz: 99, Stacks: []sample.Stack{{PCs: []uint64{end - 1, end}, Count: 1, Time: 1}}}
	p := guest(r, readImage(Options{Image: path}, memoryOf(t, path)), "x")
	assert.Equal(t, pkg+"hot", p.Sample[0].Location[1].Line[0].Function.Name)
}

func TestImagesWithoutNames(t *testing.T) {
	path := self(t)
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("no image"), 0o600))
	for name, c := range map[string]struct {
		path, want string
		memory     []byte
	}{
		"gone":       {filepath.Join(t.TempDir(), "gone"), "no such file", nil},
		"no program": {text, "no names", nil},
		"replaced":   {path, "its build ID is another", make([]byte, 32<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			p := guest(resultOf(t), readImage(Options{Image: c.path}, c.memory), "m")
			require.NoError(t, p.CheckValid())
			assert.Contains(t, p.Comments[0], c.want)
			_, ns := flat(p, "[unknown]", nil)
			assert.EqualValues(t, 410e6, ns)
		})
	}
}

// The VMM's part has its own work and not what is the guest's already.
func TestOwnTimeOfTheVMM(t *testing.T) {
	line := func(names ...string) *pprof.Sample {
		s := &pprof.Sample{Value: []int64{1, 1e7}}
		for _, name := range names {
			f := &pprof.Function{Name: name}
			s.Location = append(s.Location, &pprof.Location{Line: []pprof.Line{{Function: f}}})
		}
		return s
	}
	p := empty(time.Now(), time.Second, time.Millisecond)
	p.Sample = []*pprof.Sample{
		line("internal/runtime/syscall/linux.Syscall6", "github.com/doze-vm/doze/"+guestTime, "github.com/doze-vm/doze/hostvmm.(*vcpu).serve"),
		line("internal/runtime/syscall/linux.Syscall6", "github.com/doze-vm/doze/hostvmm/kvm.(*VCPU).Regs"),
		line("runtime.futex"),
	}
	for i, s := range p.Sample {
		for _, l := range s.Location {
			l.ID = uint64(len(p.Location) + 1)
			l.Line[0].Function.ID = l.ID
			p.Location = append(p.Location, l)
			p.Function = append(p.Function, l.Line[0].Function)
		}
		require.NotNil(t, s, i)
	}
	got := vmmOnly(p, "web")
	require.NoError(t, got.CheckValid())
	require.Len(t, got.Sample, 2)
	for _, s := range got.Sample {
		assert.Equal(t, map[string][]string{"machine": {"web"}, "part": {"vmm"}}, s.Label)
	}
}

func TestTake(t *testing.T) {
	path := self(t)
	m := &fake{result: resultOf(t), memory: memoryOf(t, path), burn: 300 * time.Millisecond}
	p, err := Take(t.Context(), m, Options{Name: "web", Image: path, Hz: 99, Duration: time.Minute, VMM: true})
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, p.Write(&file))
	p, err = pprof.ParseData(file.Bytes())
	require.NoError(t, err)
	count, _ := flat(p, pkg+"warm", map[string]string{"part": "guest"})
	assert.EqualValues(t, 40, count)
	var vmm int64
	for _, s := range p.Sample {
		if s.Label["part"][0] == "vmm" {
			vmm += s.Value[1]
		}
	}
	assert.Positive(t, vmm, "the VMM burned 300 ms")
	assert.Equal(t, path, p.Mapping[0].File, "the guest's program comes first")
}

func TestTakeFails(t *testing.T) {
	broken := errors.New("broken")
	o := Options{Name: "m", Hz: 99, Duration: time.Minute, VMM: true}
	_, err := Take(t.Context(), &fake{err: broken}, o)
	assert.ErrorIs(t, err, broken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Take(ctx, &fake{wait: true}, o)
	assert.ErrorIs(t, err, context.Canceled)

	var busy own
	require.NoError(t, busy.start(), "what failed before let go of the profiler")
	_, err = Take(t.Context(), &fake{}, o)
	assert.ErrorIs(t, err, ErrBusy)
	busy.abandon()
	_, err = Take(t.Context(), &fake{}, o)
	assert.NoError(t, err)
}

// Profiles of machines that were taken at once keep apart, also where the same
// image has the same addresses, and open in the tool people use.
func TestMerge(t *testing.T) {
	path := self(t)
	memory := memoryOf(t, path)
	one := guest(resultOf(t), readImage(Options{Image: path}, memory), "one")
	two := guest(resultOf(t), readImage(Options{Image: path}, memory), "two")
	three := guest(resultOf(t), image{path: "/other/image", end: 32 << 20}, "three")
	p, err := Merge([]*pprof.Profile{one, two, three})
	require.NoError(t, err)
	require.NoError(t, p.CheckValid())
	assert.Equal(t, 3*time.Second, time.Duration(p.DurationNanos))
	for _, name := range []string{"one", "two"} {
		count, ns := flat(p, pkg+"warm", map[string]string{"machine": name})
		assert.EqualValues(t, 40, count)
		assert.EqualValues(t, 400e6, ns)
	}
	_, ns := flat(p, "[unknown]", map[string]string{"machine": "three"})
	assert.EqualValues(t, 410e6, ns)

	file := filepath.Join(t.TempDir(), "doze.pprof")
	var data bytes.Buffer
	require.NoError(t, p.Write(&data))
	require.NoError(t, os.WriteFile(file, data.Bytes(), 0o600))
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to open the profile with")
	}
	out, err := exec.Command("go", "tool", "pprof", "-top", "-tagfocus", "machine=two", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "profile.warm")
	assert.Contains(t, string(out), "[nucleus]")
	t.Logf("%s", out)
}
