package hostvmm

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/clock"
	"github.com/doze-vm/doze/hostvmm/kvm"
	"github.com/doze-vm/doze/kernel/abi"
)

// Registers of a 16550 UART from its base, as much as an early console needs.
const (
	uartPorts    = 8
	uartData     = 0
	uartLSR      = 5
	uartLSREmpty = 0x60 // nothing waits to be sent
)

// port serves a port access; REP OUTSB brings several items at once.
func (c *vcpu) port(a kvm.IO) error {
	m := c.machine
	if !a.Out {
		clear(a.Data)
	}
	switch {
	case a.Port == abi.PortPark && a.Out:
		m.stats.add(exitPark)
		c.park()
		return nil
	case a.Port == abi.PortControl && a.Out:
		m.stats.add(exitControl)
		m.io.Lock()
		defer m.io.Unlock()
		_, err := m.control.Write(a.Data)
		return err
	case a.Port == abi.PortControl:
		m.stats.add(exitControl)
		m.input.outbox.Take(a.Data)
		return nil
	case a.Port == abi.PortExit && a.Out:
		m.stats.add(exitEnd)
		return errEnded
	case a.Port == abi.PortKick && a.Out && a.Size == 4:
		m.stats.add(exitKick)
		for ; len(a.Data) >= 4; a.Data = a.Data[4:] {
			m.kickVCPU(binary.LittleEndian.Uint32(a.Data))
		}
		return nil
	case a.Port == abi.PortYield && a.Out && a.Size == 1:
		m.stats.add(exitYield)
		giveWay()
		return nil
	case a.Port == abi.PortStart && a.Out && a.Size == 4 && len(a.Data) == 4:
		m.stats.add(exitStart)
		return m.startVCPU(binary.LittleEndian.Uint32(a.Data))
	case a.Port == abi.PortGrow && !a.Out && a.Size == 4 && len(a.Data) == 4:
		m.stats.add(exitGrow)
		binary.LittleEndian.PutUint32(a.Data, m.grow())
		return nil
	case a.Port-abi.PortCOM1 < uartPorts:
		return m.uart(0, a, a.Port-abi.PortCOM1)
	case a.Port-abi.PortCOM2 < uartPorts:
		return m.uart(1, a, a.Port-abi.PortCOM2)
	}
	m.stats.add(exitOther)
	verb := "IN from"
	if a.Out {
		verb = "OUT to"
	}
	return fmt.Errorf("%s port %#x, where nothing is", verb, a.Port)
}

// giveWay lets others have the physical CPU (sched_yield(2)): a vCPU of this machine
// that waits for one, if there is justice. It is not a raw call: it may take as long
// as theirs.
func giveWay() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// park lets the vCPU sleep until its deadline or an event.
func (c *vcpu) park() {
	m := c.machine
	if due := c.sleeper.Due.Load(); due > m.now()+uint64(clock.Check) && m.parkedBut(c) {
		m.clock.Rest()
	}
	c.sleeper.Park()
}

// kickVCPU ends a vCPU's park; a number that does not exist is ignored.
func (m *Machine) kickVCPU(n uint32) {
	if uint64(n) >= uint64(len(m.cpus)) {
		return
	}
	if c := m.cpus[n].Load(); c != nil {
		c.sleeper.Raise(abi.EventKick)
	}
}

// uart is a serial port that never receives. What it sends goes into a buffer; while
// that is full it says so, and loses what is sent all the same, as real ones do.
func (m *Machine) uart(stream int, a kvm.IO, reg uint16) error {
	m.stats.add(exitSerial)
	u := m.printing[stream].uart
	switch {
	case a.Out && reg == uartData:
		u.put(a.Data)
	case !a.Out && reg == uartLSR && u.room():
		for i := range a.Data {
			a.Data[i] = uartLSREmpty
		}
	}
	return nil
}
