package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doze-vm/doze/hostvmm/api"
)

// topRow is one machine's line.
type topRow struct {
	id, name, state  string
	online, most     int
	cpu, steal       float64 // % of one physical CPU
	resident, actual uint64
	exits, wakeups   float64 // a second
}

// watcher compares what machines have used with what they had when it looked last.
type watcher struct{ last map[string]api.Stats }

// look returns a row for each machine. One that was not there before has no rates
// yet.
func (w *watcher) look(ctx context.Context) ([]topRow, error) {
	list, err := machines(nil)
	if err != nil {
		return nil, err
	}
	all, err := collectStats(ctx, list)
	mute := silent(err)
	now := make(map[string]api.Stats, len(all))
	rows := make([]topRow, 0, len(all))
	for _, s := range all {
		now[s.ID] = s.Stats
		r := topRow{id: s.ID, name: s.Name, state: s.State, online: s.CPUs.Online, most: s.CPUs.Max, resident: s.Memory.Resident, actual: s.Memory.Actual}
		if before, ok := w.last[s.ID]; ok {
			r.rates(before, s.Stats)
		}
		rows = append(rows, r)
	}
	for _, m := range list {
		if mute[m.ID] {
			rows = append(rows, topRow{id: m.ID, name: m.Name, state: stateSilent})
		}
	}
	w.last = now
	return rows, nil
}

// rates are what was used between two looks.
func (r *topRow) rates(before, now api.Stats) {
	d := now.Time.Sub(before.Time).Seconds()
	if d <= 0 {
		return
	}
	run0, steal0, _ := cpuTimes(before)
	run1, steal1, _ := cpuTimes(now)
	share := func(a, b time.Duration) float64 { return max((b-a).Seconds()/d*100, 0) }
	r.cpu, r.steal = share(run0, run1), share(steal0, steal1)
	r.exits = float64(exits(now)-exits(before)) / d
	r.wakeups = float64(wakeups(now)-wakeups(before)) / d
}

// Columns to sort by.
const (
	sortName    = "name"
	sortCPU     = "cpu"
	sortSteal   = "steal"
	sortMemory  = "memory"
	sortExits   = "exits"
	sortWakeups = "wake-ups"
)

// sorts are the orders, each with the key that chooses it.
var sorts = map[string]struct {
	key  byte
	less func(a, b topRow) int
}{
	sortName:    {'n', func(a, b topRow) int { return strings.Compare(a.name, b.name) }},
	sortCPU:     {'c', func(a, b topRow) int { return cmp.Compare(b.cpu, a.cpu) }},
	sortSteal:   {'s', func(a, b topRow) int { return cmp.Compare(b.steal, a.steal) }},
	sortMemory:  {'m', func(a, b topRow) int { return cmp.Compare(b.resident, a.resident) }},
	sortExits:   {'e', func(a, b topRow) int { return cmp.Compare(b.exits, a.exits) }},
	sortWakeups: {'w', func(a, b topRow) int { return cmp.Compare(b.wakeups, a.wakeups) }},
}

func sortNames() []string { return slices.Sorted(maps.Keys(sorts)) }

// sortRows sorts by a column; rows that are equal in it by name.
func sortRows(rows []topRow, by string, reverse bool) {
	slices.SortFunc(rows, func(a, b topRow) int {
		c := sorts[by].less(a, b)
		if reverse {
			c = -c
		}
		return cmp.Or(c, strings.Compare(a.name, b.name), strings.Compare(a.id, b.id))
	})
}

// topFormat makes lines of at most 80 columns, whatever the figures are.
const topFormat = "%-12.12s %-18.18s %-7.7s %5s %6s %6s %6s %6s %6s"

// topLines are the head and a line for each row.
func topLines(rows []topRow) []string {
	lines := []string{fmt.Sprintf(topFormat, "ID", "NAME", "STATE", "CPUS", "CPU%", "STEAL%", "HELD", "MEMORY", "WAKE/S")}
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf(topFormat, r.id, r.name, r.state, fmt.Sprintf("%d/%d", r.online, r.most),
			rateText(r.cpu), rateText(r.steal), bytesText(r.resident), bytesText(r.actual), rateText(r.wakeups)))
	}
	return lines
}

// rateText shows a number in at most six characters.
func rateText(v float64) string {
	const k, m = 1e3, 1e6
	switch {
	case v < 1e4-0.5:
		return fmt.Sprintf("%.1f", v)
	case v < 999.5*k:
		return fmt.Sprintf("%.0fk", v/k)
	}
	return fmt.Sprintf("%.0fM", v/m)
}
