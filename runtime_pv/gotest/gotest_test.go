package gotest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// own is like what the command has.
var own = map[string]bool{"vmm": true, "cpus": true, "env": true, "strace": false}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args, own, run string
		dir            string
	}{
		{"./...", "", "./...", ""},
		{"", "", "", ""},
		{"--vmm qemu std", "--vmm=qemu", "std", ""},
		{"-vmm=qemu -v sort --cpus 4 -short", "--vmm=qemu --cpus=4", "-v sort -short", ""},
		{"-run TestA|B -count 2 -timeout=5s -json p", "", "-run=TestA|B -count=2 -timeout=5s -json p", ""},
		{"-run --vmm p --vmm kvm", "--vmm=kvm", "-run=--vmm p", ""}, // a flag's value is a value
		{"-test.run X -test.v p", "", "-test.run=X -test.v p", ""},
		{"--strace p", "--strace", "p", ""},
		{"p -args --vmm -race -h", "", "p -args --vmm -race -h", ""},
		{"p --args -o x", "", "p --args -o x", ""},
		{"-C dir ./x", "", "./x", "dir"},
		{"-C=dir ./x", "", "./x", "dir"},
		{"-tags a,b -mod mod -bench . -benchtime 10x -cpu 1,2 p -unknown x", "", "-tags=a,b -mod=mod -bench=. -benchtime=10x -cpu=1,2 p -unknown x", ""},
		{"-race=false p", "", "-race=false p", ""},
		{"- --", "", "- --", ""},
	} {
		got, err := Parse(strings.Fields(c.args), own)
		require.NoError(t, err, c.args)
		assert.Equal(t, c.own, strings.Join(got.Own, " "), c.args)
		assert.Equal(t, c.run, strings.Join(got.Go, " "), c.args)
		assert.Equal(t, c.dir, got.Dir, c.args)
	}
	help, err := Parse([]string{"x", "--help"}, own)
	require.NoError(t, err)
	assert.True(t, help.Help)
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"-race p":                "-race: it needs cgo",
		"--race=true p":          "needs cgo",
		"-cover p":               "coverage is written to files",
		"-test.coverprofile x p": "-coverprofile: coverage",
		"-cpuprofile x p":        "writes a file",
		"-fuzz F p":              "fuzzing engine",
		"-exec x p":              "says what runs the tests",
		"-c p":                   "use go test",
		"-buildmode=pie p":       "fixed addresses",
		"p -run":                 "flag -run needs a value",
		"--vmm":                  "flag --vmm needs a value",
	} {
		_, err := Parse(strings.Fields(args), own)
		assert.ErrorContains(t, err, want, args)
	}
}

func TestCommand(t *testing.T) {
	for _, c := range []struct {
		args, exec string
		want       []string
	}{
		{"-p 3 p", "/bin/doze", []string{"test", "-exec=/bin/doze test-machine", "-ldflags=-s=false", "-count=1", "-p=3", "p"}},
		{"-p=3 -count 5 p", "/a b/doze", []string{"test", "-exec='/a b/doze' test-machine", "-ldflags=-s=false", "-p=3", "-count=5", "p"}},
		{"-p=3 -test.count 5", "/it's/doze", []string{"test", `-exec="/it's/doze" test-machine`, "-ldflags=-s=false", "-p=3", "-test.count=5"}},
	} {
		a, err := Parse(strings.Fields(c.args), own)
		require.NoError(t, err)
		got, err := a.Command(c.exec, 1)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	a, err := Parse([]string{"p"}, own)
	require.NoError(t, err)
	got, err := a.Command("/doze", 1<<20)
	require.NoError(t, err)
	assert.Contains(t, got, "-p=1", "one machine at least")
	_, err = a.Command(`/it's "it"/doze`, 1)
	assert.ErrorContains(t, err, "no quotes")
}

func TestExpandStd(t *testing.T) {
	list := func() ([]string, error) {
		return []string{"bufio", "internal/runtime/doze/mem", "internal/runtime/maps", "sort"}, nil
	}
	for args, want := range map[string]string{
		"-v std -run X":   "-v bufio internal/runtime/maps sort -run=X",
		"p -run std":      "p -run=std",
		"p -args std":     "p -args std",
		"example.com/std": "example.com/std",
	} {
		a, err := Parse(strings.Fields(args), own)
		require.NoError(t, err)
		require.NoError(t, a.ExpandStd(list))
		assert.Equal(t, want, strings.Join(a.Go, " "))
	}
	a := Args{Go: []string{"std"}}
	assert.ErrorIs(t, a.ExpandStd(func() ([]string, error) { return nil, os.ErrClosed }), os.ErrClosed)
}

// go test strips the programs it runs; an image needs its symbols, whatever else
// the linker is told.
func TestSymbolsAreKept(t *testing.T) {
	for flags, want := range map[string]string{
		"":                "-s=false",
		"-w":              "-s=false -w",
		"-X a=b":          "-s=false -X a=b",
		"all=-w":          "all=-s=false -w",
		"./...=-X=a.b=c":  "./...=-s=false -X=a.b=c",
		"'-X=a.b=c d' -w": "-s=false '-X=a.b=c d' -w",
	} {
		assert.Equal(t, want, withSymbols(flags), flags)
	}
}

// write makes files.
func write(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(name), 0o644))
	}
}

