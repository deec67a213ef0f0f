package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClassify(t *testing.T) {
	for output, want := range map[string]string{
		"pipe2: function not implemented":                                                         "missing call pipe2",
		"    os_test.go:12: symlink a b: function not implemented":                                "missing call symlink",
		"    x_test.go:9: fork/exec /tmp/go-build/b001/os.test: function not implemented":         needsExec,
		`    exec: "cat": executable file not found in $PATH`:                                     needsExec,
		"    testenv: cannot run go tool: exec: \"go\": executable file not found in $PATH":       needsToolchain,
		"    x_test.go:1: skipping test: cannot find GOROOT":                                      needsToolchain,
		"    listen tcp 127.0.0.1:0: socket: function not implemented":                            needsNetwork,
		"panic: httptest: failed to listen on a port: listen tcp6 [::1]:0: socket: not supported": needsNetwork,
		"    copy_test.go:48: NewLocalListener error: tcp is not supported on linux/amd64":        needsNetwork,
		"    trace_test.go:587: skipping test: 'go run' not available on linux/amd64":             needsToolchain,
		"    zstd_test.go:171: skipping because zstd not found":                                   needsExec,
		"    expand_amd64_test.go:16: no AVX512":                                                  needsCPU,
		"    filter_amd64_test.go:16: AVX512 is required for TestFilterNilAVX512":                 needsCPU,
		"    skipping test without cgo":                                                           needsCgo,
		"panic: test timed out after 3m0s\n\trunning tests:":                                      timeout,
		"    tick_test.go:158: skipping in short mode, insufficient CPUs":                         needsCPUs,
		"fatal error: runtime: out of memory":                                                     memory,
		"fatal error: unexpected signal during runtime execution":                                 kernelGap,
		"    sort_test.go:31: got 3, want 4":                                                      otherReason,
		"    open testdata/gopher.png: no such file or directory":                                 missingFile,
		"": otherReason,
	} {
		assert.Equal(t, want, classify(output), output)
	}
}

func TestFirstLine(t *testing.T) {
	assert.Equal(t, "a_test.go:3: bad", firstLine("=== RUN   TestA\n    a_test.go:3:  bad\nmore\n"))
	assert.Equal(t, "no output", firstLine("--- FAIL: TestA (0.00s)\n\n"))
	assert.LessOrEqual(t, len(firstLine(strings.Repeat("ü", 500))), 160)
}

