package boot

import (
	"strings"
	"testing"
	"time"

	"github.com/doze-vm/doze/hostvmm/vm"
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
		{"arguments", Line{Args: []string{"hello", "a", "b c", ""}}, "-- hello a b%20c %00"},
		{"separator is an argument", Line{Args: []string{"x", "--", "doze.strace"}}, "-- x -- doze.strace"},
		{"percent, newline, high byte", Line{Args: []string{"100%\n\xff"}}, "-- 100%25%0A%FF"},
		{"environment", Line{Env: []string{"A=b c", "E="}}, "doze.env=A=b%20c doze.env=E= --"},
		{"machine", Line{HLT: true, SMP: vm.SMPLock, Start: time.Unix(1, 5), VMM: "qemu-microvm", Accel: "tcg", Strace: true, CPUs: 4},
			"doze.idle=hlt doze.smp=lock doze.start=1000000005 doze.vmm=qemu-microvm doze.accel=tcg doze.strace doze.cpus=4 --"},
		{"vCPUs that may come", Line{CPUs: 2, MaxCPUs: 8}, "doze.cpus=2 doze.cpus.max=8 --"},
		{"as many as there are", Line{CPUs: 2, MaxCPUs: 2}, "doze.cpus=2 --"},
		{"tree", Line{Dir: "/a b/c", TreeRW: true}, "doze.cwd=/a%20b/c doze.tree=rw --"},
		{"control lines", Line{COM3: true}, "doze.control=com3 --"},
		{"device", Line{Devices: []Device{{0x200, 0xfeb00e00, 12}}}, "virtio_mmio.device=0x200@0xfeb00e00:12 --"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.line.Encode(HostLimit)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			back, err := Decode(got)
			require.NoError(t, err)
			assert.Equal(t, c.line.Args, back.Args)
			assert.Equal(t, c.line.Env, back.Env)
			assert.Equal(t, c.line.Devices, back.Devices)
			assert.Equal(t, c.line.Dir, back.Dir)
			assert.Equal(t, c.line.TreeRW, back.TreeRW)
			assert.Equal(t, c.line.COM3, back.COM3)
			assert.Equal(t, c.line.CPUs, back.CPUs)
			if c.line.MaxCPUs > c.line.CPUs {
				assert.Equal(t, c.line.MaxCPUs, back.MaxCPUs)
			}
			assert.True(t, c.line.Start.Equal(back.Start) || c.line.Start.IsZero())
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		line       Line
	}{
		{"no value", "write NAME=VALUE", Line{Env: []string{"A"}}},
		{"no name", "write NAME=VALUE", Line{Env: []string{"=A"}}},
		{"NUL in environment", "NUL byte", Line{Env: []string{"A=\x00"}}},
		{"NUL in argument", "NUL byte", Line{Args: []string{"\x00"}}},
		{"relative folder", "give an absolute path", Line{Dir: "a"}},
		{"NUL in folder", "give an absolute path", Line{Dir: "/\x00"}},
		{"too long", "take 4098 bytes of the machine's command line, which holds 4095", Line{Args: []string{strings.Repeat("x", 4095)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.line.Encode(QEMULimit)
			assert.ErrorContains(t, err, c.want)
		})
	}
	fits, err := Line{Args: []string{strings.Repeat("x", 4092)}}.Encode(QEMULimit)
	require.NoError(t, err)
	assert.Len(t, fits, QEMULimit-1)
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{"-- %", "-- %1", "-- %zz", "doze.start=x", "doze.cpus=0", "doze.cpus.max=x", "doze.cpus.max=0", "virtio_mmio.device=1@2", "virtio_mmio.device=1@2:x"} {
		_, err := Decode(text)
		assert.Error(t, err, text)
	}
}

func TestDecodeLeavesUnknownWords(t *testing.T) {
	l, err := Decode("console=ttyS0  panic=1 -- a")
	require.NoError(t, err)
	assert.Equal(t, Line{Args: []string{"a"}}, l)
}

func TestFromConfig(t *testing.T) {
	l := FromConfig(vm.Config{Image: "/tmp/hello.doze", Args: []string{"a"}, Idle: vm.IdleHLT, Dir: "/d", TreeWritable: true}, "hostvmm", "kvm")
	assert.Equal(t, "/d", l.Dir)
	assert.True(t, l.TreeRW)
	assert.Equal(t, []string{"hello.doze", "a"}, l.Args)
	assert.True(t, l.HLT)
	assert.False(t, l.Start.IsZero())
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("hello", "a b", "K=V", "%41")
	f.Add("", "--", "doze.env=A=B", "\xff\n")
	f.Fuzz(func(t *testing.T, a, b, env, c string) {
		l := Line{Args: []string{a, b, c}, Env: []string{"N=" + env}}
		text, err := l.Encode(HostLimit)
		if err != nil {
			t.Skip()
		}
		for i := 0; i < len(text); i++ {
			require.True(t, text[i] >= ' ' && text[i] < 0x7f)
		}
		back, err := Decode(text)
		require.NoError(t, err)
		require.Equal(t, l, back)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("doze.env=A=B doze.start=5 virtio_mmio.device=0x200@0xfeb00e00:12 -- a %41")
	f.Add("-- %0")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Decode(text)
		if err != nil {
			return
		}
		for _, e := range l.Args {
			_ = e
		}
		_, _ = l.Encode(QEMULimit)
	})
}
