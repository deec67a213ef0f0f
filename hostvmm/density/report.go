package density

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what was measured. Times are in seconds.
type Report struct {
	Image     string `json:"image"`
	Instances int    `json:"instances"`
	MemoryMiB uint64 `json:"memory_mib"`
	Processes int    `json:"processes"`

	Started    int      `json:"started"`               // machines that were there to measure
	NotStarted []string `json:"not_started,omitempty"` // why a process has fewer than it should
	Lost       []string `json:"lost,omitempty"`        // processes that ended or failed, with their machines

	StartTime        float64 `json:"start_s"`
	FirstSleepMedian float64 `json:"first_sleep_median_s"` // from making a machine
	FirstSleepMax    float64 `json:"first_sleep_max_s"`

	HoldTime       float64  `json:"hold_s"`
	Alive          int      `json:"alive"`    // at the end of the hold
	Asleep         int      `json:"asleep"`   // of those
	Answered       int      `json:"answered"` // left their sleep on a kick, took it, slept again
	CPU            float64  `json:"cpu_s"`    // of all processes during the hold
	CPUPercent     float64  `json:"cpu_percent_of_core"`
	Wakeups        uint64   `json:"wakeups"`
	WakeupsMax     uint64   `json:"wakeups_max"` // of one instance
	Exits          uint64   `json:"exits"`
	ExitsMax       uint64   `json:"exits_max"`
	EndedEarly     []string `json:"ended_early,omitempty"`
	LeftBehind     int      `json:"left_behind"` // descriptors and mappings
	HostKiB        int64    `json:"host_kib"`    // fall of MemAvailable
	PerInstanceKiB float64  `json:"host_kib_per_instance"`
	Parts          []Part   `json:"parts"`
}

// Part is a part of the host's memory that the instances took.
type Part struct {
	Name           string  `json:"name"`
	KiB            int64   `json:"kib"`
	PerInstanceKiB float64 `json:"kib_per_instance"`
}

// hold takes in two samples around the hold.
func (r *Report) hold(took time.Duration, first, last Sample) {
	r.HoldTime = seconds(took)
	r.Alive, r.Asleep, r.EndedEarly = last.Running, last.Asleep, last.Ends
	r.CPU = seconds(last.CPU - first.CPU)
	r.CPUPercent = 100 * r.CPU / r.HoldTime
	r.Wakeups, r.WakeupsMax = difference(first.Wakeups, last.Wakeups)
	r.Exits, r.ExitsMax = difference(first.Exits, last.Exits)
}

// difference is the growth of all and of the one that grew most.
func difference(first, last []uint64) (total, most uint64) {
	for i := range min(len(first), len(last)) {
		d := last[i] - first[i]
		total, most = total+d, max(most, d)
	}
	return total, most
}

// memory takes in the host's figures around the start.
func (r *Report) memory(before, after hostMemory, s Sample) {
	r.HostKiB = before.available - after.available
	r.PerInstanceKiB = r.per(r.HostKiB)
	known := int64(0)
	add := func(name string, kib int64) {
		r.Parts = append(r.Parts, Part{name, kib, r.per(kib)})
		known += kib
	}
	for _, owner := range slices.Sorted(maps.Keys(s.GuestKiB)) {
		add("guest: "+owner, s.GuestKiB[owner])
	}
	add("guest: "+ownerProgram+" (shared in a process)", s.SharedKiB)
	add("VMM processes", s.OwnKiB)
	for _, name := range kernelParts {
		add("kernel: "+name, after.parts[name]-before.parts[name])
	}
	r.Parts = append(r.Parts, Part{"the rest (estimate: KVM's own, other processes)", r.HostKiB - known, r.per(r.HostKiB - known)})
}

func (r *Report) per(kib int64) float64 { return float64(kib) / float64(max(r.Started, 1)) }

// Failed says whether an instance was lost.
func (r *Report) Failed() error {
	switch {
	case len(r.Lost) > 0:
		return fmt.Errorf("processes were lost, and the machines in them: %s", strings.Join(r.Lost, "; "))
	case r.Started < r.Instances:
		return fmt.Errorf("%d of %d machines could not be started: %s", r.Instances-r.Started, r.Instances, strings.Join(r.NotStarted, "; "))
	case len(r.EndedEarly) > 0:
		return fmt.Errorf("%d of %d machines ended early, one with: %s", len(r.EndedEarly), r.Instances, r.EndedEarly[0])
	case r.Answered < r.Instances:
		return fmt.Errorf("%d of %d machines did not answer", r.Instances-r.Answered, r.Instances)
	case r.LeftBehind > 0:
		return fmt.Errorf("%d descriptors and mappings were left behind", r.LeftBehind)
	}
	return nil
}

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Table writes the report for people.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("image", "%s, %d instances of %d MiB in %d process(es)", r.Image, r.Instances, r.MemoryMiB, r.Processes)
	for _, why := range r.NotStarted {
		row("not started", "%s", why)
	}
	for _, why := range r.Lost {
		row("lost", "%s", why)
	}
	row("start", "%.2f s for all; each asleep after %.1f ms (median), %.1f ms (longest)", r.StartTime, 1e3*r.FirstSleepMedian, 1e3*r.FirstSleepMax)
	row("alive", "%d of %d started after %.0f s, %d asleep; %d answered a kick and slept again", r.Alive, r.Started, r.HoldTime, r.Asleep, r.Answered)
	row("host CPU", "%.3f s in %.0f s: %.4f %% of a core", r.CPU, r.HoldTime, r.CPUPercent)
	row("wake-ups", "%d in all, %d at most of one instance", r.Wakeups, r.WakeupsMax)
	row("exits to the VMM", "%d in all, %d at most of one instance", r.Exits, r.ExitsMax)
	row("left behind", "%d descriptors and mappings", r.LeftBehind)
	row("host memory", "%.2f MiB an instance (fall of MemAvailable: %d MiB)", r.PerInstanceKiB/1024, r.HostKiB>>10)
	for _, p := range r.Parts {
		row("  "+p.Name, "%.1f KiB", p.PerInstanceKiB)
	}
	return t.Flush()
}
