package stream

import (
	"bytes"
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pages is memory for a buffer, which is not Go's.
type pages struct {
	memory []byte
	free   []uintptr
}

func newPages(t testing.TB, n int) *pages {
	t.Helper()
	memory, err := syscall.Mmap(-1, 0, n*PageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(memory) })
	p := &pages{memory: memory}
	for i := range n {
		p.free = append(p.free, p.base()+uintptr(i)*PageSize)
	}
	return p
}

func (p *pages) base() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p.memory))) }

func (p *pages) at(addr, n uintptr) []byte { return p.memory[addr-p.base():][:n] }

// put adds bytes until there is no page any more, and returns how many.
func (p *pages) put(b *Buffer, text []byte) (n int) {
	for n < len(text) {
		addr, room := b.Prepare()
		if room == 0 {
			if len(p.free) == 0 {
				break
			}
			last := len(p.free) - 1
			page := p.free[last]
			p.free = p.free[:last]
			clear(p.at(page, PageSize)[:header])
			copy(p.at(page, header), "not zero")
			b.Add(page)
			continue
		}
		c := copy(p.at(addr, room), text[n:])
		b.Put(uintptr(c))
		n += c
	}
	p.tidy(b)
	return n
}

// take takes up to n bytes.
func (p *pages) take(b *Buffer, n int) (text []byte) {
	for len(text) < n {
		addr, there := b.Peek()
		if there == 0 {
			break
		}
		there = min(there, uintptr(n-len(text)))
		text = append(text, p.at(addr, there)...)
		b.Took(there)
		p.tidy(b)
	}
	return text
}

func (p *pages) tidy(b *Buffer) {
	for page := b.Unused(); page != 0; page = b.Unused() {
		p.free = append(p.free, page)
	}
}

func TestZeroBufferHasNothing(t *testing.T) {
	var b Buffer
	addr, n := b.Peek()
	assert.Zero(t, addr)
	assert.Zero(t, n)
	_, n = b.Prepare()
	assert.Zero(t, n)
	assert.Zero(t, b.Unused())
	assert.Zero(t, b.Empty())
	assert.Zero(t, b.Len())
	assert.Zero(t, b.Room())
}

func TestBytesComeInOrder(t *testing.T) {
	for _, size := range []int{1, Hold - 1, Hold, Hold + 1, 3 * Hold, 3*Hold + 7} {
		p := newPages(t, 5)
		b := Buffer{Size: 1 << 20}
		text := make([]byte, size)
		for i := range text {
			text[i] = byte(i*7 + i/256)
		}
		require.Equal(t, size, p.put(&b, text))
		assert.EqualValues(t, size, b.Len())
		assert.EqualValues(t, 1<<20-size, b.Room())
		assert.True(t, bytes.Equal(text, p.take(&b, size+1)), size)
		assert.Zero(t, b.Len())
		assert.Len(t, p.free, 5, "a buffer at rest has no page")
	}
}

// A page that was added for bytes that did not come is given back.
func TestUnusedGivesBackAPageThatNobodyFilled(t *testing.T) {
	p := newPages(t, 3)
	b := Buffer{Size: 1 << 20}
	b.Add(p.free[0])
	assert.Equal(t, p.free[0], b.Unused())

	p.put(&b, make([]byte, Hold))
	b.Add(p.free[0])
	assert.Zero(t, b.Unused(), "the first page has bytes")
	free := len(p.free)
	assert.Len(t, p.take(&b, Hold), Hold)
	assert.Len(t, p.free, free+2)
}

func TestEmptyReturnsEveryPage(t *testing.T) {
	for _, size := range []int{0, 1, Hold, 2*Hold + 5} {
		p := newPages(t, 4)
		b := Buffer{Size: 1 << 20}
		p.put(&b, make([]byte, size))
		for page := b.Empty(); page != 0; page = b.Empty() {
			p.free = append(p.free, page)
		}
		assert.Len(t, p.free, 4, size)
		assert.Zero(t, b.Len(), size)
	}
}

// Random puts and takes, beside a queue of Go's.
func TestRandomPutsAndTakes(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		p := newPages(t, 9)
		b := Buffer{Size: 8 * Hold}
		var queue []byte
		for range 2000 {
			n := rnd.IntN(2 * Hold)
			if rnd.IntN(2) == 0 {
				n = rnd.IntN(10)
			}
			if rnd.IntN(2) == 0 {
				text := make([]byte, min(n, int(b.Room())))
				for i := range text {
					text[i] = byte(rnd.Uint32())
				}
				require.Equal(t, len(text), p.put(&b, text), "seed %d", seed)
				queue = append(queue, text...)
			} else {
				n = min(n, len(queue))
				require.True(t, bytes.Equal(queue[:n], p.take(&b, n)), "seed %d", seed)
				queue = queue[n:]
			}
			require.EqualValues(t, len(queue), b.Len(), "seed %d", seed)
			require.LessOrEqual(t, 9-len(p.free), len(queue)/Hold+2, "seed %d", seed)
		}
	}
}
