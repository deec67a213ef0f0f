package hostvmm

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/device/balloon"
	"github.com/doze-vm/doze/hostvmm/guesttest"
	"github.com/doze-vm/doze/hostvmm/loader"
	"github.com/doze-vm/doze/hostvmm/vm"
	"github.com/doze-vm/doze/kernel/abi"
)

// withMemory is a machine without KVM: its memory and its balloon.
func withMemory(t *testing.T, boot, most uint64) *Machine {
	t.Helper()
	data := guesttest.Image(nil, guesttest.Segment{Addr: abi.ImageBase, Data: bytes.Repeat([]byte{0xcc}, 1<<20)})
	im, err := loader.Parse(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	require.NoError(t, im.Share())
	defer im.Close()
	m := &Machine{}
	require.NoError(t, m.newMemory(im, vm.Config{Memory: boot, MaxMemory: most}))
	t.Cleanup(func() { require.NoError(t, unix.Munmap(m.mapping)) })
	require.NoError(t, im.Load(m.mem))
	m.balloon = balloon.New(&m.ram, m.release, func() {})
	return m
}

// What the guest gives back reads as zero; what is not its own to give stays.
func TestRelease(t *testing.T) {
	const boot = 16 << 20
	m := withMemory(t, boot, 32<<20)
	fill := func() {
		for _, at := range []uint64{abi.VCPUPage0, abi.LowEnd, 0x300000, 8 << 20, boot - abi.PageSize} {
			m.ram.all[at] = 7
		}
		m.ram.all[boot] = 7
	}
	for _, c := range []struct {
		name         string
		addr, length uint64
		refused      bool
	}{
		{"free memory", 8 << 20, 2 << 20, false},
		{"up to the end", boot - abi.PageSize, abi.PageSize, false},
		{"free memory below the image", 0x300000, abi.PageSize, false},
		{"shared with the VMM", abi.VCPUPage0, abi.PageSize, true},
		{"across its end", abi.LowEnd - abi.PageSize, 2 * abi.PageSize, true},
		{"the image's text", abi.ImageBase, abi.PageSize, true},
		{"memory and text", 0x300000, 2 << 20, true},
		{"beyond what there is", boot - abi.PageSize, 2 * abi.PageSize, true},
		{"not there yet", boot, abi.PageSize, true},
		{"nowhere", 1 << 40, abi.PageSize, true},
		{"wraps around", ^uint64(abi.PageSize - 1), 2 * abi.PageSize, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			fill()
			before := m.ram.refused
			m.release(c.addr, c.length)
			assert.Equal(t, c.refused, m.ram.refused == before+1)
			assert.EqualValues(t, 0xcc, m.ram.all[abi.ImageBase], "text stays")
			if part, ok := m.ram.Slice(c.addr, c.length); ok && !c.refused {
				assert.Equal(t, make([]byte, c.length), part)
			}
			assert.EqualValues(t, 7, m.ram.all[abi.VCPUPage0])
			assert.EqualValues(t, 7, m.ram.all[boot])
		})
	}
}

func TestTargetIsChecked(t *testing.T) {
	m := withMemory(t, 16<<20, 32<<20)
	for _, target := range []uint64{0, 1 << 20, m.ram.least - 1, 32<<20 + 1, ^uint64(0)} {
		assert.ErrorContains(t, m.SetBalloon(target), "this machine can have", "%d", target)
	}
	for _, c := range []struct{ target, pages uint64 }{
		{m.ram.least, (16<<20 - m.ram.least) / abi.PageSize}, {12<<20 - 5, 1024}, {16 << 20, 0}, {24 << 20, 0}, {32 << 20, 0},
	} {
		require.NoError(t, m.SetBalloon(c.target))
		var word [4]byte
		m.balloon.Read(0x100, word[:])
		assert.EqualValues(t, c.pages, uint32(word[0])|uint32(word[1])<<8|uint32(word[2])<<16, "%d", c.target)
	}
}

func TestResident(t *testing.T) {
	mapping, mem, err := loader.MapMemory(80 << 20)
	require.NoError(t, err)
	defer unix.Munmap(mapping)
	require.NoError(t, unix.Madvise(mapping, unix.MADV_NOHUGEPAGE))
	assert.Zero(t, resident(mem))
	mem[0], mem[70<<20] = 1, 1
	assert.EqualValues(t, 2*abi.PageSize, resident(mem))
}

// A guest that asks for memory without end gets what its ceiling is, and its target
// before that.
func TestGrowthEndsAtTheCeiling(t *testing.T) {
	guesttest.NeedKVM(t)
	const most = testMemory + 100<<20
	for _, c := range []struct{ target, want uint64 }{
		{most, most}, {testMemory, testMemory}, {testMemory + abi.PageSize, testMemory + slotSize},
	} {
		code := new(guesttest.Code).Stack(0x200000)
		code.Repeat(500, func() { code.In32(abi.PortGrow) })
		im, err := loader.Open(guesttest.WriteImage(t, end(code, "exit 0").Bytes()))
		require.NoError(t, err)
		h, err := OpenHost()
		require.NoError(t, err)
		m, err := New(h, im, vm.Config{Image: "test", Memory: testMemory, MaxMemory: most, CPUs: 1}, Options{})
		require.NoError(t, err)
		require.NoError(t, im.Close())
		require.NoError(t, m.SetBalloon(c.target))
		res, err := m.Run(t.Context())
		require.NoError(t, err)
		require.Zero(t, res.ExitCode)
		s := m.MemoryStatus()
		assert.Equal(t, c.want, s.Actual)
		assert.EqualValues(t, []uint64{testMemory, most, c.target}, []uint64{s.Boot, s.Max, s.Target})
		require.NoError(t, m.Close())
		require.NoError(t, h.Close())
	}
}
