package vm

// Memory is how much memory a machine has, in bytes.
type Memory struct {
	Boot     uint64 `json:"boot"`     // what it booted with
	Max      uint64 `json:"max"`      // what it can have at most
	Target   uint64 `json:"target"`   // what it should have now
	Actual   uint64 `json:"actual"`   // what it has: the rest is in the balloon or not there yet
	Resident uint64 `json:"resident"` // what the host holds for it
	// Guest are the balloon's statistics as the guest last gave them, bytes or
	// counts by name; empty before.
	Guest map[string]uint64 `json:"guest,omitempty"`
}

// CPUs are the vCPUs of a machine.
type CPUs struct {
	Online int   `json:"online"` // that run threads
	Target int   `json:"target"` // that should
	Max    int   `json:"max"`    // that can
	Each   []CPU `json:"each"`   // those that were ever started
}

// States of a vCPU.
const (
	CPURunning = "running"
	CPUParked  = "parked"
	CPUPaused  = "paused"
	CPUOffline = "offline"
)

// CPU is one vCPU. Its times are nanoseconds since it was made; they add up to
// its age but for the VMM's own work.
type CPU struct {
	Number int    `json:"number"`
	State  string `json:"state"`
	Run    uint64 `json:"run_ns"`    // in KVM_RUN, with a physical CPU
	Steal  uint64 `json:"steal_ns"`  // ready to run, without one
	Parked uint64 `json:"parked_ns"` // asleep
}
