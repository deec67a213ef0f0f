package park

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doze-vm/doze/hostvmm/fault"
)

// timer is what a parked goroutine waits for: a timerfd, so that the deadline is a
// high-resolution one and waking means making it expire. CLOCK_BOOTTIME goes on
// while the host is suspended.
type timer struct {
	fd   int
	file *os.File // in the runtime's poller, which holds no thread; or nil
}

func newTimer(wait Wait) (*timer, error) {
	flags := unix.TFD_CLOEXEC
	if wait == InPoller {
		flags |= unix.TFD_NONBLOCK
	}
	fd, err := -1, fault.At("timerfd_create")
	if err == nil {
		fd, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	t := &timer{fd: fd}
	if wait == InPoller {
		t.file = os.NewFile(uintptr(fd), "timerfd")
	}
	return t, nil
}

func (t *timer) close() error {
	if t.file != nil {
		return t.file.Close()
	}
	return unix.Close(t.fd)
}

// Host clocks drift against kvmclock, which runs at the raw rate: by at most 500
// ppm (the limit of adjtimex). A long sleep is cut short by a bit more than that
// and looks at the clock again; for a short one the error does not matter.
const (
	longSleep = 10 * time.Second
	driftPart = 1024
)

// arm makes the timer expire at due, now being the time on the same clock. It
// forgets an earlier expiry.
func (t *timer) arm(due, now uint64) {
	if due == math.MaxUint64 {
		t.set(0)
		return
	}
	d := time.Duration(min(due-now, math.MaxInt64))
	if d > longSleep {
		d -= d / driftPart
	}
	t.set(max(d, 1))
}

// fire makes the timer expire at once.
func (t *timer) fire() { t.set(1) }

// set arms the timer, relative to now; 0 disarms it.
func (t *timer) set(d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if err := unix.TimerfdSettime(t.fd, 0, &spec, nil); err != nil {
		// The descriptor is ours and the time is positive: there is no way to go
		// on with a timer that does not work.
		panic(fmt.Sprintf("timerfd_settime %v: %v", d, err))
	}
}

// wait returns when the timer has expired.
func (t *timer) wait() {
	var count [8]byte
	var err error
	if t.file != nil {
		_, err = t.file.Read(count[:])
	} else {
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			_, err = unix.Read(t.fd, count[:])
		}
	}
	if err != nil {
		panic(fmt.Sprintf("read timerfd: %v", err)) // as in set
	}
}
