package park

import "sync/atomic"

// LateBounds are the upper bounds of the classes of Late, in ns; the last class, which
// has none, holds the rest.
var LateBounds = [lateClasses - 1]uint64{
	10e3, 20e3, 50e3, 100e3, 200e3, 500e3, 1e6, 2e6, 5e6, 10e6, 20e6, 50e6, 100e6, 1e9,
}

const lateClasses = 15

// Late is how long after their deadlines sleeps ended, before the guest was entered.
type Late struct {
	Classes [lateClasses]uint64 // how many, by LateBounds
	Sum     uint64              // ns
}

func (l *Late) add(o Late) {
	for i, n := range o.Classes {
		l.Classes[i] += n
	}
	l.Sum += o.Sum
}

// lateness is a Late that one goroutine writes and any reads.
type lateness struct {
	classes [lateClasses]atomic.Uint64
	sum     atomic.Uint64
}

func (l *lateness) add(ns uint64) {
	i := 0
	for i < len(LateBounds) && ns > LateBounds[i] {
		i++
	}
	l.classes[i].Add(1)
	l.sum.Add(ns)
}

func (l *lateness) load() (v Late) {
	for i := range l.classes {
		v.Classes[i] = l.classes[i].Load()
	}
	v.Sum = l.sum.Load()
	return v
}
