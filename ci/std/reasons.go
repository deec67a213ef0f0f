package main

import (
	"regexp"
	"strings"
)

// Reasons for which a test that passes natively does not pass in a machine.
const (
	needsExec      = "needs exec"
	needsNetwork   = "needs network"
	needsToolchain = "needs a Go toolchain"
	needsCgo       = "needs cgo"
	missingCall    = "missing call "
	missingFile    = "missing file"
	timeout        = "timeout"
	needsCPUs      = "needs several CPUs"
	memory         = "memory"
	needsCPU       = "the emulated CPU lacks an instruction"
	otherPackages  = "the derived standard library has packages of ours"
	kernelGap      = "kernel gap"
	notBuilt       = "not built"
	notReached     = "not reached: the package ended before"
	otherReason    = "other"
)

// rule gives a reason to an output that matches. With a group in the pattern
// what it matched is added to the reason.
type rule struct {
	reason  string
	pattern *regexp.Regexp
}

// rules are tried in this order: what a test needs comes before what it met.
var rules = []rule{
	{needsCgo, regexp.MustCompile(`(?i)(requires|needs|no|without|skipping.*) cgo|cgo (not|is) (enabled|available|disabled)|CGO_ENABLED=0|cgo not`)},
	{needsToolchain, regexp.MustCompile(`(?i)(cannot|can't|could not|unable to) (run|find|locate|exec|use) (the )?('?go'? (tool|command|build|list|run)|go\b|GOROOT|the go)|no (suitable )?go (tool|command)|"go": executable file not found|\bbin/go\b|go build is not|go (list|build|env|tool|vet|run)\b.*(failed|error|: exec|not supported)|'go (run|build|tool)' (is )?not available|no Go toolchain|internal/goroot|skipping.*'go build'`)},
	{needsExec, regexp.MustCompile(`(?i)fork/exec|skipping because \w+ not found|cannot find nohup|executable file not found|os\.StartProcess|cannot exec|(exec|subprocess|child process(es)?).*(not (available|supported|implemented))|exec: |forkExec|clone: |wait4|pidfd|error (starting|running) (command|child|subprocess)|unexpected exit code for test case|wanted test output conta|hostname but it does not exist|sh is not available|pty open failed|CAST/PCT|FIPS 140-3 mode not enabled`)},
	{needsCPU, regexp.MustCompile(`implementations\.go:\d+: implementation not supported|no AVX512|AVX512 is required`)},
	{otherPackages, regexp.MustCompile(`unexpected dependency: internal/runtime/doze`)},
	{needsNetwork, regexp.MustCompile(`(?i)\b(socket|listen|dial|lookup|bind|connect)[ (:][^\n]*(not implemented|not supported|unreachable|refused|no such|not found|unavailable|server misbehaving|permitted)|listen tcp|listen udp|listen unix|dial (tcp|udp|unix|ip)|address family not supported|network is unreachable|(no|without|needs|requires|external) network|httptest: failed to listen|netlink|(socketpair|setsockopt|getsockopt)|no network interface|(tcp|udp|unix)[a-z0-9]* is not supported|does not support "(tcp|udp|unix)|NewLocalListener|no such network|both IPv4 and IPv6 are required|(tcp|udp|ip)[46] not (available|supported)|can't listen on|not testable|skipping (tcp|udp|unix)|MPTCP|IPv[46] .*not|multicast`)},
	{needsCPUs, regexp.MustCompile(`(?i)insufficient CPUs|(only one|only 1|single|too few|not enough) (CPU|processor|core)|skipping.*(uniprocessor|GOMAXPROCS|NumCPU|multi-?core)|on 1 processor machine|GOMAXPROCS <= 1|NumCPU 1$|need(s)? (at least|>=|more than) \d+ (CPU|core|proc)s?|requires multiple (CPU|core|proc)`)},
	{missingCall, regexp.MustCompile(`(?i)\b([a-z_][a-z0-9_]*)(?: [^:\n]*)?: function not implemented`)},
	{missingCall, regexp.MustCompile(`(?i)\b([a-z_][a-z0-9_]*)\b[^\n]*ENOSYS`)},
	{timeout, regexp.MustCompile(`test timed out after|Test killed|its machine was killed|(?i)\btimed out\b|\btimeout\b`)},
	{memory, regexp.MustCompile(`(?i)out of memory|cannot allocate memory|memory limit`)},
	{kernelGap, regexp.MustCompile(`(?i)doze: (crash|the machine)|the machine (ended|crashed)|unexpected signal|fatal error:|SIGSEGV|SIGBUS|SIGILL|runtime: (?:bad|unexpected)|signal arrived|operation not supported|not supported|invalid argument|bad address|bad file descriptor|operation not permitted|inappropriate ioctl`)},
	{missingFile, regexp.MustCompile(`(?i)no such file or directory|file does not exist|cannot find package|not in std|is not in GOROOT`)},
}

// classify returns the reason that an output gives, otherReason if none.
func classify(output string) string {
	for _, r := range rules {
		m := r.pattern.FindStringSubmatch(output)
		if m == nil {
			continue
		}
		if len(m) > 1 && r.reason == missingCall {
			return r.reason + strings.ToLower(m[1])
		}
		return r.reason
	}
	return otherReason
}

// noise are lines that say nothing about what went wrong.
var noise = regexp.MustCompile(`^\s*(=== |--- |PASS$|FAIL|ok\s|exit status|goroutine |\s*$)`)

// firstLine is the first line of an output that says something.
func firstLine(output string) string {
	for line := range strings.SplitSeq(output, "\n") {
		if !noise.MatchString(line) {
			line = strings.Join(strings.Fields(line), " ")
			if len(line) > 140 {
				line = line[:140] + " ..."
			}
			return strings.ToValidUTF8(line, "?")
		}
	}
	return "no output"
}
