package hostvmm

import "github.com/doze-vm/doze/hostvmm/vm"

// CPUStatus says what the vCPUs do and where their time went. Any goroutine may
// call it while the machine is not closed.
func (m *Machine) CPUStatus() vm.CPUs {
	s := vm.CPUs{Max: len(m.cpus), Target: len(m.cpus)}
	for i := range m.cpus {
		c := m.cpus[i].Load()
		if c == nil {
			continue
		}
		s.Online++
		one := c.times()
		one.Number, one.State = i, vm.CPURunning
		switch {
		case m.Paused():
			one.State = vm.CPUPaused
		case c.sleeper.Parked():
			one.State = vm.CPUParked
		}
		s.Each = append(s.Each, one)
	}
	return s
}
