package pv

import "sync"

// observers are those whom OnCPUChange was told of.
var observers struct {
	sync.Mutex
	list    map[*func(from, to int) bool]struct{}
	waiting bool // a goroutine waits for changes
}

// OnCPUChange has f called before the number of vCPUs changes, with the number
// now and the one wanted. If f returns false the change does not take place, and
// whoever asked for it is told. f has about a second; what takes longer is taken
// for yes. Several may observe: one no is enough. The function returned ends it.
//
// It costs a goroutine that waits in the kernel, from the first call on.
func OnCPUChange(f func(from, to int) (allow bool)) (stop func(), err error) {
	if _, err := ask(opWatch, nil); err != nil { // from here on no change is missed
		return func() {}, err
	}
	o := &observers
	o.Lock()
	defer o.Unlock()
	if o.list == nil {
		o.list = map[*func(from, to int) bool]struct{}{}
	}
	key := &f
	o.list[key] = struct{}{}
	if !o.waiting {
		o.waiting = true
		go waitForChanges()
	}
	return func() {
		o.Lock()
		defer o.Unlock()
		delete(o.list, key)
	}, nil
}

// waitForChanges answers each change until the kernel has no more.
func waitForChanges() {
	for {
		var change [2]uint64
		if _, err := ask(opChange, change[:]); err != nil {
			observers.Lock()
			observers.waiting = false
			observers.Unlock()
			return
		}
		answer := [1]uint64{1}
		if !allow(int(change[0]), int(change[1])) {
			answer[0] = 0
		}
		_, _ = ask(opAnswer, answer[:]) // too late is as good as yes
	}
}

func allow(from, to int) bool {
	o := &observers
	o.Lock()
	list := make([]func(from, to int) bool, 0, len(o.list))
	for f := range o.list {
		list = append(list, *f)
	}
	o.Unlock()
	yes := true
	for _, f := range list {
		yes = f(from, to) && yes
	}
	return yes
}
