// Package fault lets a test make the host refuse a step, so that every way in which
// making a machine can fail is gone.
//
// It must never do anything unless a test asked, and it has no part in what runs
// while a machine does: KVM_RUN and sleeps have no such point.
package fault

import "sync/atomic"

var asked atomic.Pointer[func(step string) error]

// At is called before a step that the host may refuse: with the error that the step
// should have, or nil for the step itself.
func At(step string) error {
	if f := asked.Load(); f != nil {
		return (*f)(step)
	}
	return nil
}

// Asked says whether a test asked.
func Asked() bool { return asked.Load() != nil }

// Ask makes f decide at each step until the function returned is called. For tests.
func Ask(f func(step string) error) (stop func()) {
	asked.Store(&f)
	return func() { asked.Store(nil) }
}
