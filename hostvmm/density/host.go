package density

import "time"

// hostMemory are figures of /proc/meminfo, in KiB.
type hostMemory struct {
	available int64
	parts     map[string]int64
}

// kernelParts are lines of /proc/meminfo that count what the kernel uses for
// itself; a kernel that lacks one does not count it.
var kernelParts = []string{"SUnreclaim", "PageTables", "SecPageTables", "KernelStack", "Percpu"}

// readings are taken to even out what other processes do meanwhile.
const (
	readings    = 5
	readingRest = 100 * time.Millisecond
)

// readHost reads the host's memory: the highest availability of some readings,
// since what is short-lived only lowers it.
func readHost() (hostMemory, error) {
	m := hostMemory{parts: make(map[string]int64)}
	for i := range readings {
		if i > 0 {
			time.Sleep(readingRest)
		}
		v, err := kib("/proc/meminfo", "MemAvailable:")
		if err != nil {
			return m, err
		}
		m.available = max(m.available, v)
	}
	for _, name := range kernelParts {
		if v, err := kib("/proc/meminfo", name+":"); err == nil {
			m.parts[name] = v
		}
	}
	return m, nil
}
