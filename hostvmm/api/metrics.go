package api

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/doze-vm/doze/hostvmm/park"
)

// Metrics of a machine. They are read when somebody scrapes, and at no other time.
var (
	descInfo     = desc("info", "What the machine is; the value is 1.", "id", "name", "image", "version", "idle")
	descStart    = desc("start_time_seconds", "When the machine was started, Unix time.")
	descState    = desc("state", "1 for the state that the machine is in.", "state")
	descExits    = desc("exits_total", "Exits from the guest to the VMM.", "reason")
	descVCPU     = desc("vcpu_seconds_total", "Where a vCPU's time went: run, steal (ready, without a physical CPU) or halt (asleep).", "vcpu", "mode")
	descVCPUs    = desc("vcpus", "Number of vCPUs: online, target, max.", "kind")
	descMemory   = desc("memory_bytes", "Memory: boot, max, target, actual (what the guest has), resident (what the host holds).", "kind")
	descGuest    = desc("guest_memory_bytes", "Memory as the guest counts it.", "kind")
	descFaults   = desc("guest_faults_total", "Page faults as the guest counts them.", "kind")
	descSleeps   = desc("sleeps_total", "Sleeps of vCPUs that ended, by what ended them.", "cause")
	descLate     = desc("timer_lateness_seconds", "How long after their deadlines sleeps ended.")
	descNotifies = desc("queue_notifications_total", "Doorbells of a virtqueue.", "device", "queue")
	descRequests = desc("queue_requests_total", "Requests of a virtqueue that were served.", "device", "queue")
	descBytes    = desc("queue_bytes_total", "Bytes in the buffers of those requests.", "device", "queue")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("doze_"+name, help, labels, nil)
}

// metrics serves them as text.
func (s *Server) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{s})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

type collector struct{ s *Server }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descInfo, descStart, descState, descExits, descVCPU, descVCPUs, descMemory, descGuest, descFaults, descSleeps, descLate,
		descNotifies, descRequests, descBytes,
	} {
		ch <- d
	}
}

// emit sends metrics of a collector.
type emit chan<- prometheus.Metric

func (e emit) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e emit) counter(d *prometheus.Desc, v float64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	e, o := emit(ch), &c.s.options
	e.gauge(descInfo, 1, o.ID, o.Name, o.Image, o.Version, o.Idle)
	e.gauge(descStart, float64(o.Started.UnixNano())/nano)
	for _, state := range []string{StateRunning, StatePaused, StateEnded} {
		e.gauge(descState, one(state == c.s.state()), state)
	}
	c.cpus(e)
	c.memory(e)
	c.events(e)
}

const nano = 1e9

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (c collector) cpus(e emit) {
	cpus := c.s.machine.CPUStatus()
	e.gauge(descVCPUs, float64(cpus.Online), "online")
	e.gauge(descVCPUs, float64(cpus.Target), "target")
	e.gauge(descVCPUs, float64(cpus.Max), "max")
	for _, v := range cpus.Each {
		number := strconv.Itoa(v.Number)
		e.counter(descVCPU, float64(v.Run)/nano, number, "run")
		e.counter(descVCPU, float64(v.Steal)/nano, number, "steal")
		e.counter(descVCPU, float64(v.Parked)/nano, number, "halt")
	}
}

// guestBytes are those of the balloon's statistics that are bytes, guestFaults those
// that are counts of faults, by the names of hostvmm/device.
var (
	guestBytes  = []string{"free", "total", "available", "caches"}
	guestFaults = map[string]string{"major_faults": "major", "minor_faults": "minor"}
)

func (c collector) memory(e emit) {
	m := c.s.machine.MemoryStatus()
	for kind, v := range map[string]uint64{"boot": m.Boot, "max": m.Max, "target": m.Target, "actual": m.Actual, "resident": m.Resident} {
		e.gauge(descMemory, float64(v), kind)
	}
	for _, kind := range guestBytes {
		if v, ok := m.Guest[kind]; ok {
			e.gauge(descGuest, float64(v), kind)
		}
	}
	for name, kind := range guestFaults {
		if v, ok := m.Guest[name]; ok {
			e.counter(descFaults, float64(v), kind)
		}
	}
}

func (c collector) events(e emit) {
	s := c.s.machine.Stats()
	for reason, n := range s.Exits {
		e.counter(descExits, float64(n), reason)
	}
	e.counter(descSleeps, float64(s.Park.Events), "event")
	e.counter(descSleeps, float64(s.Park.Deadlines), "deadline")
	for _, q := range s.Queues {
		e.counter(descNotifies, float64(q.Notifies), q.Device, q.Name)
		e.counter(descRequests, float64(q.Requests), q.Device, q.Name)
		e.counter(descBytes, float64(q.Bytes), q.Device, q.Name)
	}
	buckets, count := map[float64]uint64{}, uint64(0)
	for i, n := range s.Park.Late.Classes {
		count += n
		if i < len(park.LateBounds) {
			buckets[float64(park.LateBounds[i])/nano] = count
		}
	}
	e <- prometheus.MustNewConstHistogram(descLate, count, float64(s.Park.Late.Sum)/nano, buckets)
}
