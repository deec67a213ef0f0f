package control

import (
	"strconv"
	"sync"
)

// maxWaiting bounds the lines that a guest has not read yet; what does not fit is
// dropped. A guest that reads none is not helped by more of them.
const maxWaiting = 4096

// SignalLine is the control line that passes a signal on to the program.
func SignalLine(n int) string { return "signal " + strconv.Itoa(n) + "\n" }

// EOFLine is the control line that says that standard input ends after total
// bytes.
func EOFLine(total uint64) string { return "eof " + strconv.FormatUint(total, 10) + "\n" }

// CPUsLine is the control line that asks for n vCPUs.
func CPUsLine(n int) string { return "cpus " + strconv.Itoa(n) + "\n" }

// InputLine is the control line before n bytes of standard input.
func InputLine(n int) string { return "input " + strconv.Itoa(n) + "\n" }

// Outbox holds the control lines for a guest that takes them byte by byte. The
// zero value is ready; any goroutine may use it.
type Outbox struct {
	mu   sync.Mutex
	text []byte
}

// Put adds a line and reports whether there was room.
func (o *Outbox) Put(line string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.text)+len(line) > maxWaiting {
		return false
	}
	o.text = append(o.text, line...)
	return true
}

// Take fills b with the next bytes, and with zeros when there are no more.
func (o *Outbox) Take(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := copy(b, o.text)
	clear(b[n:])
	o.text = o.text[n:]
	if len(o.text) == 0 {
		o.text = nil
	}
}
