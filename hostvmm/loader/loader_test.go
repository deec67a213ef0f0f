package loader

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/guesttest"
	"github.com/doze-vm/doze/kernel/abi"
)

func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*7 + byte(i>>8) + seed
	}
	return b
}

// program has what a Go program has: text, read-only data in the same 2 MiB,
// data that starts in the page where that ends, and BSS; and large text.
func program() []byte {
	return guesttest.Image([]byte{0xf4},
		guesttest.Segment{Addr: 0x400000, Data: pattern(3<<20, 1)},
		guesttest.Segment{Addr: 0x700000, Data: pattern(300<<10+123, 2)},
		guesttest.Segment{Addr: 0x700000 + 300<<10 + 123, Data: pattern(5000, 3), MemSize: 1 << 20, Writable: true})
}

func parse(t *testing.T, data []byte) *Image {
	t.Helper()
	im, err := Parse(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	return im
}

func TestLoadSharedAndCopiedAreEqual(t *testing.T) {
	im := parse(t, program())
	const size = 16 << 20
	m1, copied, err := MapMemory(size)
	require.NoError(t, err)
	defer unix.Munmap(m1)
	require.NoError(t, im.Load(copied))
	require.Equal(t, pattern(3<<20, 1), copied[0x400000:0x700000])
	data := 0x700000 + 300<<10 + 123
	require.Equal(t, pattern(5000, 3), copied[data:data+5000])
	require.Equal(t, make([]byte, 4096), copied[data+5000:data+5000+4096])

	require.NoError(t, im.Share())
	defer im.Close()
	require.Equal(t, []span{{0x400000, 0x700000 + 300<<10}}, im.shared.ranges)
	for range 2 { // twice: a machine's writes must not reach the next one
		m2, mem, err := MapMemory(size)
		require.NoError(t, err)
		defer unix.Munmap(m2)
		require.NoError(t, im.Load(mem))
		require.True(t, bytes.Equal(copied, mem))
		mem[0x400000], mem[0x6ff000], mem[0x700000] = 1, 2, 3
	}
}

func TestSharableTakesWholeHugePages(t *testing.T) {
	im := parse(t, guesttest.Image(nil,
		guesttest.Segment{Addr: 0x400000, Data: pattern(100<<10, 1)},
		guesttest.Segment{Addr: 0x600000, Data: pattern(100<<10, 1)},
		guesttest.Segment{Addr: 0x800000, Data: pattern(100, 1), Writable: true}))
	require.Equal(t, []span{{0x400000, 0x800000}}, im.sharable())
}

// An embedded tree lies behind the BSS: machines share it, its last page is zero
// behind its end.
func TestTreeIsShared(t *testing.T) {
	const tree, size, memory = 0xe00000, 4<<20 + 123, 32 << 20
	im := parse(t, guesttest.Image(nil,
		guesttest.Segment{Addr: 0x400000, Data: pattern(100<<10, 1)},
		guesttest.Segment{Addr: 0x600000, Data: pattern(100, 1), MemSize: 7 << 20, Writable: true},
		guesttest.Segment{Addr: tree, Data: pattern(size, 4)}))
	require.Equal(t, []span{{0x400000, 0x600000}, {tree, tree + 4<<20 + abi.PageSize}}, im.sharable())
	require.NoError(t, im.Share())
	defer im.Close()
	mapping, mem, err := MapMemory(memory)
	require.NoError(t, err)
	defer unix.Munmap(mapping)
	require.NoError(t, im.Load(mem))
	require.True(t, bytes.Equal(pattern(size, 4), mem[tree:tree+size]))
	require.Equal(t, make([]byte, abi.PageSize-123), mem[tree+size:tree+4<<20+abi.PageSize])

	var small *TooSmallError
	require.ErrorAs(t, im.Fits(16<<20), &small)
	require.EqualValues(t, 19<<20, small.Need, "18 MiB and a bit, with what a program needs beside")
}

func TestFits(t *testing.T) {
	im := parse(t, program())
	require.NoError(t, im.Fits(16<<20))
	err := im.Fits(4 << 20)
	require.EqualError(t, err, "the machine's memory of 4 MiB is too small: this image needs at least 9 MiB (see --memory)")
	var small *TooSmallError
	require.ErrorAs(t, im.Load(make([]byte, 1<<20)), &small)
}

func TestBadImages(t *testing.T) {
	good := program()
	le := binary.LittleEndian
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	const ph0, ph1, ph2 = 64, 64 + 56, 64 + 2*56
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":             {nil, "not an ELF file"},
		"text":              {[]byte("#!/bin/sh\necho hello\n"), "not an ELF file"},
		"short":             {good[:40], "cut off after 40 bytes"},
		"only the header":   {good[:64], "program headers are cut off"},
		"cut":               {good[:len(good)-5000], "ends beyond the file"},
		"32 bits":           {change(func(b []byte) { b[4] = 1 }), "64-bit"},
		"other machine":     {change(func(b []byte) { le.PutUint16(b[18:], 183) }), "EM_AARCH64"},
		"shared object":     {change(func(b []byte) { le.PutUint16(b[16:], 3) }), "ET_DYN"},
		"no headers":        {change(func(b []byte) { le.PutUint16(b[56:], 0) }), "0 program headers"},
		"many headers":      {change(func(b []byte) { le.PutUint16(b[56:], 65535) }), "65535 program headers"},
		"header size":       {change(func(b []byte) { le.PutUint16(b[54:], 32) }), "32 bytes each"},
		"headers far away":  {change(func(b []byte) { le.PutUint64(b[32:], 1<<63) }), "cut off"},
		"no note":           {change(func(b []byte) { le.PutUint32(b[ph0:], 0) }), "no PVH note"},
		"huge note":         {change(func(b []byte) { le.PutUint64(b[ph0+32:], 1<<40) }), "note segment"},
		"file beyond mem":   {change(func(b []byte) { le.PutUint64(b[ph1+40:], 1) }), "more bytes in the file"},
		"page zero":         {change(func(b []byte) { le.PutUint64(b[ph1+24:], 0) }), "below 0x100000"},
		"wraps around":      {change(func(b []byte) { le.PutUint64(b[ph1+24:], ^uint64(0)-5) }), "segment at"},
		"overlap":           {change(func(b []byte) { le.PutUint64(b[ph2+24:], 0x102000) }), "overlap"},
		"machine page away": {change(func(b []byte) { le.PutUint64(b[ph2+24:], 0x300000) }), "no machine page"},
		"dynamic":           {change(func(b []byte) { le.PutUint32(b[ph2:], 3) }), "dynamically"},
	} {
		_, err := Parse(bytes.NewReader(c.data), int64(len(c.data)))
		if assert.ErrorIs(t, err, errNotImage, name) {
			assert.ErrorContains(t, err, c.want, name)
		}
	}
}

