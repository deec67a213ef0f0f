package pvclock

// Crowd judges, by what was stolen of late, whether the host has a physical CPU for
// one vCPU more than work already. The zero value is a machine that has not run.
type Crowd struct {
	since       int64 // when the span that is looked at began, ns
	ran, stolen int64 // in it, ns of all vCPUs together
	until       int64 // till then it is crowded
}

const (
	crowdSpan  = 20_000_000  // ns: some slices of the host's scheduler
	crowdLasts = 200_000_000 // ns that what was seen in a span holds
)

// Count takes note of a vCPU's time that threads wanted, ns: what they had, and
// what was stolen. A third of it stolen, and an eighth of one CPU, is crowded: less is
// what neighbours take now and then.
//
//go:nosplit
func (c *Crowd) Count(now, ran, stolen int64) {
	c.ran += ran
	c.stolen += stolen
	span := now - c.since
	if span < crowdSpan {
		return
	}
	if c.stolen >= c.ran/2 && c.stolen >= span/8 {
		c.until = now + crowdLasts
	}
	c.since, c.ran, c.stolen = now, 0, 0
}

// Is reports whether it is crowded.
//
//go:nosplit
func (c *Crowd) Is(now int64) bool { return now < c.until }
