package hostvmm

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/doze-vm/doze/hostvmm/output"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// printer is one of the two streams that a machine prints: what its console and its
// serial port send goes to a writer of the host's.
type printer struct {
	stream  *output.Stream
	console *consoleOutput
	uart    *uartOutput
}

// printing is standard output and standard error on their way to the host.
type printing [2]printer

// newPrinting makes a machine's streams. One writer for both is one stream, so that the
// order holds.
func newPrinting(m *Machine, c vm.Config) (p printing) {
	writers := [2]io.Writer{writer(c.Stdout), writer(c.Stderr)}
	for i := range p {
		s := output.New(writers[i])
		if i > 0 && c.OneStream() {
			s = p[0].stream
		}
		p[i] = printer{s, &consoleOutput{m: m, i: i, stream: s}, &uartOutput{stream: s}}
	}
	return p
}

func writer(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// How long the end of a machine waits for a host that takes no output. What the
// program was told is written has been; the rest are the kernel's own words, and
// writes that the end cut short, as it does on Linux.
const (
	printingPatience = time.Second
	stoppingPatience = 100 * time.Millisecond // when the end was asked for
)

// end lets the host have what was printed, as far as it takes it.
func (p *printing) end(ctx context.Context) {
	patience := printingPatience
	if ctx.Err() != nil {
		patience = stoppingPatience
	}
	for i := range p {
		p[i].stream.Finish(patience)
	}
}

// judge notes that output was lost.
func (p *printing) judge(res *vm.Result) {
	for i, name := range []string{"stdout", "stderr"} {
		if err := p[i].stream.Err(); err != nil {
			res.Lost(fmt.Errorf("%s: %w", name, err))
		}
	}
}

// consoleOutput is a console as a source of output. The device is used under the
// machine's lock, and not once the memory may go.
type consoleOutput struct {
	m      *Machine
	i      int
	stream *output.Stream
	rung   bool // under the machine's lock
}

// ready notes that the driver has output. The doorbell's vCPU holds the machine's lock
// now, and looks at once when it does not: print.
func (c *consoleOutput) ready() { c.rung = true }

// print lets output of device i, if that is a console whose doorbell was rung, go to
// the host: what the host takes without waiting at once, so that a line costs one
// exit and no wake-up; the rest apart from the vCPU.
func (m *Machine) print(i uint64) {
	if i >= uint64(len(m.printing)) {
		return
	}
	c := m.printing[i].console
	m.io.Lock()
	rung := c.rung
	c.rung = false
	m.io.Unlock()
	if rung {
		c.stream.Try(c)
	}
}

// TakeOutput implements output.Source.
func (c *consoleOutput) TakeOutput(b []byte) int {
	c.m.io.Lock()
	defer c.m.io.Unlock()
	if c.m.closed {
		return 0
	}
	return c.m.consoles[c.i].TakeOutput(b)
}

// OutputDone implements output.Source.
func (c *consoleOutput) OutputDone(n int, err error) {
	c.m.io.Lock()
	defer c.m.io.Unlock()
	if !c.m.closed {
		c.m.consoles[c.i].OutputDone(n, err)
	}
}

// uartSize bounds what a serial port holds that the host has not taken.
const uartSize = 64 << 10

// uartOutput is the buffer of a serial port.
type uartOutput struct {
	stream *output.Stream
	mu     sync.Mutex
	held   []byte
}

// put adds bytes, as far as there is room.
func (u *uartOutput) put(b []byte) {
	u.mu.Lock()
	b = b[:min(len(b), uartSize-len(u.held))]
	u.held = append(u.held, b...)
	u.mu.Unlock()
	if len(b) > 0 {
		u.stream.Ready(u)
	}
}

// room says whether there is room.
func (u *uartOutput) room() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.held) < uartSize
}

// TakeOutput implements output.Source.
func (u *uartOutput) TakeOutput(b []byte) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := copy(b, u.held)
	if u.held = append(u.held[:0], u.held[n:]...); len(u.held) == 0 {
		u.held = nil
	}
	return n
}

// OutputDone implements output.Source. A serial port can't be told.
func (u *uartOutput) OutputDone(int, error) {}
