package main

import "sync"

// box carries messages one way. The pairs use different kinds, so that every way
// of the runtime to wait is played on.
type box interface {
	put(*message)
	get() (m *message, ok bool)
	close()
}

func newBox(pair int) box {
	switch pair % 4 {
	case 0:
		b := &condBox{}
		b.changed.L = &b.mu
		return b
	case 1:
		return make(chanBox, 1)
	default:
		return make(chanBox)
	}
}

type chanBox chan *message

func (b chanBox) put(m *message)        { b <- m }
func (b chanBox) get() (*message, bool) { m, ok := <-b; return m, ok }
func (b chanBox) close()                { close(b) }

// condBox holds one message behind a condition variable.
type condBox struct {
	mu      sync.Mutex
	changed sync.Cond
	held    *message
	closed  bool
}

func (b *condBox) put(m *message) {
	b.mu.Lock()
	for b.held != nil {
		b.changed.Wait()
	}
	b.held = m
	b.changed.Signal()
	b.mu.Unlock()
}

func (b *condBox) get() (*message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.held == nil && !b.closed {
		b.changed.Wait()
	}
	m := b.held
	b.held = nil
	b.changed.Signal()
	return m, m != nil
}

func (b *condBox) close() {
	b.mu.Lock()
	b.closed = true
	b.changed.Signal()
	b.mu.Unlock()
}
