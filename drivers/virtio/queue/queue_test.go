package queue

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/doze-vm/doze/drivers/virtio/spec"
	"github.com/doze-vm/doze/kernel/mmio"
)

func outside(t testing.TB, size uintptr) uintptr {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
}

func newQueue(t testing.TB, n uint16) (*Queue, *device) {
	t.Helper()
	q := new(Queue)
	require.Equal(t, OK, q.Init(outside(t, Size(n)), n))
	return q, &device{n: n, desc: q.Desc(), avail: q.Driver(), used: q.Device()}
}

// device is the other side, written from the specification's layout.
type device struct {
	n                 uint16
	desc, avail, used uintptr
	seen              uint16
}

type descriptor struct {
	addr        uint64
	len         uint32
	flags, next uint16
}

// pop takes the next chain from the available ring, if there is one.
func (d *device) pop(t testing.TB) (head uint16, chain []descriptor, ok bool) {
	if mmio.Load16(d.avail+2) == d.seen {
		return 0, nil, false
	}
	head = mmio.Load16(d.avail + 4 + uintptr(d.seen%d.n)*2)
	d.seen++
	for i := head; ; {
		require.Less(t, i, d.n)
		a := d.desc + uintptr(i)*16
		c := descriptor{mmio.Load64(a), mmio.Load32(a + 8), mmio.Load16(a + 12), mmio.Load16(a + 14)}
		chain = append(chain, c)
		require.LessOrEqual(t, len(chain), int(d.n), "chain without end")
		if c.flags&1 == 0 {
			return head, chain, true
		}
		i = c.next
	}
}

func (d *device) use(id, written uint32) {
	i := mmio.Load16(d.used + 2)
	e := d.used + 4 + uintptr(i%d.n)*8
	mmio.Store32(e, id)
	mmio.Store32(e+4, written)
	mmio.Store16(d.used+2, i+1)
}

func out(addr uintptr, n uint32) []Buffer { return []Buffer{{Addr: addr, Len: n}} }

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		n                    uint16
		driver, device, size uintptr
	}{
		{1, 16, 24, 48},
		{4, 64, 80, 120 + 32},
		{256, 4096, 4096 + 520, 4096 + 520 + 2056 + 256*8},
		{spec.QueueMax, 16 * spec.QueueMax, 18*spec.QueueMax + 8, 26*spec.QueueMax + 16 + 8*spec.QueueMax},
	} {
		assert.Equal(t, c.size, Size(c.n), "%d", c.n)
		q, _ := newQueue(t, c.n)
		assert.Zero(t, q.Desc()%16)
		assert.Equal(t, c.driver, q.Driver()-q.Desc(), "%d", c.n)
		assert.Equal(t, c.device, q.Device()-q.Desc(), "%d", c.n)
		assert.Zero(t, q.Device()%4)
		assert.LessOrEqual(t, c.device+6+8*uintptr(c.n), c.size-8*uintptr(c.n), "notes behind the used ring")
	}
}

func TestInitRefuses(t *testing.T) {
	mem := outside(t, 4096)
	for _, c := range []struct {
		name string
		mem  uintptr
		n    uint16
	}{
		{"no descriptors", mem, 0}, {"no power of two", mem, 6}, {"too large", mem, spec.QueueMax + 1},
		{"no memory", 0, 4}, {"not aligned", mem + 8, 4},
	} {
		var q Queue
		assert.Equal(t, BadSize, q.Init(c.mem, c.n), c.name)
		assert.Zero(t, q.Len(), c.name)
	}
	assert.Zero(t, Size(6))
}

func TestZeroValue(t *testing.T) {
	var q Queue
	_, code := q.Add(out(4096, 1))
	assert.Equal(t, Full, code)
	_, _, code = q.Poll()
	assert.Equal(t, Empty, code)
	q.Publish()
	q.WantInterrupts(true)
	assert.False(t, q.NeedsKick())
}

