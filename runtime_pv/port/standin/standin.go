// Package standin is a guest kernel for tests that passes every call on to
// Linux. Programs built with it go through the same rules and the same
// conversion as real images, and still run as Linux processes.
//
// Only tests import it; it must never be part of the doze command.
package standin

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/doze-vm/doze/runtime_pv/port"
	"github.com/stretchr/testify/require"
)

const std = "runtime_pv/goroot/_std/"

const runtimeGo = `package runtime

import (
	"internal/runtime/doze/mem"
	"internal/runtime/syscall/linux"
	_ "unsafe"
)

func dozeMemoryLimit() int64 { return 1<<63 - 1 }

func dozeSysmonDelay(us uint32) { usleep(us) }

func dozeRetake(now int64) uint32 { return retake(now) }

func dozeSysmonWait(n *note, ns int64) bool { return notetsleep(n, ns) }

func dozeNetpollWait(epfd int32, events []linux.EpollEvent, n int32, delay int64) (int32, uintptr) {
	ms := int32(min(max(delay, -1), 1e9))
	if delay > 0 {
		ms = int32(min((delay+999_999)/1e6, 1e9))
	}
	return linux.EpollWait(epfd, events, n, ms)
}

// dozecall is called by the assembly of syscall too.
//
//go:linkname dozecall
func dozecall()

var dozeMark uint64

func init() { dozeMark = mem.Answer() }
`

// The return address leaves the stack first, for clone's child has another
// stack and sigreturn's frame begins where the address was.
const runtimeAsm = `#include "textflag.h"

TEXT runtime·dozecall(SB),NOSPLIT|NOFRAME,$0
	POPQ R15
	LEAQ _rt0_amd64_linux(SB), R11
	JMP  R11

TEXT _rt0_amd64_doze(SB),NOSPLIT|NOFRAME,$0
	JMP _rt0_amd64(SB)
`

// The ELF entry, which also keeps the other entry in the program. Linux starts a
// process with R15 = 0; with a return address in it, it is a call: the image
// builder allows a SYSCALL in this function alone.
const rt0Asm = `#include "textflag.h"

TEXT _rt0_amd64_linux(SB),NOSPLIT|NOFRAME,$0
	TESTQ R15, R15
	JNE   call
	CMPQ  SP, $0
	JEQ   doze
	JMP   _rt0_amd64(SB)
doze:
	JMP   _rt0_amd64_doze(SB)
call:
	SYSCALL
	JMP   R15

TEXT _rt0_amd64_linux_lib(SB),NOSPLIT,$0
	JMP	_rt0_amd64_lib(SB)
`

const memGo = `// Package mem is a guest package with assembly.
package mem

import "github.com/doze-vm/doze/kernel/abi"

func answer() uint64

func Answer() uint64 { return answer() + abi.Zero }
`

const memAsm = `#include "textflag.h"

TEXT ·answer(SB),NOSPLIT,$0-8
	MOVQ $42, ret+0(FP)
	RET
`

// Sources returns the guest side for a toolchain.
func Sources(t *testing.T, tc port.Toolchain) fstest.MapFS {
	t.Helper()
	return fstest.MapFS{
		std + "runtime/doze.go":            {Data: []byte(runtimeGo)},
		std + "runtime/doze_linux_amd64.s": {Data: []byte(runtimeAsm)},
		std + "runtime/rt0_linux_amd64.s":  {Data: []byte(rt0Asm)},
		"kernel/mem/mem.go":                {Data: []byte(memGo)},
		"kernel/mem/mem.s":                 {Data: []byte(memAsm)},
		"kernel/mem/mem_test.go":           {Data: []byte("package nonsense")},
		"kernel/abi/abi.go":                {Data: []byte("package abi\n\nconst Zero = 0\n")},
	}
}

// Toolchains returns the supported toolchains on this machine: the one in PATH
// and those in the module cache.
func Toolchains(t *testing.T) []port.Toolchain {
	t.Helper()
	tc, err := port.Find(context.Background(), "")
	require.NoError(t, err)
	found := []port.Toolchain{tc}
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	require.NoError(t, err)
	dirs, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "golang.org", "toolchain@v0.0.1-go1.*linux-amd64"))
	require.NoError(t, err)
	for _, dir := range dirs {
		version, err := os.ReadFile(filepath.Join(dir, "VERSION"))
		if err != nil {
			continue
		}
		v, _, _ := strings.Cut(string(version), "\n")
		if port.CheckVersion(v) == nil && v != tc.Version {
			found = append(found, port.Toolchain{Version: v, GOROOT: dir})
		}
	}
	return found
}

// Port returns a Port with the stand-in, whose trees stay for the next run so
// that the go command's cache fits.
func Port(t *testing.T, tc port.Toolchain) *port.Port {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	return &port.Port{Sources: Sources(t, tc), Cache: filepath.Join(cache, "doze", "standin")}
}

// Module writes a module of the files given (go.mod is added if missing) and
// returns its folder.
func Module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if _, ok := files["go.mod"]; !ok {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/m\n\ngo 1.26\n"), 0o644))
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

// Build builds the module's main package and returns the program's path.
func Build(t *testing.T, tc port.Toolchain, files map[string]string, flags ...string) string {
	t.Helper()
	root, err := Port(t, tc).Derive(t.Context(), tc)
	require.NoError(t, err)
	dir := Module(t, files)
	program := filepath.Join(dir, "program")
	args := append([]string{"build", "-o", program}, flags...)
	cmd := tc.Command(context.Background(), root, dir, append(args, ".")...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}
