package control

import (
	"strconv"
	"sync"

	"github.com/doze-vm/doze/kernel/control"
)

// maxWaiting bounds the lines that a guest has not read yet; what does not fit is
// dropped. A guest that reads none is not helped by more of them.
const maxWaiting = 4096

// SignalLine is the control line that passes a signal on to the program.
func SignalLine(n int) string { return line(control.WordSignal, uint64(n)) }

// EOFLine is the control line that says that standard input ends after total
// bytes.
func EOFLine(total uint64) string { return line(control.WordEOF, total) }

// CPUsLine is the control line that asks for n vCPUs.
func CPUsLine(n int) string { return line(control.WordCPUs, uint64(n)) }

// InputLine is the control line before n bytes of standard input.
func InputLine(n int) string { return line(control.WordData, uint64(n)) }

func line(word string, n uint64) string { return word + " " + strconv.FormatUint(n, 10) + "\n" }

// Outbox holds the control lines for a guest that takes them byte by byte. The
// zero value is ready; any goroutine may use it.
type Outbox struct {
	mu    sync.Mutex
	text  []byte // reused
	taken int    // bytes of it
}

// Put adds a line and reports whether there was room.
func (o *Outbox) Put(line string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.text)-o.taken+len(line) > maxWaiting {
		return false
	}
	if len(o.text)+len(line) > maxWaiting { // what was taken makes room
		o.text, o.taken = append(o.text[:0], o.text[o.taken:]...), 0
	}
	o.text = append(o.text, line...)
	return true
}

// Take fills b with the next bytes, and with zeros when there are no more.
func (o *Outbox) Take(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := copy(b, o.text[o.taken:])
	clear(b[n:])
	if o.taken += n; o.taken == len(o.text) {
		o.text, o.taken = o.text[:0], 0
	}
}
