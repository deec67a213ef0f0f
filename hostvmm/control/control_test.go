package control

import (
	"bytes"
	"strings"
	"testing"

	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParser(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     vm.Result
		err      string
	}{
		{"exit", "exit 7\n", vm.Result{ExitCode: 7}, ""},
		{"first exit counts", "exit 7\nexit 8\n", vm.Result{ExitCode: 7}, ""},
		{"exit out of range", "exit 256\nexit -1\nexit x\nexit 1\n", vm.Result{ExitCode: 1}, ""},
		{"error", "error no FSGSBASE\nexit 1\n", vm.Result{}, "no FSGSBASE"},
		{"crash", "crash double fault\nreg rip 0x401000\nreg rax ff\npc 401000\npc 0x401010\n", vm.Result{ExitCode: 2, Crash: &vm.Crash{
			Text: "double fault",
			Regs: []vm.Reg{{Name: "rip", Value: 0x401000}, {Name: "rax", Value: 0xff}},
			PCs:  []uint64{0x401000, 0x401010},
		}}, ""},
		{"crash after exit", "exit 0\ncrash late\n", vm.Result{ExitCode: 2, Crash: &vm.Crash{Text: "late"}}, ""},
		{"nothing", "", vm.Result{ExitCode: 2, Crash: &vm.Crash{Text: "the machine ended without a word"}}, ""},
		{"line not ended", "exit 3", vm.Result{ExitCode: 2, Crash: &vm.Crash{Text: "the machine ended without a word"}}, ""},
		{"unknown lines", "hello world\n\n \nreg rax 1\npc 5\nexit 0\n", vm.Result{}, ""},
		{"terminal codes", "crash \x1b[2J\xff\tgone\n", vm.Result{ExitCode: 2, Crash: &vm.Crash{Text: "?[2J\uFFFD?gone"}}, ""},
		{"bad numbers", "crash x\nreg rax zz\nreg rax\npc\npc 11112222333344445\n", vm.Result{ExitCode: 2, Crash: &vm.Crash{Text: "x"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, step := range []int{1, 3, 1 << 20} { // however the bytes arrive
				var p Parser
				for in := []byte(c.in); len(in) > 0; {
					n := min(step, len(in))
					_, err := p.Write(in[:n])
					require.NoError(t, err)
					in = in[n:]
				}
				got, err := p.Result()
				if c.err != "" {
					var guest *vm.GuestError
					require.ErrorAs(t, err, &guest)
					assert.Equal(t, c.err, guest.Text)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, c.want, got)
			}
		})
	}
}

func TestParserAsksForInput(t *testing.T) {
	var asked []int
	p := Parser{Asked: func(n int) { asked = append(asked, n) }}
	_, err := p.Write([]byte("input 7\ninput 0\ninput -1\ninput 99999999999\ninput\ninput 16384\nexit 0\n"))
	require.NoError(t, err)
	assert.Equal(t, []int{7, 16384}, asked)
}

func TestParserIsBounded(t *testing.T) {
	var p Parser
	_, err := p.Write([]byte("crash " + strings.Repeat("x", 1<<20) + "\n" + strings.Repeat("pc 1\n", 10*maxPCs) + strings.Repeat("reg a 1\n", 10*maxRegs)))
	require.NoError(t, err)
	res, err := p.Result()
	require.NoError(t, err)
	assert.Len(t, res.Crash.Text, maxLine-len("crash "))
	assert.Len(t, res.Crash.PCs, maxPCs)
	assert.Len(t, res.Crash.Regs, maxRegs)
	assert.LessOrEqual(t, cap(p.line), 4*maxLine)
}

func FuzzParser(f *testing.F) {
	f.Add([]byte("crash x\nreg rip 0x1\npc 2\nexit 1\n"))
	f.Add([]byte("error \x1b[31m\n"))
	f.Add([]byte("exit 0\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var p Parser
		n, err := p.Write(in)
		require.NoError(t, err)
		require.Equal(t, len(in), n)
		res, err := p.Result()
		var out bytes.Buffer
		if err != nil {
			out.WriteString(err.Error())
		}
		if res.Crash != nil {
			require.NoError(t, WriteReport(&out, res.Crash, "/nonexistent"))
		}
		for _, b := range out.Bytes() {
			require.True(t, b == '\n' || b >= ' ' && b != 0x7f, "raw byte %#x reached the terminal", b)
		}
	})
}
