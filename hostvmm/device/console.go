package device

import "io"

// Console is a virtio console without features (VIRTIO 1.2, 5.3): queue 0 is
// input, whose buffers are kept and never filled, queue 1 is output.
type console struct{ out io.Writer }

const (
	idConsole  = 3
	consoleOut = 1
)

// NewConsole makes a console that writes to out. Output is complete when the
// doorbell's exit returns; errors of out are not the guest's business.
func NewConsole(mem Memory, out io.Writer) *MMIO {
	return newMMIO(&console{out: out}, mem, nil)
}

func (c *console) id() uint32  { return idConsole }
func (c *console) queues() int { return 2 }

func (c *console) notify(i int, q *queue, mem Memory) (int, error) {
	if i != consoleOut {
		return 0, nil
	}
	return q.serve(mem, func(ch chain) {
		for _, part := range ch.readable {
			_, _ = c.out.Write(part)
		}
	})
}
