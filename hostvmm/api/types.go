package api

import (
	"time"

	"github.com/doze-vm/doze/hostvmm/vm"
)

// States of a machine.
const (
	StateRunning = "running"
	StatePaused  = "paused"
	StateEnded   = "ended" // all but its process
)

// Status is what a machine is and has.
type Status struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Program string    `json:"program"` // what runs in it: the name of the program or image
	Image   string    `json:"image"`   // path
	PID     int       `json:"pid"`     // of the VMM
	Started time.Time `json:"started"`
	State   string    `json:"state"`
	Idle    string    `json:"idle"` // park or hlt
	Version string    `json:"version"`
	CPUs    vm.CPUs   `json:"cpus"`
	Memory  vm.Memory `json:"memory"`
}

// Stats are the figures of a machine at one time. All but those of Memory, and the
// numbers of vCPUs, only grow.
type Stats struct {
	Time   time.Time         `json:"time"`
	State  string            `json:"state"`
	CPUs   vm.CPUs           `json:"cpus"`
	Memory vm.Memory         `json:"memory"`
	Exits  map[string]uint64 `json:"exits"` // to the VMM, by reason
	Sleeps Sleeps            `json:"sleeps"`
	Queues []Queue           `json:"queues"`
}

// Sleeps are those of all vCPUs.
type Sleeps struct {
	Begun      uint64 `json:"begun"`
	ByEvent    uint64 `json:"by_event"`    // that an event ended
	ByDeadline uint64 `json:"by_deadline"` // that their deadline ended
	LateNS     uint64 `json:"late_ns"`     // how late those were, together
}

// Queue is what a virtqueue has seen.
type Queue struct {
	Device   string `json:"device"`
	Queue    string `json:"queue"`
	Notifies uint64 `json:"notifies"`
	Requests uint64 `json:"requests"`
	Bytes    uint64 `json:"bytes"`
}

// Balloon is a request for another amount of memory.
type Balloon struct {
	TargetBytes *uint64 `json:"target_bytes"`
}

// CPUs is a request for another number of vCPUs.
type CPUs struct {
	Count *int `json:"count"`
}

// Stop is a request to end the program, and the machine if it does not.
type Stop struct {
	Signal  string   `json:"signal,omitempty"`          // TERM if empty
	Timeout *float64 `json:"timeout_seconds,omitempty"` // until the machine is killed, 10 if absent
}

// Stopped is how a machine that was asked to stop ended.
type Stopped struct {
	Killed bool `json:"killed"` // the program did not end in time
}

// Error is what all errors are answered with.
type Error struct {
	Text   string `json:"error"`
	Field  string `json:"field,omitempty"` // of the request, if one is to blame
	Status int    `json:"-"`               // of HTTP
}

func (e *Error) Error() string { return e.Text }
