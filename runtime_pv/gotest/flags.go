package gotest

// takesValue are the flags of go test, and of go build, that take a value as the
// next argument.
var takesValue = set(
	"bench", "benchtime", "blockprofile", "blockprofilerate", "count", "covermode", "coverpkg", "coverprofile",
	"cpu", "cpuprofile", "exec", "fuzz", "fuzztime", "fuzzminimizetime", "list", "memprofile", "memprofilerate",
	"mutexprofile", "mutexprofilefraction", "o", "outputdir", "parallel", "run", "shuffle", "skip", "timeout",
	"trace", "vet", "testlogfile", "gocoverdir",
	"asmflags", "buildmode", "buildvcs", "C", "compiler", "gccgoflags", "gcflags", "installsuffix", "ldflags",
	"mod", "modfile", "overlay", "p", "pgo", "pkgdir", "tags", "toolexec",
)

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// Reasons for which a flag is refused.
const (
	needsCgo   = "it needs cgo, and images are pure Go"
	writesFile = "it writes a file, and files that a test writes stay in its machine"
	coverage   = "coverage is written to files, and files that a test writes stay in its machine"
)

// refused are flags of go test that make no sense with machines.
var refused = map[string]string{
	"race": needsCgo, "msan": needsCgo, "asan": needsCgo,
	"cover": coverage, "covermode": coverage, "coverpkg": coverage, "coverprofile": coverage, "gocoverdir": coverage,
	"blockprofile": writesFile, "cpuprofile": writesFile, "memprofile": writesFile, "mutexprofile": writesFile,
	"trace": writesFile, "outputdir": writesFile, "artifacts": writesFile, "testlogfile": writesFile,
	"fuzz":       "the fuzzing engine starts processes, and a machine runs one program",
	"exec":       "it says what runs the tests, and that is doze",
	"c":          "it makes a program and runs nothing: use go test",
	"o":          "it keeps the test's program, which runs in a machine only as an image",
	"linkshared": "images are static",
	"buildmode":  "images are executables at fixed addresses",
	"compiler":   "images are made by the gc compiler",
}
