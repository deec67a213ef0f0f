package device

import "io"

// Console is a virtio console without features (VIRTIO 1.2, 5.3): queue 0 is
// input, queue 1 is output.
type console struct {
	out   io.Writer
	asked func(room int) // the driver offers memory for input; nil: it is kept and never filled
}

const (
	idConsole  = 3
	consoleIn  = 0
	consoleOut = 1
)

// NewConsole makes a console that writes to out. Output is complete when the
// doorbell's exit returns; errors of out are not the guest's business. asked, if
// not nil, is told when the driver offers memory for so many bytes of input, by
// the goroutine that rang the doorbell; Receive fills it. interrupt, if not nil,
// is called when the driver should look at its queues.
func NewConsole(mem Memory, out io.Writer, asked func(room int), interrupt func()) *MMIO {
	return newMMIO(&console{out: out, asked: asked}, mem, interrupt)
}

func (c *console) id() uint32  { return idConsole }
func (c *console) queues() int { return 2 }

func (c *console) queueMax() uint32         { return QueueSizeMax }
func (c *console) features() uint64         { return 0 }
func (c *console) config(uint64) uint32     { return 0 }
func (c *console) setConfig(uint64, uint32) {}
func (c *console) reset()                   {}

func (c *console) notify(i int, q *queue, mem Memory) (int, error) {
	if i == consoleIn {
		if c.asked == nil || !q.ready {
			return 0, nil
		}
		room, err := q.room(mem)
		if room > 0 {
			c.asked(room)
		}
		return 0, err
	}
	return q.serve(mem, func(ch chain) {
		for _, part := range ch.readable {
			_, _ = c.out.Write(part)
		}
	})
}