// placed lists where the trees of a place put things, those that are there.
func placed(t *testing.T, p Place, root string) []string {
	t.Helper()
	var out []string
	for _, tree := range p.Trees() {
		_, err := os.Stat(tree.Dir)
		if tree.Optional && err != nil {
			continue
		}
		rel, err := filepath.Rel(root, tree.Path)
		require.NoError(t, err)
		out = append(out, rel)
	}
	return out
}

func TestTreesOfAModule(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "m/go.mod", "m/a/testdata/x", "m/a/b/b_test.go", "m/testdata/y", "testdata/outside", "plain/lib/time/zoneinfo.zip",
		"m/a/b/.git/config", "m/a/b/other/go.mod", "m/a/b/testdata/mod/go.mod")
	p := Place{Dir: filepath.Join(dir, "m/a/b"), GOROOT: filepath.Join(dir, "root"), Plain: filepath.Join(dir, "plain")}
	assert.Equal(t, []string{"root/lib/time", "m/a/b", "m/a/testdata", "m/testdata", "m/go.mod"}, placed(t, p, dir))
	skip := p.Trees()[1].Skip
	assert.True(t, skip(".git"))
	assert.True(t, skip("other"), "another module")
	assert.False(t, skip("testdata/mod"), "test data that looks like a module")
	assert.False(t, skip("sub"))

	p.Exclude = []string{"data", "*.iso", "x/y"}
	skip = p.Trees()[1].Skip
	for rel, want := range map[string]bool{"data": true, "sub/data": true, "a.iso": true, "sub/a.iso": true, "x/y": true, "z/x/y": false, "x": false, "database": false} {
		assert.Equal(t, want, skip(rel), rel)
	}
	assert.Error(t, CheckExclude("["))
	assert.Error(t, CheckExclude(""))
	assert.NoError(t, CheckExclude("*.iso"))

	nowhere := Place{Dir: filepath.Join(dir, "plain/lib"), GOROOT: filepath.Join(dir, "root"), Plain: filepath.Join(dir, "plain")}
	assert.Equal(t, []string{"root/lib/time", "plain/lib"}, placed(t, nowhere, dir), "a folder without a module")
}

func TestTreesOfTheStandardLibrary(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "root/src/go.mod", "root/VERSION", "root/src/testdata/x", "root/src/image/testdata/y", "root/src/image/png/png.go",
		"root/src/go/types/api.go", "root/src/cmd/go/main.go", "plain/lib/time/zoneinfo.zip", "plain/test/a.go")
	at := func(pkg string) Place {
		return Place{Dir: filepath.Join(dir, "root/src", pkg), GOROOT: filepath.Join(dir, "root"), Plain: filepath.Join(dir, "plain")}
	}
	assert.Equal(t, []string{"root/lib/time", "root/src/image/png", "root/src/go.mod", "root/VERSION", "root/src/image/testdata", "root/src/testdata"},
		placed(t, at("image/png"), dir))
	assert.Equal(t, []string{"root/lib/time", "root/src", "root/test"}, placed(t, at("go/types"), dir))
	write(t, dir, "root/src/os/file.go")
	assert.Contains(t, placed(t, at("os"), "/"), "usr/bin")
	for _, tree := range at("os").Trees() {
		assert.Equal(t, tree.Path == "/usr/bin" || tree.Path == "/etc/hosts" || tree.Path == "/etc/group" || tree.Path == "/etc/passwd",
			tree.Skip != nil, "of the host's folders only their names: %s", tree.Path)
	}
	src := at("go/types").Trees()[1]
	assert.True(t, src.Skip("cmd"))
	assert.False(t, src.Skip("go/cmd"))
	_, std := at("image/png").Standard()
	assert.True(t, std)
	_, std = Place{Dir: "/elsewhere", GOROOT: "/root"}.Standard()
	assert.False(t, std)
}

// What is large is named, so that it can be left out.
func TestSizesOfAFolder(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int64{"data/a": 3 << 20, "data/b/c": 2 << 20, "movie.iso": 4 << 20, "a_test.go": 100, ".git/pack": 9 << 20} {
		write(t, dir, name)
		require.NoError(t, os.Truncate(filepath.Join(dir, name), size))
	}
	p := Place{Dir: dir}
	assert.Equal(t, []sized{{"data", 5 << 20}, {"movie.iso", 4 << 20}, {"a_test.go", 100}}, p.sizes())
	assert.Equal(t, "leave out what the test does not read, by --exclude NAME (in "+dir+" data has 5 MiB, movie.iso has 4 MiB, a_test.go has 0 MiB)", p.hint())
	p.Exclude = []string{"data"}
	assert.Equal(t, "movie.iso", p.sizes()[0].name)
}

func TestTableHasReasons(t *testing.T) {
	for pkg, m := range needsMore {
		assert.NotEmpty(t, append(m.paths, m.host...), pkg)
		assert.NotEmpty(t, m.why, pkg)
	}
}
