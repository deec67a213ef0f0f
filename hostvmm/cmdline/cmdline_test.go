package cmdline

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/cmdline"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEncode(t *testing.T) {
	for _, c := range []struct {
		name string
		line Line
		want string
	}{
		{"nothing", Line{}, "--"},
		{"arguments", Line{Config: vm.Config{Args: []string{"hello", "a", "b c", ""}}}, "-- hello a b%20c %00"},
		{"separator is an argument", Line{Config: vm.Config{Args: []string{"x", "--", "doze.strace"}}}, "-- x -- doze.strace"},
		{"percent, newline, high byte", Line{Config: vm.Config{Args: []string{"100%\n\xff"}}}, "-- 100%25%0A%FF"},
		{"environment", Line{Config: vm.Config{Env: []string{"A=b c", "E="}}}, "doze.env=A=b%20c doze.env=E= --"},
		{"machine", Line{Config: vm.Config{Idle: vm.IdleHLT, SMP: vm.SMPLock, Start: time.Unix(1, 5), Strace: "all", CPUs: 4}, VMM: "qemu-microvm", Accel: "tcg"},
			"doze.cpus=4 doze.idle=hlt doze.smp=lock doze.strace=all doze.start=1000000005 doze.vmm=qemu-microvm doze.accel=tcg --"},
		{"calls to print", Line{Config: vm.Config{Strace: "file,futex"}}, "doze.strace=file,futex --"},
		{"calls not to print", Line{Config: vm.Config{Strace: "!clock"}}, "doze.strace=!clock --"},
		{"vCPUs that may come", Line{Config: vm.Config{CPUs: 2, MaxCPUs: 8}}, "doze.cpus=2 doze.cpus.max=8 --"},
		{"host name", Line{Config: vm.Config{Hostname: "web-1.example"}}, "doze.hostname=web-1.example --"},
		{"tree", Line{Config: vm.Config{Dir: "/a b/c", TreeWritable: true}}, "doze.cwd=/a%20b/c doze.tree=rw --"},
		{"control lines", Line{COM3: true}, "doze.control=com3 --"},
		{"device", Line{Devices: []Device{{0x200, 0xfeb00e00, 12}}}, "virtio_mmio.device=0x200@0xfeb00e00:12 --"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.line.Encode(HostLimit)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			args, env := asTheGuestReads(got)
			assert.Equal(t, c.line.Args, args)
			assert.Equal(t, c.line.Env, env)
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		line       Line
	}{
		{"no value", "write NAME=VALUE", Line{Config: vm.Config{Env: []string{"A"}}}},
		{"no name", "write NAME=VALUE", Line{Config: vm.Config{Env: []string{"=A"}}}},
		{"NUL in environment", "NUL byte", Line{Config: vm.Config{Env: []string{"A=\x00"}}}},
		{"NUL in argument", "NUL byte", Line{Config: vm.Config{Args: []string{"\x00"}}}},
		{"relative folder", "give an absolute path", Line{Config: vm.Config{Dir: "a"}}},
		{"NUL in folder", "give an absolute path", Line{Config: vm.Config{Dir: "/\x00"}}},
		{"host name with a space", "use up to 64 letters", Line{Config: vm.Config{Hostname: "a b"}}},
		{"long host name", "use up to 64 letters", Line{Config: vm.Config{Hostname: strings.Repeat("a", 65)}}},
		{"no call", `"fish" is no call and no class of calls`, Line{Config: vm.Config{Strace: "read,fish"}}},
		{"too long", "take 4098 bytes of the machine's command line, which holds 4095", Line{Config: vm.Config{Args: []string{strings.Repeat("x", 4095)}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.line.Encode(QEMULimit)
			assert.ErrorContains(t, err, c.want)
		})
	}
	fits, err := Line{Config: vm.Config{Args: []string{strings.Repeat("x", 4092)}}}.Encode(QEMULimit)
	require.NoError(t, err)
	assert.Len(t, fits, QEMULimit-1)
}

func TestFromConfig(t *testing.T) {
	l := FromConfig(vm.Config{Image: "/tmp/hello.doze", Args: []string{"a"}, Idle: vm.IdleHLT, Dir: "/d", TreeWritable: true}, "hostvmm", "kvm")
	assert.Equal(t, "/d", l.Dir)
	assert.True(t, l.TreeWritable)
	assert.Equal(t, []string{"hello.doze", "a"}, l.Args)
	assert.Equal(t, vm.IdleHLT, l.Idle)
	assert.False(t, l.Start.IsZero())
}

// What the guest does by itself is not written: QEMU has room for little.
func TestFromConfigLeavesOutWhatIsTheRule(t *testing.T) {
	c := vm.Config{Image: "i", Idle: vm.IdlePark, SMP: vm.SMPAll, CPUs: 1, MaxCPUs: 1, Strace: "%file", Start: time.Unix(0, 7)}
	text, err := FromConfig(c, "", "").Encode(QEMULimit)
	require.NoError(t, err)
	assert.Equal(t, "doze.strace=file doze.start=7 -- i", text)
	c.CPUs, c.MaxCPUs = 2, 2
	text, err = FromConfig(c, "", "").Encode(QEMULimit)
	require.NoError(t, err)
	assert.Equal(t, "doze.cpus=2 doze.strace=file doze.start=7 -- i", text)
}

// text is a line as the guest finds it, room is where it decodes a word: not on a stack,
// which moves when it grows.
var text, room []byte

// asTheGuestReads returns the arguments and the environment of a line.
func asTheGuestReads(line string) (args, env []string) {
	text = append([]byte(line), 0)
	w := cmdline.Of(uintptr(unsafe.Pointer(unsafe.SliceData(text))))
	decode := func(v cmdline.Value) string {
		room = make([]byte, v.Len()+1)
		at := uintptr(unsafe.Pointer(unsafe.SliceData(room)))
		return string(room[:v.Decode(at)-at])
	}
	for w.NextForMachine() {
		if v, ok := w.Value(cmdline.WordEnv); ok {
			env = append(env, decode(v))
		}
	}
	for w.Next() {
		args = append(args, decode(w.Whole()))
	}
	return args, env
}

// The guest reads what was meant, whatever the arguments are.
func FuzzRoundTrip(f *testing.F) {
	f.Add("hello", "a b", "K=V", "%41")
	f.Add("", "--", "doze.env=A=B", "\xff\n")
	f.Fuzz(func(t *testing.T, a, b, env, c string) {
		l := Line{Config: vm.Config{Args: []string{a, b, c}, Env: []string{"N=" + env}}}
		text, err := l.Encode(HostLimit)
		if err != nil {
			t.Skip()
		}
		for i := 0; i < len(text); i++ {
			require.True(t, text[i] >= ' ' && text[i] < 0x7f)
		}
		args, vars := asTheGuestReads(text)
		require.Equal(t, l.Args, args)
		require.Equal(t, l.Env, vars)
	})
}
