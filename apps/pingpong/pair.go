package main

import (
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"sync/atomic"
)

// message is what is passed: a number, and bytes that follow from it.
type message struct {
	pair, number int
	payload      []byte
	sum          uint32
}

// largest is what a payload may have: several size classes of the allocator.
const largest = 600

func newMessage(pair, number int) *message {
	m := &message{pair: pair, number: number, payload: make([]byte, 8+uint(pair*31+number*17)%largest)}
	for i := range m.payload {
		m.payload[i] = byte(pair + number + i)
	}
	binary.LittleEndian.PutUint64(m.payload, uint64(number))
	m.sum = crc32.ChecksumIEEE(m.payload)
	return m
}

func (m *message) check(pair, number int) {
	switch {
	case m.pair != pair || m.number != number:
		fail("pair %d waited for message %d and got %d of pair %d", pair, number, m.number, m.pair)
	case crc32.ChecksumIEEE(m.payload) != m.sum || binary.LittleEndian.Uint64(m.payload) != uint64(number):
		fail("pair %d: message %d of %d bytes is not what was sent", pair, number, len(m.payload))
	}
}

// gentle is how many strokes a pair makes before it lets the others go on: two
// goroutines that wake each other keep their P for a whole slice of time.
const gentle = 8

type pair struct {
	id          int
	locked      bool // each player on a thread of its own
	there, back box
	strokes     atomic.Int64
	done        atomic.Bool
}

func (p *pair) begin() {
	if p.locked {
		runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
	}
}

func (p *pair) serve(gate <-chan struct{}, stop *atomic.Bool) {
	p.begin()
	defer p.done.Store(true)
	defer p.there.close()
	<-gate
	for n := 0; n == 0 || !stop.Load(); n++ {
		p.there.put(newMessage(p.id, n))
		m, ok := p.back.get()
		if !ok {
			fail("pair %d: the other player left", p.id)
		}
		m.check(p.id, ^n)
		p.strokes.Add(1)
		if n%gentle == gentle-1 {
			runtime.Gosched()
		}
	}
}

func (p *pair) reply() {
	p.begin()
	defer p.back.close()
	for n := 0; ; n++ {
		m, ok := p.there.get()
		if !ok {
			return
		}
		m.check(p.id, n)
		p.back.put(newMessage(p.id, ^n))
	}
}
