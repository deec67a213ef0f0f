package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/doze-vm/doze"

// A direction says what one part of the repository may import of the others.
// The first entry whose folder holds the file counts. Tests may import
// anything.
type direction struct {
	folder string
	may    []string // folders of this repository; "" is the root's package
	std    []string // if not nil, the only packages of the standard library allowed
}

// lowStd is what code may import that runs beneath package runtime: nothing
// that could allocate, lock or start anything.
var lowStd = []string{"unsafe", "math/bits"}

var directions = []direction{
	{folder: "kernel/abi", std: []string{}},
	{folder: "kernel/boot/mk", may: []string{"kernel/boot/blob"}},
	{folder: "kernel/boot"}, // the blob's bytes and its assembling: no code of the guest
	{folder: "kernel", may: []string{"kernel", "drivers"}, std: lowStd},
	{folder: "drivers", may: []string{"kernel", "drivers"}, std: lowStd},
	{folder: "pv", may: []string{"kernel/abi"}}, // the numbers of its questions: constants alone
	{folder: "apps", may: []string{"pv"}},
	{folder: "runtime_pv/port", may: []string{"runtime_pv/port", "kernel/abi"}},
	{folder: "runtime_pv", may: []string{"runtime_pv", "kernel/abi", "kernel/boot"}},
	{folder: "hostvmm", may: []string{
		"hostvmm", "kernel/abi", "kernel/boot", "kernel/cmdline", "kernel/control", "kernel/strace",
		"drivers/virtio", "drivers/pvclock",
	}},
	{folder: "cmd", may: []string{"", "cmd", "hostvmm", "runtime_pv", "kernel/abi", "kernel/linux", "kernel/strace"}},
	{folder: "ci", may: []string{"ci", "hostvmm", "runtime_pv", "kernel/abi", "kernel/linux"}},
	{folder: "tests", may: []string{"tests", "hostvmm", "runtime_pv", "kernel/abi"}},
	{folder: "", std: []string{"embed"}},
}

// parsed returns the tracked Go files of the module itself: not the files of
// the derived standard library, whose imports are that library's affair.
func parsed(t *testing.T, mode parser.Mode) (*token.FileSet, map[string]*ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	files := map[string]*ast.File{}
	for _, name := range tracked(t, ".go") {
		if strings.Contains(name, "/_std/") || strings.Contains(name, "/testdata/") {
			continue
		}
		f, err := parser.ParseFile(fset, name, read(t, name), mode)
		require.NoError(t, err)
		files[name] = f
	}
	return fset, files
}

func TestImportsPointDown(t *testing.T) {
	_, files := parsed(t, parser.ImportsOnly)
	for name, f := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		d := directionOf(t, name)
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			assert.True(t, d.allows(imported), "%s imports %s, which %q may not", name, imported, d.folder)
		}
	}
}

// kernelImports are what the kernel in the derived standard library may import besides
// the guest packages: what package runtime has beneath itself.
var kernelImports = []string{"internal/abi", "internal/chacha8rand", "internal/runtime/atomic", "internal/runtime/sys", "internal/runtime/syscall/linux", "unsafe"}

func TestKernelImportsOnlyWhatLiesBeneath(t *testing.T) {
	found := 0
	for _, name := range tracked(t, ".go") {
		if !strings.HasPrefix(name, "runtime_pv/goroot/_std/") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range f.Imports {
			found++
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			guest := strings.HasPrefix(imported, "internal/runtime/doze/")
			assert.True(t, guest || slices.Contains(kernelImports, imported), "%s imports %s", name, imported)
		}
	}
	require.NotZero(t, found)
}

func directionOf(t *testing.T, name string) direction {
	for _, d := range directions {
		if d.folder == "" && !strings.Contains(name, "/") || d.folder != "" && under(name, d.folder) {
			return d
		}
	}
	require.Fail(t, "no import direction", "%s: add its folder to the table", name)
	return direction{}
}

func (d direction) allows(imported string) bool {
	folder, ours := strings.CutPrefix(imported, module)
	if ours {
		folder = strings.TrimPrefix(folder, "/")
		for _, m := range d.may {
			if folder == m || m != "" && under(folder, m) {
				return true
			}
		}
		return false
	}
	if d.std == nil {
		return true
	}
	for _, s := range d.std {
		if imported == s {
			return true
		}
	}
	return false
}