// Events as go test -json prints them, with a line of its own among them.
const events = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"run","Package":"p","Test":"TestA/sub"}
{"Action":"output","Package":"p","Test":"TestA/sub","Output":"    p_test.go:7: open x: no such file or directory\n"}
{"Action":"fail","Package":"p","Test":"TestA/sub","Elapsed":0}
{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0}
# a line of the go command
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestB","Output":"all is well\n"}
{"Action":"pass","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"run","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    p_test.go:9: needs cgo\n"}
{"Action":"skip","Package":"p","Test":"TestC","Elapsed":0}
{"Action":"run","Package":"p","Test":"ExampleD"}
{"Action":"output","Package":"p","Test":"ExampleD","Output":"=== RUN   ExampleD\n"}
{"Action":"output","Package":"p","Test":"ExampleD","Output":"pipe2: function not implemented\n"}
{"Action":"fail","Package":"p","Test":"ExampleD"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`

func TestReadAndCompare(t *testing.T) {
	vm := result{Package: "p", CPUs: 1, Exit: 1}
	require.NoError(t, vm.read(strings.NewReader(events)))
	assert.Equal(t, []string{"TestB"}, vm.passed())
	assert.Empty(t, vm.Tests["TestB"].Output, "what passed needs no output")
	assert.Equal(t, "# a line of the go command\nFAIL\tp\t0.1s\n", vm.Output)
	assert.Equal(t, "1 passed, 3 failed, 1 skipped, exit 1", vm.summary())

	native := result{Tests: map[string]test{}}
	for _, name := range []string{"TestA", "TestA/sub", "TestB", "TestC", "ExampleD", "ExampleE"} {
		native.Tests[name] = test{Action: "pass"}
	}
	native.Tests["TestNever"] = test{Action: "skip"}
	passed, diffs := compare(&native, &vm)
	assert.Equal(t, 1, passed)
	got := map[string]string{}
	for _, d := range diffs {
		got[d.test] = d.reason
	}
	assert.Equal(t, map[string]string{"TestA": missingFile, "TestA/sub": missingFile, "TestC": needsCgo,
		"ExampleD": missingCall + "pipe2", "ExampleE": missingCall + "pipe2"}, got, "a test never reached has the reason of what ended the package")
}

func TestUnreached(t *testing.T) {
	native := result{Tests: map[string]test{"TestA": {Action: "pass"}, "TestB": {Action: "pass"}}}
	for _, c := range []struct {
		name   string
		vm     result
		reason string
		line   string
	}{
		{"not built", result{Exit: 1, Output: "x.go:1: undefined: y\nFAIL\tp [build failed]\n"}, notBuilt, "x.go:1: undefined: y"},
		{"only with cgo", result{Output: "PASS\nok  \tp\n", Tests: map[string]test{"TestX": {Action: "pass"}}}, needsCgo, "not in a program built without cgo"},
		{"nothing said", result{Exit: 1, Output: "FAIL\tp\n"}, notReached, "no output"},
		{"the machine died", result{Exit: 1, Last: "TestX", Output: "FAIL", Tests: map[string]test{"TestX": {"run", "gone mad\n"}}}, notReached, "after TestX: gone mad"},
	} {
		_, diffs := compare(&native, &c.vm)
		require.Len(t, diffs, 2, c.name)
		assert.Equal(t, c.reason, diffs[0].reason, c.name)
		assert.Equal(t, c.line, diffs[0].line, c.name)
	}
}

// fakeDoze panics in TestB and hangs in TestD, unless they are left out.
const fakeDoze = `#!/bin/sh
event() { printf '{"Action":"%s","Test":"%s","Output":"%s"}\n' "$1" "$2" "$3"; }
event run TestA; event pass TestA
case "$*" in
*-skip=*TestB*) ;;
*) event run TestB; event output TestB 'panic: httptest: failed to listen on a port\n'; event fail TestB; event output '' 'FAIL\tp\n'; exit 1 ;;
esac
event run TestC; event pass TestC
case "$*" in
*-skip=*TestD*) ;;
*) event run TestD; event pause TestD; event run TestE; event output TestE 'panic: test timed out after 3s\n\trunning tests:\n\t\tTestD (3s)\n'; event output '' 'FAIL\tp\n'; exit 1 ;;
esac
event run TestE; event output TestE 'x_test.go:1: bad\n'; event fail TestE
event output '' 'FAIL\n'; event output '' 'FAIL\tp\n'
exit 1
`

func TestRunGoesOnWithoutWhatEndsThePackage(t *testing.T) {
	dir := t.TempDir()
	o, err := parse([]string{"-results", dir, "-cpus", "1", "-doze", filepath.Join(dir, "doze")})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(o.doze, []byte(fakeDoze), 0o755))
	ran, err := o.run(t.Context(), job{"p", way{1}})
	require.NoError(t, err)
	r, err := o.load("p", way{1})
	require.NoError(t, err)
	assert.Equal(t, ran, r)
	assert.Equal(t, []string{"TestB", "TestD"}, r.Ended)
	got := map[string]string{}
	for name, x := range r.Tests {
		got[name] = x.Action
	}
	assert.Equal(t, map[string]string{"TestA": "pass", "TestB": "fail", "TestC": "pass", "TestD": "fail", "TestE": "fail"}, got)
	native := &result{Tests: map[string]test{}}
	for name := range got {
		native.Tests[name] = test{Action: "pass"}
	}
	passed, diffs := compare(native, r)
	assert.Equal(t, 2, passed)
	for _, d := range diffs {
		assert.Equal(t, map[string]string{"TestB": needsNetwork, "TestD": timeout, "TestE": otherReason}[d.test], d.reason, d.test)
	}
}

func TestStableNames(t *testing.T) {
	assert.Equal(t, "TestAs/0:As(x,_0x...)", stable("TestAs/0:As(x,_0x9d7c5408068)"))
	assert.Equal(t, "TestX/0xff", stable("TestX/0xff"))
}

func TestApart(t *testing.T) {
	for pkg, want := range map[string]string{"net": needsNetwork, "net/http/httptest": needsNetwork, "net/url": "", "net/netip": "",
		"os/exec": needsExec, "os": "", "go/build": needsToolchain, "go/build/constraint": ""} {
		assert.Equal(t, want, setApart(pkg), pkg)
	}
}

func TestPage(t *testing.T) {
	o, err := parse([]string{"-results", t.TempDir(), "-cpus", "1,4"})
	require.NoError(t, err)
	save := func(pkg, name, text string) {
		file := filepath.Join(o.results, name, strings.ReplaceAll(pkg, "/", "_")+".json")
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	save("a/b", "native", `{"Package":"a/b","Go":"go1.26.8","Tests":{"TestExec":{"Action":"pass"},"TestX":{"Action":"pass"},"TestX/sub":{"Action":"pass"},"TestY":{"Action":"pass"}}}`)
	save("a/b", "vm1", `{"Package":"a/b","CPUs":1,"Exit":1,"Tests":{"TestExec":{"Action":"skip","Output":"fork/exec x"},"TestX":{"Action":"pass"},"TestX/sub":{"Action":"pass"},"TestY":{"Action":"fail","Output":"    y_test.go:1: wrong\n"}}}`)
	save("net", "native", `{"Package":"net","Go":"go1.26.8","Tests":{"TestN":{"Action":"pass"}}}`)
	save("net", "vm1", `{"Package":"net","CPUs":1,"Under":"QEMU","Exit":0,"Tests":{"TestN":{"Action":"pass"}}}`)
	page, err := makePage(o, []string{"a/b", "net", "never/run"})
	require.NoError(t, err)
	for _, want := range []string{
		"go1.26.8 for 2 of the 3 packages that have tests, in machines under QEMU.",
		"| all packages | 3 of 5 (60.0 %) | not run |",
		"toolchain | 2 of 4 (50.0 %) | not run |",
		"| without single tests elsewhere that need the same, or what the emulated CPU lacks | 2 of 3 (66.7 %) | not run |",
		"| without those packages, subtests not counted | 1 of 3 (33.3 %) | not run |",
		"| other | 1 | 0 |",
		"| a/b | 4 | 2 | not run | needs exec, other |",
		"| net | 1 | 1 | not run |  |",
		"- other (1 vCPU): TestY: `y_test.go:1: wrong`",
	} {
		assert.Contains(t, strings.ReplaceAll(page, "Go toolchain", "toolchain"), want)
	}
	save("net", "vm4", "{")
	_, err = makePage(o, []string{"net"})
	assert.ErrorContains(t, err, "remove it to run the package anew")
}

func TestUnder(t *testing.T) {
	usable := filepath.Join(t.TempDir(), "kvm")
	require.NoError(t, os.WriteFile(usable, nil, 0o600))
	assert.Equal(t, "hostvmm on "+usable, under(usable, nil))
	assert.Equal(t, "QEMU without KVM (--machine q35)", under(filepath.Join(t.TempDir(), "kvm"), []string{"--machine", "q35"}))
}

func TestParseRefuses(t *testing.T) {
	for _, args := range []string{"-cpus 0", "-cpus x", "-only (", "-again [", "-frob"} {
		_, err := parse(strings.Fields(args))
		assert.Error(t, err, args)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(events))
	f.Add([]byte(`{"Action":"output","Output":5}` + "\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r result
		if r.read(strings.NewReader(string(data))) == nil {
			_, _ = compare(&r, &r)
			assert.LessOrEqual(t, len(r.Output), 3*kept)
		}
	})
}
