package gobuild

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doze-vm/doze/runtime_pv/port/standin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hello = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\", name) }\n\nvar name = \"you\"\n"

// builder returns a Builder with the stand-in kernel: its images run on Linux.
func builder(t *testing.T) *Builder {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the standard library")
	}
	return &Builder{Port: standin.Port(t, standin.Toolchains(t)[0])}
}

// output runs an image as a Linux process.
func output(t *testing.T, image string) string {
	t.Helper()
	path, err := filepath.Abs(image)
	require.NoError(t, err)
	out, err := exec.Command(path).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

func TestBuildNames(t *testing.T) {
	b := builder(t)
	dir := standin.Module(t, map[string]string{"hi/main.go": hello, "out/keep": ""})
	t.Chdir(dir)
	for _, c := range []struct{ pkg, output, want string }{
		{"./hi", "", "hi.doze"},
		{"example.com/m/hi", "x.doze", "x.doze"},
		{"./hi", "out", "out/hi.doze"},
		{"hi/main.go", "", "main.doze"},
		{filepath.Join(dir, "hi"), "y", "y"},
	} {
		path, err := b.Build(t.Context(), Request{Package: c.pkg, Output: c.output, Log: os.Stderr})
		require.NoError(t, err, c.pkg)
		assert.Equal(t, c.want, path)
		assert.Equal(t, "hello you\n", output(t, path))
	}
}

func TestBuildFlags(t *testing.T) {
	b := builder(t)
	dir := standin.Module(t, map[string]string{
		"main.go":  hello,
		"other.go": "//go:build other\n\npackage main\n\nfunc init() { name = \"tag\" }\n",
	})
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"-tags=other"}, "hello tag\n"},
		{[]string{"-ldflags=-X main.name=linker"}, "hello linker\n"},
		{[]string{"-trimpath", "-ldflags=-w"}, "hello you\n"},
	} {
		path, err := b.Build(t.Context(), Request{Package: dir, Output: t.TempDir(), Flags: c.flags, Log: os.Stderr})
		require.NoError(t, err, c.flags)
		assert.Equal(t, c.want, output(t, path))
	}
}

