package port

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// A stand-in for the guest kernel: the same seam, served by Linux. A program
// built with it must run as a Linux process, which shows that the rules keep the
// runtime whole.
const (
	standInGo = `package runtime

import (
	"internal/runtime/doze/mem"
	_ "unsafe"
)

func dozeSysmonDelay(us uint32) { usleep(us) }

func dozeSysmonWait(n *note, ns int64) bool { return notetsleep(n, ns) }

// dozecall is called by the assembly of syscall too.
//
//go:linkname dozecall
func dozecall()

var dozeMark = mem.Answer()
`
	standInAsm = `#include "textflag.h"

// The return address leaves the stack first, for clone's child has another stack.
// rt_sigreturn (15) finds its frame above the BP that the assembler saves in a
// function that calls.
TEXT runtime·dozecall(SB),NOSPLIT|NOFRAME,$0
	POPQ R15
	CMPQ AX, $15
	JNE  call
	POPQ BP
call:
	SYSCALL
	JMP R15
`
	memGo = `// Package mem is a guest package with assembly.
package mem

import "github.com/doze-vm/doze/kernel/abi"

func answer() uint64

func Answer() uint64 { return answer() + abi.Zero }
`
	memAsm = `#include "textflag.h"

TEXT ·answer(SB),NOSPLIT,$0-8
	MOVQ $42, ret+0(FP)
	RET
`
	programGo = `package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go net.Dial("tcp", l.Addr().String())
	if _, err := l.Accept(); err != nil {
		panic(err)
	}
	time.Sleep(time.Millisecond)
	fmt.Println("pid", os.Getpid() > 0)
}
`
)

// toolchains returns the supported toolchains on this machine: the one in PATH
// and those in the module cache.
func toolchains(t *testing.T) []Toolchain {
	t.Helper()
	tc, err := Find(context.Background(), "")
	require.NoError(t, err)
	found := []Toolchain{tc}
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	require.NoError(t, err)
	for minor := range minors {
		dirs, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "golang.org", "toolchain@v0.0.1-go"+minor+".*linux-amd64"))
		require.NoError(t, err)
		for _, dir := range dirs {
			if version, err := os.ReadFile(filepath.Join(dir, "VERSION")); err == nil {
				v, _, _ := strings.Cut(string(version), "\n")
				found = append(found, Toolchain{Version: v, GOROOT: dir})
			}
		}
	}
	return found
}

func TestProgramBuiltWithStandInRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the standard library")
	}
	for _, tc := range toolchains(t) {
		t.Run(tc.Version, func(t *testing.T) {
			epoll, err := os.ReadFile(filepath.Join(tc.GOROOT, "src/runtime/netpoll_epoll.go"))
			require.NoError(t, err)
			p := &Port{Cache: t.TempDir(), Sources: fstest.MapFS{
				stdDir + "/runtime/doze.go":            {Data: []byte(standInGo)},
				stdDir + "/runtime/doze_linux_amd64.s": {Data: []byte(standInAsm)},
				stdDir + "/runtime/netpoll_doze.go":    {Data: epoll},
				"kernel/mem/mem.go":                    {Data: []byte(memGo)},
				"kernel/mem/mem.s":                     {Data: []byte(memAsm)},
				"kernel/mem/mem_test.go":               {Data: []byte("package nonsense")},
				"kernel/abi/abi.go":                    {Data: []byte("package abi\n\nconst Zero = 0\n")},
			}}
			root, err := p.Derive(tc)
			require.NoError(t, err)
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(programGo), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n\ngo 1.26\n"), 0o644))
			out, err := tc.Command(context.Background(), root, dir, "build", "-o", "m", ".").CombinedOutput()
			require.NoError(t, err, string(out))
			out, err = exec.Command(filepath.Join(dir, "m")).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, "pid true\n", string(out))
		})
	}
}
