package image

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doze-vm/doze/kernel/boot"
	"github.com/doze-vm/doze/runtime_pv/port/standin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"
)

func code(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	require.NoError(t, err)
	return b
}

func TestHasSyscall(t *testing.T) {
	for _, c := range []struct {
		name, code string
		want       bool
	}{
		{"none", "90 c3", false},
		{"alone", "0f05", true},
		{"after others", "48 c7 c0 3c 00 00 00 0f 05 c3", true},
		{"in an immediate", "b8 00 0f 05 00 c3", false},
		{"in a displacement", "48 8b 05 0f 05 00 00 c3", false},
		{"after AVX", "c5 fd 6f 06 0f 05", true},
		{"in AVX: VPALIGNR $5, 15(DI)", "c4 e3 71 0f 47 0f 05 c3", false},
		{"in AVX-512: VMOVDQU64 disp32", "62 f1 fe 48 6f 80 0f 05 00 00 c3", false},
		{"after AVX-512", "62 f1 fe 48 6f 06 0f 05", true},
		{"in ADX: ADCX disp32", "66 48 0f 38 f6 80 0f 05 00 00 c3", false},
		{"after SHA: SHA1RNDS4", "0f 3a cc c1 00 0f 05", true},
		{"where nothing decodes", "06 00 0f 05", true},
		{"cut off", "c4 e3", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, hasSyscall(code(t, c.code)))
		})
	}
}

func TestVexLen(t *testing.T) {
	for _, c := range []struct {
		name, code string
		want       int
	}{
		{"VZEROUPPER", "c5 f8 77", 3},
		{"VMOVDQU (SI), Y0", "c5 fe 6f 06", 4},
		{"VMOVDQU 32(SI), Y1", "c5 fe 6f 4e 20", 5},
		{"VMOVDQU (SP), Y1", "c5 fe 6f 0c 24", 5},
		{"VMOVDQU RIP", "c5 fe 6f 05 00 00 00 00", 8},
		{"VPSHUFD imm", "c5 f9 70 c0 4e", 5},
		{"VPSHUFB", "c4 e2 71 00 c2", 5},
		{"VPERM2I128 imm", "c4 e3 75 46 c2 31", 6},
		{"EVEX", "62 f1 fe 48 6f 06", 6},
		{"EVEX imm", "62 f3 75 48 25 c2 96", 7},
		{"ADOX", "f3 48 0f 38 f6 c1", 6},
		{"not VEX", "90", 0},
		{"cut off", "c5 fe 6f", 0},
		{"empty", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, vexLen(code(t, c.code)))
		})
	}
}

func FuzzHasSyscall(f *testing.F) {
	for _, seed := range []string{"0f05", "c5f877", "62f1fe486f06", "c4e3710f470f05c3", "66480f38f6800f050000", "06000f05"} {
		b, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := vexLen(b)
		assert.True(t, n >= 0 && n <= len(b))
		if !bytes.Contains(b, opSyscall) {
			assert.False(t, hasSyscall(b))
		}
	})
}

const sysProgram = `package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) > 1 {
		unix.Sync() // SyscallNoError; the others use RawSyscallNoError
	}
	old := unix.Umask(0o77)
	fmt.Println(unix.Getpid() == os.Getpid(), unix.Umask(old) == 0o77)
}
`

// golang.org/x/sys has two functions with a SYSCALL of their own: they are
// rewritten and still work.
func TestXSysIsRewritten(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the standard library")
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}} {{.GoVersion}}", "golang.org/x/sys").Output()
	require.NoError(t, err)
	version, goVersion, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	sum, err := os.ReadFile("../../go.sum")
	require.NoError(t, err)
	for _, tc := range standin.Toolchains(t) {
		t.Run(tc.Version, func(t *testing.T) {
			program := standin.Build(t, tc, map[string]string{
				"main.go": sysProgram,
				"go.mod":  "module m\n\ngo " + goVersion + "\n\nrequire golang.org/x/sys " + version + "\n",
				"go.sum":  string(sum),
			})
			data, err := os.ReadFile(program)
			require.NoError(t, err)
			img, err := Convert(data, boot.Blob, nil)
			require.NoError(t, err)
			path := filepath.Join(t.TempDir(), "m.doze")
			require.NoError(t, WriteFile(path, img))
			got, err := exec.Command(path).CombinedOutput()
			require.NoError(t, err, string(got))
			assert.Equal(t, "true true\n", string(got))
			checkJumps(t, img)
		})
	}
}

func checkJumps(t *testing.T, img []byte) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(img))
	require.NoError(t, err)
	syms, err := f.Symbols()
	require.NoError(t, err)
	seen := 0
	var target elf.Symbol
	for _, s := range syms {
		if strings.TrimSuffix(s.Name, abi0Suffix) == rawNoError {
			target = s
		}
	}
	text := f.Section(".text")
	for _, s := range syms {
		for _, known := range patched {
			if strings.TrimSuffix(s.Name, abi0Suffix) != known || elf.ST_TYPE(s.Info) != elf.STT_FUNC {
				continue
			}
			b := make([]byte, s.Size)
			_, err := text.ReadAt(b, int64(s.Value-text.Addr))
			require.NoError(t, err)
			if !strings.HasSuffix(s.Name, abi0Suffix) && b[0] != 0xe9 {
				continue // the Go side, which calls the other
			}
			inst, err := x86asm.Decode(b, 64)
			require.NoError(t, err)
			require.Equal(t, x86asm.JMP, inst.Op)
			assert.Equal(t, target.Value, s.Value+uint64(inst.Len)+uint64(int64(inst.Args[0].(x86asm.Rel))))
			seen++
		}
	}
	assert.Equal(t, len(patched), seen)
}

func TestStraySyscallIsNamed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the standard library")
	}
	tc := standin.Toolchains(t)[0]
	program := standin.Build(t, tc, map[string]string{
		"main.go": "package main\n\nfunc raw()\n\nfunc main() { raw() }\n",
		"raw.s":   "#include \"textflag.h\"\n\nTEXT ·raw(SB),NOSPLIT,$0-0\n\tMOVQ $39, AX\n\tSYSCALL\n\tRET\n",
	})
	data, err := os.ReadFile(program)
	require.NoError(t, err)
	_, err = Convert(data, boot.Blob, nil)
	assert.ErrorContains(t, err, "main.raw executes SYSCALL itself")
}
