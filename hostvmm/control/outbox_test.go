package control

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOutbox(t *testing.T) {
	var o Outbox
	b := make([]byte, 6)
	o.Take(b)
	assert.Equal(t, make([]byte, 6), b)
	assert.True(t, o.Put(SignalLine(15)))
	assert.True(t, o.Put(EOFLine(7)))
	var got strings.Builder
	for range 4 {
		o.Take(b)
		got.Write(b)
	}
	assert.Equal(t, "signal 15\neof 7\n"+strings.Repeat("\x00", 8), got.String())
}

func TestOutboxIsBounded(t *testing.T) {
	var o Outbox
	n := 0
	for o.Put(SignalLine(1)) {
		n++
	}
	assert.Equal(t, maxWaiting/len(SignalLine(1)), n)
	o.Take(make([]byte, len(SignalLine(1))))
	assert.True(t, o.Put(SignalLine(2)))
	assert.False(t, o.Put(SignalLine(3)))
}