func TestChainAsTheDeviceSeesIt(t *testing.T) {
	q, d := newQueue(t, 8)
	head, code := q.Add([]Buffer{{Addr: 0x1000, Len: 5}, {Addr: 0x2000, Len: 6}, {Addr: 0x3000, Len: 7, Write: true}})
	require.Equal(t, OK, code)
	_, _, ok := d.pop(t)
	assert.False(t, ok, "nothing is seen before Publish")
	q.Publish()
	got, chain, ok := d.pop(t)
	require.True(t, ok)
	assert.Equal(t, head, got)
	require.Len(t, chain, 3)
	for i, want := range []descriptor{{addr: 0x1000, len: 5, flags: 1}, {addr: 0x2000, len: 6, flags: 1}, {addr: 0x3000, len: 7, flags: 2}} {
		chain[i].next = 0
		assert.Equal(t, want, chain[i])
	}
	assert.EqualValues(t, 5, q.Free())
	assert.EqualValues(t, 1, q.InFlight())
	_, _, code = q.Poll()
	assert.Equal(t, Empty, code)
	d.use(uint32(head), 7)
	id, written, code := q.Poll()
	assert.Equal(t, OK, code)
	assert.Equal(t, head, id)
	assert.EqualValues(t, 7, written)
	assert.EqualValues(t, 8, q.Free())
}

func TestAddRefuses(t *testing.T) {
	q, _ := newQueue(t, 2)
	for _, c := range []struct {
		name string
		bufs []Buffer
		code Code
	}{
		{"no buffer", nil, BadChain},
		{"no bytes", []Buffer{{Addr: 1}}, BadChain},
		{"address 0", []Buffer{{Len: 1}}, BadChain},
		{"wraps", []Buffer{{Addr: ^uintptr(0) - 3, Len: 5}}, BadChain},
		{"read after write", []Buffer{{Addr: 1, Len: 1, Write: true}, {Addr: 1, Len: 1}}, BadChain},
		{"over 4 GiB", []Buffer{{Addr: 1, Len: 1<<32 - 1, Write: true}, {Addr: 1, Len: 1, Write: true}}, BadChain},
		{"more than fit", []Buffer{{Addr: 1, Len: 1}, {Addr: 1, Len: 1}, {Addr: 1, Len: 1}}, Full},
	} {
		_, code := q.Add(c.bufs)
		assert.Equal(t, c.code, code, c.name)
		assert.EqualValues(t, 2, q.Free(), c.name)
		assert.Zero(t, q.InFlight(), c.name)
	}
}

func TestBadDevice(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(d *device, head uint32)
		code Code
	}{
		{"id beyond the queue", func(d *device, _ uint32) { d.use(8, 0) }, BadID},
		{"id far beyond", func(d *device, head uint32) { d.use(1<<16|head, 0) }, BadID},
		{"not a head", func(d *device, head uint32) { d.use(head+1, 0) }, BadID},
		{"not in flight", func(d *device, _ uint32) { d.use(7, 0) }, BadID},
		{"writes too much", func(d *device, head uint32) { d.use(head, 11) }, BadLength},
		{"index jumps", func(d *device, _ uint32) { mmio.Store16(d.used+2, 2) }, BadIndex},
		{"index goes back", func(d *device, _ uint32) { mmio.Store16(d.used+2, 0xffff) }, BadIndex},
	} {
		t.Run(c.name, func(t *testing.T) {
			q, d := newQueue(t, 8)
			head, code := q.Add([]Buffer{{Addr: 1, Len: 1}, {Addr: 1, Len: 10, Write: true}})
			require.Equal(t, OK, code)
			q.Publish()
			c.do(d, uint32(head))
			_, _, code = q.Poll()
			assert.Equal(t, c.code, code)
			assert.Equal(t, c.code, q.Broken())
			_, _, code = q.Poll()
			assert.Equal(t, c.code, code, "stays broken")
			_, code = q.Add(out(1, 1))
			assert.Equal(t, c.code, code)
			assert.EqualValues(t, 1, q.InFlight(), "the device keeps its buffer")
		})
	}
}

func TestUsedTwice(t *testing.T) {
	q, d := newQueue(t, 4)
	a, _ := q.Add(out(1, 1))
	_, code := q.Add(out(2, 1))
	require.Equal(t, OK, code)
	q.Publish()
	d.use(uint32(a), 0)
	d.use(uint32(a), 0)
	_, _, code = q.Poll()
	require.Equal(t, OK, code)
	_, _, code = q.Poll()
	assert.Equal(t, BadID, code)
}

