package main

import "hash/crc32"

// block is a piece of checked memory in a list: pointers for the collector to
// follow beside bytes it must leave alone.
type block struct {
	next *block
	data []byte
	sum  uint32
}

// newBlock fills n bytes from the generator's next values. It first checks that
// the allocator handed out zeroes, as Go promises.
func (w *worker) newBlock(n int) *block {
	b := &block{data: make([]byte, n)}
	for i, v := range b.data {
		if v != 0 {
			corrupt("byte %d of a fresh block of %d is %#x, not 0", i, n, v)
		}
	}
	for i := range b.data {
		if i%8 == 0 {
			w.next()
		}
		b.data[i] = byte(w.seed >> (i % 8 * 8))
	}
	b.sum = crc32.ChecksumIEEE(b.data)
	return b
}

func (b *block) check(where string) {
	if sum := crc32.ChecksumIEEE(b.data); sum != b.sum {
		corrupt("a block of %d bytes %s has checksum %#x, was written with %#x", len(b.data), where, sum, b.sum)
	}
}
