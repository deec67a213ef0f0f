package main

import "strings"

// apart are packages whose tests, or most of them, need what a machine does not
// have; the sum is given with and without them. A name that ends in /... stands
// for all below it too. Single tests of other packages that need the same are
// not taken out.
var apart = []struct{ pkg, reason string }{
	{"crypto/tls", needsNetwork},
	{"expvar", needsNetwork},
	{"log/syslog", needsNetwork},
	{"net", needsNetwork},
	{"net/http/...", needsNetwork},
	{"net/rpc/...", needsNetwork},
	{"net/smtp", needsNetwork},
	{"net/internal/...", needsNetwork},
	{"internal/poll", needsNetwork},
	{"os/exec/...", needsExec},
	{"internal/syscall/exec", needsExec},
	{"go/build", needsToolchain},
	{"go/importer", needsToolchain},
	{"go/internal/gccgoimporter", needsToolchain},
	{"go/internal/gcimporter", needsToolchain},
	{"go/internal/srcimporter", needsToolchain},
	{"go/types", needsToolchain},
	{"internal/coverage/cfile", needsToolchain},
	{"internal/coverage/test", needsToolchain},
	{"internal/types/errors", needsToolchain},
	{"runtime/coverage", needsToolchain},
	{"runtime/race", needsCgo},
	{"runtime/msan", needsCgo},
	{"runtime/asan", needsCgo},
	{"runtime/cgo/...", needsCgo},
	{"internal/testenv", needsToolchain},
	{"cmd/...", needsToolchain},
	{"plugin", needsCgo},
}

// setApart returns why a package is listed apart, nothing if it is not.
func setApart(pkg string) string {
	for _, a := range apart {
		if base, below := strings.CutSuffix(a.pkg, "/..."); pkg == a.pkg || below && (pkg == base || strings.HasPrefix(pkg, base+"/")) {
			return a.reason
		}
	}
	return ""
}

// knownTests are tests whose output does not say what they need, with those below
// them.
var knownTests = map[string]string{
	"sync.TestIssue76126": needsExec, // looks at how a program of its own panics
	// They start the test binary anew.
	"runtime.TestIssue66841":                  needsExec,
	"runtime.TestRuntimePanic":                needsExec,
	"runtime.TestTracebackRuntimeFunction":    needsExec,
	"runtime.TestTracebackRuntimeMethod":      needsExec,
	"runtime.TestTracebackSystem":             needsExec,
	"testing.TestMorePanic":                   needsExec,
	"testing.TestPanic":                       needsExec,
	"testing.TestTBHelper":                    needsExec,
	"testing.TestTBHelperParallel":            needsExec,
	"compress/gzip.Example_compressingReader": needsNetwork, // a server and a client
}

func known(pkg, name string) string { return knownTests[pkg+"."+top(name)] }
