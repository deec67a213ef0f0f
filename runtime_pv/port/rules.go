package port

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// rules is what is computed from the original files of one Go minor version.
// Paths are relative to GOROOT/src.
type rules struct {
	// syscalls maps an assembly file to the number of SYSCALL instructions that
	// it must have: a file that has another number is not the one that was
	// checked.
	syscalls map[string]int
	// calls are the function calls to replace.
	calls []callRule
	// texts are the other places to replace.
	texts []textRule
}

// callRule replaces one call in one function, which must occur exactly once.
type callRule struct {
	file, function string
	from, to       string
}

// textRule replaces a text that must occur exactly once in a file.
type textRule struct {
	file, from, to string
}

// minors holds the supported versions. The seam is the same in both.
var minors = map[string]rules{
	"1.26": seam,
	"1.27": seam,
}

var seam = rules{
	syscalls: map[string]int{
		"runtime/sys_linux_amd64.s":                        40,
		"runtime/time_linux_amd64.s":                       2,
		"syscall/asm_linux_amd64.s":                        3,
		"internal/runtime/syscall/linux/asm_linux_amd64.s": 1,
	},
	calls: []callRule{
		{"runtime/proc.go", "sysmon", "usleep(delay)", "dozeSysmonDelay(delay)"},
		{"runtime/netpoll_epoll.go", "netpoll", "linux.EpollWait(epfd, events[:], int32(len(events)), waitms)",
			"dozeNetpollWait(epfd, events[:], int32(len(events)), delay)"},
		{"runtime/proc.go", "sysmon", "retake(now)", "dozeRetake(now)"},
		{"runtime/proc.go", "sysmon", "notetsleep(&sched.sysmonnote, sleep)", "dozeSysmonWait(&sched.sysmonnote, sleep)"},
	},
	texts: []textRule{
		// A function that calls gets a frame pointer pushed, but rt_sigreturn finds the signal frame by the
		// stack pointer.
		// A machine's memory is the program's limit, if nobody says otherwise.
		{"runtime/mgcpacer.go", "\tif p == \"\" || p == \"off\" {\n\t\treturn math.MaxInt64", "\tif p == \"\" {\n\t\treturn dozeMemoryLimit()\n\t}\n\tif p == \"off\" {\n\t\treturn math.MaxInt64"},
		{"runtime/sys_linux_amd64.s", "TEXT runtime·sigreturn__sigaction(SB),NOSPLIT,$0\n", "TEXT runtime·sigreturn__sigaction(SB),NOSPLIT|NOFRAME,$0\n"},
	},
}

var versionForm = regexp.MustCompile(`^go(1\.\d+)(?:\.\d+|rc\d+|beta\d+)?(?:[ -].*)?$`)

// rulesFor returns the rules for a version as `go env GOVERSION` prints it.
func rulesFor(version string) (rules, error) {
	if m := versionForm.FindStringSubmatch(version); m != nil {
		if r, ok := minors[m[1]]; ok {
			return r, nil
		}
	}
	return rules{}, fmt.Errorf("version %q of Go is not supported: use one of %s (set GOTOOLCHAIN, or the toolchain line of go.mod)", version, Supported())
}

// CheckVersion says whether a version, as `go env GOVERSION` prints it, is
// supported.
func CheckVersion(version string) error {
	_, err := rulesFor(version)
	return err
}

// Supported lists the supported Go versions for a message.
func Supported() string {
	var list []string
	for minor := range minors {
		list = append(list, "go"+minor)
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}

// apply computes the changed files in the tree src.
func (r rules) apply(src string) error {
	for name, want := range r.syscalls {
		if err := edit(src, name, func(data []byte) ([]byte, error) { return rewriteSyscalls(data, want) }); err != nil {
			return err
		}
	}
	for _, c := range r.calls {
		if err := edit(src, c.file, c.rewrite); err != nil {
			return err
		}
	}
	for _, t := range r.texts {
		if err := edit(src, t.file, t.rewrite); err != nil {
			return err
		}
	}
	return nil
}

func edit(src, name string, change func([]byte) ([]byte, error)) error {
	path := filepath.Join(src, filepath.FromSlash(name))
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed, err := change(data)
	if err != nil {
		return fmt.Errorf("%s: %w: this Go tree is not the one Doze was checked against; use an unmodified release", name, err)
	}
	return replaceFile(path, changed)
}

var (
	syscallLine = regexp.MustCompile(`(?m)^([ \t]*)SYSCALL([ \t]*(?://.*)?)$`)
	syscallWord = regexp.MustCompile(`\bSYSCALL\b`)
	asmComment  = regexp.MustCompile(`(?m)//.*$`)
)

// rewriteSyscalls turns each SYSCALL instruction into a call of the kernel.
func rewriteSyscalls(data []byte, want int) ([]byte, error) {
	if got := len(syscallLine.FindAll(data, -1)); got != want {
		return nil, fmt.Errorf("%d SYSCALL instructions where %d were expected", got, want)
	}
	out := syscallLine.ReplaceAll(data, []byte("${1}CALL\truntime·dozecall(SB)${2}"))
	if syscallWord.Match(asmComment.ReplaceAll(out, nil)) {
		return nil, fmt.Errorf("a SYSCALL instruction in a form that is not understood")
	}
	return out, nil
}

func (t textRule) rewrite(data []byte) ([]byte, error) {
	if n := bytes.Count(data, []byte(t.from)); n != 1 {
		return nil, fmt.Errorf("%q occurs %d times where 1 was expected", t.from, n)
	}
	return bytes.Replace(data, []byte(t.from), []byte(t.to), 1), nil
}

// rewrite applies the rule to a file.
func (c callRule) rewrite(data []byte) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, c.file, data, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || f.Name.Name != c.function || f.Body == nil {
			continue
		}
		start, end := fset.Position(f.Body.Pos()).Offset, fset.Position(f.Body.End()).Offset
		body := data[start:end]
		if n := bytes.Count(body, []byte(c.from)); n != 1 {
			return nil, fmt.Errorf("%d calls %s in func %s where 1 was expected", n, c.from, c.function)
		}
		body = bytes.Replace(body, []byte(c.from), []byte(c.to), 1)
		return bytes.Join([][]byte{data[:start], body, data[end:]}, nil), nil
	}
	return nil, fmt.Errorf("no func %s", c.function)
}