func TestBuildRefuses(t *testing.T) {
	b := builder(t)
	const m = "package main\n\nfunc main() {}\n"
	for _, c := range []struct {
		name, want string
		files      map[string]string
		flags      []string
	}{
		{"not main", "is package lib, not a main package", map[string]string{"a.go": "package lib\n"}, nil},
		{"nothing there", "no Go files", map[string]string{"a.txt": ""}, nil},
		{"does not compile", "go build", map[string]string{"a.go": "package main\n\nfunc main() { x }\n"}, nil},
		{"does not parse", "go build", map[string]string{"a.go": "package main\n\nfunk main() {}\n"}, nil},
		{"cgo", "needs cgo (a.go of package", map[string]string{"a.go": "package main\n\nimport \"C\"\n\nfunc main() {}\n"}, nil},
		{"cgo below", "needs cgo (b.go of package example.com/m/b", map[string]string{
			"a.go": "package main\n\nimport _ \"example.com/m/b\"\n\nfunc main() {}\n", "b/b.go": "package b\n\nimport \"C\"\n"}, nil},
		{"race", "the race detector needs cgo", map[string]string{"a.go": m}, []string{"-race"}},
		{"pie", "fixed addresses", map[string]string{"a.go": m}, []string{"-buildmode=pie"}},
		{"stripped", "without -ldflags=-s", map[string]string{"a.go": m}, []string{"-ldflags=-s"}},
		{"unknown Go", "go1.99", map[string]string{"a.go": m, "go.mod": "module m\n\ngo 1.99\n"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GOTOOLCHAIN", "local")
			out := t.TempDir()
			var log bytes.Buffer
			_, err := b.Build(t.Context(), Request{Package: standin.Module(t, c.files), Output: filepath.Join(out, "i"), Flags: c.flags, Log: &log})
			require.Error(t, err)
			assert.Contains(t, strings.ReplaceAll(err.Error(), "1.99", "go1.99"), c.want)
			assert.NotContains(t, err.Error(), "\n")
			left, err := os.ReadDir(out)
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
	_, err := b.Build(t.Context(), Request{Package: "./nowhere"})
	assert.ErrorContains(t, err, "no such folder")
	_, err = b.Build(t.Context(), Request{Package: standin.Module(t, map[string]string{"a.go": m}), Output: "/nonexistent/x"})
	assert.ErrorContains(t, err, "no such folder /nonexistent")
}

// proxy serves module versions from a folder (go help goproxy).
func proxy(t *testing.T, path, version string, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, path, "@v")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	var zipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	for name, text := range files {
		w, err := z.Create(path + "@" + version + "/" + name)
		require.NoError(t, err)
		_, err = w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	for name, data := range map[string]string{
		"list": version + "\n", version + ".info": `{"Version":"` + version + `"}`,
		version + ".mod": files["go.mod"], version + ".zip": zipped.String(),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644))
	}
	return "file://" + root
}

func TestModuleAtVersion(t *testing.T) {
	b := builder(t)
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOPROXY", proxy(t, "example.com/tool", "v1.2.3", map[string]string{
		"go.mod": "module example.com/tool\n\ngo 1.26\n", "cmd/hi/main.go": hello}))
	t.Setenv("GOSUMDB", "off")
	// Writable, so that the test's own cleaning up can remove it; -mod is what a
	// user may have set for their own modules.
	t.Setenv("GOFLAGS", "-mod=vendor -modcacherw")
	dir := t.TempDir()
	t.Chdir(dir)
	for _, version := range []string{"v1.2.3", "latest"} {
		path, err := b.Build(t.Context(), Request{Package: "example.com/tool/cmd/hi@" + version, Log: os.Stderr})
		require.NoError(t, err)
		assert.Equal(t, "hi.doze", path)
		assert.Equal(t, "hello you\n", output(t, path))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing but the image")
	for _, bad := range []string{"example.com/tool/cmd/hi@v9.9.9", "example.com/tool/cmd/gone@latest"} {
		_, err := b.Build(t.Context(), Request{Package: bad, Log: os.Stderr})
		require.Error(t, err)
		assert.ErrorContains(t, err, bad)
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestBuildCached(t *testing.T) {
	b := builder(t)
	dir := standin.Module(t, map[string]string{"main.go": hello})
	first, err := b.BuildCached(t.Context(), Request{Package: dir, Log: os.Stderr})
	require.NoError(t, err)
	before, err := os.Stat(first)
	require.NoError(t, err)
	again, err := b.BuildCached(t.Context(), Request{Package: dir, Log: os.Stderr})
	require.NoError(t, err)
	assert.Equal(t, first, again)
	after, err := os.Stat(again)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after), "not written again")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(strings.ReplaceAll(hello, "you", "me")), 0o644))
	changed, err := b.BuildCached(t.Context(), Request{Package: dir, Log: os.Stderr})
	require.NoError(t, err)
	assert.NotEqual(t, first, changed)
	assert.Equal(t, "hello me\n", output(t, changed))
	assert.Equal(t, "hello you\n", output(t, first))
}

func TestDefaultName(t *testing.T) {
	for pkg, want := range map[string]string{
		"example.com/a/b":           "b",
		"example.com/a/b@latest":    "b",
		"example.com/tool/v2@v2.1":  "tool",
		"./x/hello":                 "hello",
		"/abs/hello/":               "hello",
		"main.go":                   "main",
		"filippo.io/age/cmd/age@v1": "age",
	} {
		assert.Equal(t, want, DefaultName(pkg), pkg)
	}
	t.Chdir(t.TempDir())
	wd, err := os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, filepath.Base(wd), DefaultName("."))
}

func TestCheckFlags(t *testing.T) {
	for _, ok := range [][]string{nil, {"-v"}, {"-tags=a"}, {"-race=false"}, {"-buildmode=exe"}, {"--trimpath"}} {
		assert.NoError(t, CheckFlags(ok), ok)
	}
	for _, bad := range []string{"-race", "--race", "-race=true", "-msan", "-asan", "-buildmode=pie", "-linkshared", "-C=/", "-n", "-o=x"} {
		assert.Error(t, CheckFlags([]string{bad}), bad)
	}
}