// Where package unsafe may be used: beneath Go, where the host talks to /dev/kvm
// or shares memory with a guest, and in the programs that do what none should, or
// make system calls themselves.
var mayBeUnsafe = []string{"kernel", "drivers", "runtime_pv/goroot", "hostvmm", "apps/calls", "apps/contend", "apps/faults", "apps/fuzzcalls", "apps/mappings", "apps/pipes", "apps/probes", "apps/remaps", "apps/steal", "apps/still", "apps/zeroed", "pv"}

func TestUnsafeStaysWhereItBelongs(t *testing.T) {
	_, files := parsed(t, parser.ParseComments)
	for name, f := range files {
		for _, spec := range f.Imports {
			if spec.Path.Value == `"unsafe"` {
				assert.True(t, under(name, mayBeUnsafe...), "%s imports unsafe", name)
			}
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				assert.False(t, strings.HasPrefix(c.Text, "//go:linkname"), "%s reaches into another package", name)
			}
		}
	}
}

// The kernel must not decide by CPUID: in ring 3 it may answer for another machine
// (docs/nucleus.md 2). /proc/cpuinfo shows what the program sees.
func TestKernelDoesNotAskCPUID(t *testing.T) {
	for _, name := range tracked(t, ".go", ".s") {
		if under(name, "runtime_pv/goroot", "kernel/mem", "kernel/fs", "kernel/topology", "drivers") &&
			path.Base(name) != "doze_proctext.go" {
			assert.NotContains(t, read(t, name), "CPUID(", "%s: the machine page has the answers", name)
		}
	}
}

// Devices run on a vCPU's goroutine and under the machine's lock: they never touch the
// host. Output leaves by one package, and what talks to it by one file.
func TestDevicesDoNotTouchTheHost(t *testing.T) {
	_, files := parsed(t, parser.ImportsOnly)
	for name, f := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, spec := range f.Imports {
			switch spec.Path.Value {
			case `"io"`, `"os"`, `"net"`, `"golang.org/x/sys/unix"`:
				assert.False(t, under(name, "hostvmm/device"), "%s imports %s: a device must not touch the host", name, spec.Path.Value)
			case `"github.com/doze-vm/doze/hostvmm/output"`:
				assert.Equal(t, "hostvmm/printing.go", name, "what is printed leaves by one file")
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	_, files := parsed(t, parser.ParseComments|parser.PackageClauseOnly)
	says := map[string]bool{}
	for name, f := range files {
		if !strings.HasSuffix(name, "_test.go") {
			dir := path.Dir(name)
			says[dir] = says[dir] || f.Doc != nil
		}
	}
	for dir, ok := range says {
		assert.True(t, ok, "%s has no package comment", dir)
	}
}

// kernelFiles are the files of the kernel in the derived standard library.
const kernelFiles = "runtime_pv/goroot/_std/runtime/doze_"

// ownMemory lists the files of the kernel that read and write memory by its address:
// their own structures, page tables, pages shared with the VMM, devices. All others
// serve calls, and know of the program's memory only what doze_user.go copies.
var ownMemory = []string{
	"balloon", "boot", "console", "exit", "fill", "idle", "input", "memory", "pages", "pit", "proctext", "release",
	"serial", "slots", "stack", "tables", "text", "threads", "time", "topology", "tree", "user", "hotplug", "vcpus",
}

// byAddress are the functions of kernel/mmio that touch memory, and of doze_user.go
// those that do so without a look at whose it is.
var byAddress = regexp.MustCompile(`\bmmio\.(Load|Store|Copy|Clear|Zero|Or64|Xchg64|OutString)`)
var byTrial = regexp.MustCompile(`\b(dozeTry(Copy|Clear|Load32)|dozeRep(Movsb|Stosb)|dozeLoad32)\b`)

func TestCallsTouchTheProgramsMemoryThroughOneDoor(t *testing.T) {
	for _, name := range tracked(t, ".go") {
		part, ok := strings.CutPrefix(name, kernelFiles)
		if !ok {
			continue
		}
		part = strings.TrimSuffix(part, ".go")
		text := read(t, name)
		if !slices.Contains(ownMemory, part) {
			assert.NotRegexp(t, byAddress, string(text), "%s: use dozeGet, dozePut and their like", name)
		}
		if part != "user" {
			assert.NotRegexp(t, byTrial, string(text), "%s: use dozeUserRead and its like", name)
		}
	}
}
