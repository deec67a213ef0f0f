package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Machine is a machine that runs.
type Machine struct{ ID, Name, Socket string }

// List returns the machines that run, by name. What is left of those that were
// killed is removed.
func List(dir string) ([]Machine, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of machines: %w", err)
	}
	byID := map[string]*Machine{}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || !isID(id) {
			continue
		}
		socket := filepath.Join(dir, e.Name())
		if !live(socket) && removeDead(dir, socket) {
			continue
		}
		byID[id] = &Machine{ID: id, Socket: socket}
	}
	for _, e := range entries {
		link := filepath.Join(dir, e.Name())
		target, err := os.Readlink(link)
		if err != nil {
			continue
		}
		if m := byID[strings.TrimSuffix(target, suffix)]; m != nil {
			m.Name = e.Name()
		} else if _, err := os.Lstat(filepath.Join(dir, target)); err != nil {
			os.Remove(link)
		}
	}
	list := make([]Machine, 0, len(byID))
	for _, m := range byID {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b Machine) int { return strings.Compare(a.Name+" "+a.ID, b.Name+" "+b.ID) })
	return list, nil
}

// removeDead removes a socket on which nobody listens, and reports whether that was so
// when no other was being made.
func removeDead(dir, socket string) bool {
	unlock, err := lock(dir)
	if err != nil {
		return true // it stays for another time
	}
	defer unlock()
	if live(socket) {
		return false
	}
	os.Remove(socket)
	return true
}

// Find returns the machine with a name, an ID, or the only one whose ID begins so.
func Find(dir, what string) (Machine, error) {
	list, err := List(dir)
	if err != nil {
		return Machine{}, err
	}
	return Choose(list, what)
}

// Choose is Find among the machines given.
func Choose(list []Machine, what string) (Machine, error) {
	var some []Machine
	for _, m := range list {
		if m.Name == what || m.ID == what {
			return m, nil
		}
		if what != "" && strings.HasPrefix(m.ID, what) {
			some = append(some, m)
		}
	}
	switch len(some) {
	case 0:
		return Machine{}, fmt.Errorf("no machine %q: doze ps lists those that run", what)
	case 1:
		return some[0], nil
	}
	ids := make([]string, len(some))
	for i, m := range some {
		ids[i] = m.ID
	}
	return Machine{}, fmt.Errorf("several machines begin with %q: %s", what, strings.Join(ids, ", "))
}