func TestOtherVersionIsRefused(t *testing.T) {
	b := program()
	at := bytes.Index(b, []byte("Doze\x00"))
	binary.LittleEndian.PutUint32(b[at+8:], abi.Version+1)
	_, err := Parse(bytes.NewReader(b), int64(len(b)))
	require.ErrorContains(t, err, fmt.Sprintf("built for version %d of the machine, this is version %d", abi.Version+1, abi.Version))
}

func TestOpenNamesTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.doze")
	require.NoError(t, os.WriteFile(name, []byte("hello"), 0o600))
	_, err := Open(name)
	require.ErrorContains(t, err, name)
	_, err = Open(filepath.Dir(name))
	require.ErrorIs(t, err, errNotImage)
}

func TestStartInfo(t *testing.T) {
	mem := make([]byte, 2<<20)
	at, err := WriteStartInfo(mem, "doze.vmm=hostvmm -- a b")
	require.NoError(t, err)
	le := binary.LittleEndian
	info := mem[at:]
	require.EqualValues(t, 0x336ec578, le.Uint32(info))
	cmdline := le.Uint64(info[24:])
	require.Equal(t, "doze.vmm=hostvmm -- a b\x00", string(mem[cmdline:cmdline+24]))
	table := le.Uint64(info[40:])
	require.EqualValues(t, 2, le.Uint32(info[48:]))
	require.EqualValues(t, 0xa0000, le.Uint64(mem[table+8:]))
	require.EqualValues(t, 0x100000, le.Uint64(mem[table+24:]))
	require.EqualValues(t, 1<<20, le.Uint64(mem[table+32:]))
	require.Equal(t, make([]byte, 0x1000), mem[:0x1000], "page zero stays empty")

	_, err = WriteStartInfo(mem, string(make([]byte, lowRAMEnd)))
	require.ErrorContains(t, err, "arguments and environment")
}

// FuzzParse feeds what a file may hold: whatever is accepted must load within
// its bounds.
func FuzzParse(f *testing.F) {
	f.Add(guesttest.Image([]byte{0xf4}))
	f.Add(guesttest.Image(nil, guesttest.Segment{Addr: 0x400000, Data: pattern(80<<10, 1)},
		guesttest.Segment{Addr: 0x420000, Data: pattern(100, 1), MemSize: 9000, Writable: true}))
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		im, err := Parse(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		mem := make([]byte, 8<<20)
		if im.Fits(uint64(len(mem))) != nil {
			return
		}
		require.NoError(t, im.Load(mem))
		for _, r := range im.sharable() {
			require.False(t, im.written(r))
			require.LessOrEqual(t, r.end, (im.End+pageMask)&^uint64(pageMask))
		}
	})
}

// What is no file is refused at once: to open a FIFO waits for a writer.
func TestAFIFOIsNoImage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(name, 0o600))
	_, err := Open(name)
	require.ErrorIs(t, err, errNotImage)
}
