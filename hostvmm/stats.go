package hostvmm

import (
	"fmt"
	"sync/atomic"

	"github.com/doze-vm/doze/hostvmm/device/virtio"
	"github.com/doze-vm/doze/hostvmm/park"
	"github.com/doze-vm/doze/hostvmm/vm"
)

// Exits to the VMM by reason.
const (
	exitPark = iota
	exitKick
	exitYield
	exitStart
	exitControl
	exitSerial
	exitConsole
	exitBalloon
	exitGrow
	exitEnd
	exitSignal // a request or a stray signal, not the guest
	exitOther
	exitKinds
)

var exitNames = [exitKinds]string{
	"park", "kick", "yield", "start", "control", "serial", "console", "balloon", "grow", "end", "signal", "other",
}

// counters are written by the vCPUs' goroutines and read by anyone.
type counters struct{ exits [exitKinds]atomic.Uint64 }

func (c *counters) add(kind int) { c.exits[kind].Add(1) }

// Stats are figures about a machine so far.
type Stats struct {
	Exits map[string]uint64 // to the VMM, by reason
	Total uint64            // of Exits, without signals
	Park  park.Counts
	// Queues are those of the devices, those never used left out.
	Queues []Queue
	// Kernel are counters of KVM itself: exits it served without us, injected
	// interrupts and the like. Nil while the machine runs, and on kernels that do
	// not tell.
	Kernel map[string]uint64
}

// Queue is a virtqueue and what it has seen.
type Queue struct {
	Device, Name string
	virtio.QueueCounts
}

// queueNames are the devices' queues (VIRTIO 1.2, 5.3.2 and 5.5.2).
var queueNames = []struct {
	device string
	queues []string
}{
	{"stdout", []string{"in", "out"}},
	{"stderr", []string{"in", "out"}},
	{"balloon", []string{"inflate", "deflate", "stats", "report"}},
}

func (m *Machine) queues() (list []Queue) {
	m.io.Lock()
	defer m.io.Unlock()
	for i, d := range m.devices {
		for j, counts := range d.Queues() {
			if counts != (virtio.QueueCounts{}) {
				list = append(list, Queue{queueNames[i].device, queueNames[i].queues[j], counts})
			}
		}
	}
	return list
}

// Stats returns the figures so far. Any goroutine may ask while the machine is
// not closed.
func (m *Machine) Stats() Stats {
	s := Stats{Exits: make(map[string]uint64, exitKinds), Queues: m.queues()}
	for c := range m.vcpus() {
		s.Park.Add(c.sleeper.Counts())
	}
	for i := range m.stats.exits {
		n := m.stats.exits[i].Load()
		s.Exits[exitNames[i]] = n
		if i != exitSignal {
			s.Total += n
		}
	}
	return s
}

// kernelNames are the counters worth showing, of some thirty.
var kernelNames = []string{
	"exits", "io_exits", "mmio_exits", "halt_exits", "irq_exits", "irq_injections", "halt_wakeup", "signal_exits", "insn_emulation",
}

// Wakeups is how often the guest was woken from a sleep.
func (s Stats) Wakeups() uint64 { return s.Park.Events + s.Park.Deadlines }

// List is for people, in the order to print.
func (s Stats) List() []vm.Stat {
	num := func(name string, v uint64) vm.Stat { return vm.Stat{Name: name, Value: fmt.Sprint(v)} }
	list := []vm.Stat{num("exits to the VMM", s.Total)}
	for _, name := range exitNames {
		if s.Exits[name] > 0 {
			list = append(list, num("  "+name, s.Exits[name]))
		}
	}
	list = append(list,
		num("parks", s.Park.Parks), num("sleeps", s.Park.Sleeps), num("wake-ups", s.Wakeups()),
		num("  by deadline", s.Park.Deadlines), num("  by event", s.Park.Events))
	if s.Park.Sleeps > 0 {
		// Booting and printing have their own exits. A sleep takes one to begin and
		// none to end; a park that returns at once would be one too many.
		perSleep := float64(s.Exits[exitNames[exitPark]]+s.Exits[exitNames[exitKick]]) / float64(s.Park.Sleeps)
		list = append(list, vm.Stat{Name: "park exits per wake-up", Value: fmt.Sprintf("%.2f", perSleep)})
	}
	for _, name := range kernelNames {
		if v, ok := s.Kernel[name]; ok {
			list = append(list, num("kvm "+name, v))
		}
	}
	return list
}