func TestKickAndInterruptFlags(t *testing.T) {
	q, d := newQueue(t, 4)
	assert.EqualValues(t, 1, mmio.Load16(d.avail), "interrupts are declined")
	q.WantInterrupts(true)
	assert.Zero(t, mmio.Load16(d.avail))
	assert.True(t, q.NeedsKick())
	mmio.Store16(d.used, 1)
	assert.False(t, q.NeedsKick())
}

// TestManyChains sends chains of random shape through a device that finishes
// them in random order, until the indices have wrapped.
func TestManyChains(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	q, d := newQueue(t, 16)
	type sent struct {
		bufs []Buffer
		room uint32
	}
	flying := map[uint16]sent{}
	var atDevice []uint16
	for done := 0; done < 70_000; {
		if n := rnd.IntN(6); n > 0 {
			s := sent{}
			for range n {
				b := Buffer{Addr: uintptr(rnd.Uint32()) + 1, Len: rnd.Uint32N(1000) + 1}
				if b.Write = s.room > 0 || rnd.IntN(4) == 0; b.Write {
					s.room += b.Len
				}
				s.bufs = append(s.bufs, b)
			}
			free := q.Free()
			if head, code := q.Add(s.bufs); code == OK {
				_, taken := flying[head]
				require.False(t, taken)
				flying[head] = s
			} else {
				require.Equal(t, Full, code)
				require.Less(t, int(free), n)
			}
			q.Publish()
		}
		for {
			head, chain, ok := d.pop(t)
			if !ok {
				break
			}
			require.Len(t, chain, len(flying[head].bufs))
			for i, b := range flying[head].bufs {
				require.Equal(t, uint64(b.Addr), chain[i].addr)
				require.Equal(t, b.Len, chain[i].len)
				require.Equal(t, b.Write, chain[i].flags&2 != 0)
			}
			atDevice = append(atDevice, head)
		}
		rnd.Shuffle(len(atDevice), func(i, j int) { atDevice[i], atDevice[j] = atDevice[j], atDevice[i] })
		for k := rnd.IntN(len(atDevice) + 1); k > 0; k-- {
			head := atDevice[0]
			atDevice = atDevice[1:]
			d.use(uint32(head), flying[head].room)
			got, written, code := q.Poll()
			require.Equal(t, OK, code)
			require.Equal(t, head, got)
			require.Equal(t, flying[head].room, written)
			delete(flying, head)
			done++
		}
		require.EqualValues(t, len(flying), q.InFlight())
	}
}

func TestNothingIsAllocated(t *testing.T) {
	q, d := newQueue(t, 4)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		bufs := [2]Buffer{{Addr: 1, Len: 1}, {Addr: 2, Len: 2, Write: true}}
		head, _ := q.Add(bufs[:])
		q.Publish()
		d.use(uint32(head), 2)
		q.Poll()
	}))
	assert.Equal(t, OK, q.Broken())
}

func TestCodeText(t *testing.T) {
	seen := map[string]bool{}
	for c := OK; c <= BadLength; c++ {
		assert.False(t, seen[c.Text()], "%d", c)
		seen[c.Text()] = true
	}
	assert.Equal(t, "unknown code", (BadLength + 1).Text())
}

// FuzzDevice lets the device write what it likes into the used ring.
func FuzzDevice(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0})
	f.Add([]byte{2, 0, 0, 9, 2, 0, 1, 0, 1, 0, 0, 255})
	f.Add([]byte{0, 1, 1, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		q, d := newQueue(t, 4)
		flying := map[uint16]bool{}
		for ; len(script) >= 4; script = script[4:] {
			if head, code := q.Add([]Buffer{{Addr: 1, Len: 1}, {Addr: 2, Len: 100, Write: true}}); code == OK {
				require.False(t, flying[head])
				flying[head] = true
				q.Publish()
			}
			entry := d.used + 4 + uintptr(script[1]%4)*8
			mmio.Store32(entry, uint32(script[2]%6))
			mmio.Store32(entry+4, uint32(script[3]))
			mmio.Store16(d.used+2, mmio.Load16(d.used+2)+uint16(script[0]%4))
			for {
				head, written, code := q.Poll()
				if code != OK {
					break
				}
				require.True(t, flying[head], "a head that is in flight")
				require.LessOrEqual(t, written, uint32(100))
				delete(flying, head)
			}
			require.EqualValues(t, len(flying), q.InFlight())
			require.EqualValues(t, 4-2*len(flying), q.Free())
		}
	})
}
