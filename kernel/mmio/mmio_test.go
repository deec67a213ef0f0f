package mmio

import (
	"bytes"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func page(t *testing.T) (addr uintptr, bytes []byte) {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	return uintptr(unsafe.Pointer(unsafe.SliceData(b))), b
}

func TestLoad(t *testing.T) {
	a, b := page(t)
	copy(b, []byte{0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0xff})
	assert.EqualValues(t, 0x81, Load8(a))
	assert.EqualValues(t, 0x9281, Load16(a))
	assert.EqualValues(t, 0xb4a39281, Load32(a))
	assert.EqualValues(t, uint64(0xf8e7d6c5b4a39281), Load64(a))
	assert.EqualValues(t, 0x92, Load8(a+1))
}

func TestStoreTouchesItsBytesOnly(t *testing.T) {
	const v = 0x1122334455667788
	for _, c := range []struct {
		size  int
		store func(a uintptr)
	}{
		{1, func(a uintptr) { Store8(a, v&0xff) }},
		{2, func(a uintptr) { Store16(a, v&0xffff) }},
		{4, func(a uintptr) { Store32(a, v&0xffffffff) }},
		{8, func(a uintptr) { Store64(a, v) }},
	} {
		a, b := page(t)
		for i := range b {
			b[i] = 0xee
		}
		c.store(a + 8)
		want := bytes.Repeat([]byte{0xee}, 4096)
		copy(want[8:], []byte{0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}[:c.size])
		assert.Equal(t, want, b, "%d bytes", c.size)
	}
}

func TestXchgAndOr(t *testing.T) {
	a, _ := page(t)
	Store64(a, 1<<63|5)
	Or64(a, 1<<40|2)
	assert.EqualValues(t, uint64(1<<63|1<<40|7), Xchg64(a, 9))
	assert.EqualValues(t, 9, Xchg64(a, 0))
	assert.Zero(t, Load64(a))
}

func TestOrIsAtomic(t *testing.T) {
	a, _ := page(t)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				Xchg64(a+8, uint64(i))
				Or64(a, 1<<((i%16)*4+w))
			}
		})
	}
	wg.Wait()
	assert.Equal(t, ^uint64(0), Load64(a), "no bit got lost")
}

func TestCopyAndClear(t *testing.T) {
	a, b := page(t)
	for i := range 1000 {
		b[i] = byte(i)
	}
	Copy(a+2001, a+3, 900)
	assert.Equal(t, b[3:903], b[2001:2901])
	assert.Zero(t, b[2000])
	assert.Zero(t, b[2901])
	Copy(a, a+5, 0)
	assert.Zero(t, b[0])
	Clear(a+10, 20)
	assert.Equal(t, make([]byte, 20), b[10:30])
	assert.EqualValues(t, 9, b[9])
	assert.EqualValues(t, 30, b[30])
}

func TestZero(t *testing.T) {
	a, b := page(t)
	assert.True(t, Zero(a, 4096))
	assert.True(t, Zero(a, 0))
	for _, i := range []int{0, 7, 8, 2047, 4088, 4095} {
		b[i] = 0x80
		assert.False(t, Zero(a, 4096), "byte %d", i)
		assert.False(t, Zero(a+uintptr(i&^7), 8), "byte %d", i)
		b[i] = 0
	}
	b[16], b[31] = 1, 1
	assert.True(t, Zero(a, 16))
	assert.True(t, Zero(a+32, 4096-32), "what lies before and behind does not count")
	assert.True(t, Zero(a+16, 0))
}

func TestInstructions(t *testing.T) {
	before := Rdtsc()
	Fence()
	Pause()
	assert.GreaterOrEqual(t, Rdtsc(), before)

	highest, b, c, d := CPUID(0, 0)
	assert.NotZero(t, highest)
	var vendor [12]byte
	for i, r := range []uint32{b, d, c} {
		for j := range 4 {
			vendor[i*4+j] = byte(r >> (8 * j))
		}
	}
	assert.Regexp(t, `^[ -~]{12}$`, string(vendor[:]))
	if highest >= 0xd {
		a0, _, _, _ := CPUID(0xd, 0)
		a2, _, _, _ := CPUID(0xd, 2)
		assert.NotEqual(t, a0, a2, "the sub-leaf counts")
	}
}
