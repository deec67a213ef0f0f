// Steal keeps a number of goroutines busy and says where the time went, by all the
// ways a program can ask: package pv, the kernel's clocks, getrusage, /proc, and
// github.com/shirou/gopsutil, which many monitoring programs use. One JSON line
// each period.
//
//	steal [-busy N] [-for DURATION] [-every DURATION]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/doze-vm/doze/pv"
)

// reading is what all of them say, in seconds since the first reading.
type reading struct {
	Passed   float64 `json:"passed"`
	Run      float64 `json:"run"`
	Idle     float64 `json:"idle"`
	Steal    float64 `json:"steal"`
	CPUs     int     `json:"cpus"`
	Rusage   float64 `json:"rusage"`
	Clock    float64 `json:"process_clock"`
	PSUser   float64 `json:"gopsutil_user"`
	PSIdle   float64 `json:"gopsutil_idle"`
	PSSteal  float64 `json:"gopsutil_steal"`
	PSSelf   float64 `json:"gopsutil_process"`
	Offered  bool    `json:"offered"`
	Progress uint64  `json:"progress"`
}

var progress atomic.Uint64

func main() {
	busy := flag.Int("busy", 1, "goroutines that never wait")
	total := flag.Duration("for", 10*time.Second, "how long")
	every := flag.Duration("every", 0, "how often to say something; 0: at the end alone")
	flag.Parse()
	if err := run(*busy, *total, *every); err != nil {
		fmt.Fprintln(os.Stderr, "steal:", err)
		os.Exit(1)
	}
}

func run(busy int, total, every time.Duration) error {
	for range busy {
		go work()
	}
	first, err := read()
	if err != nil {
		return err
	}
	start := time.Now()
	if every <= 0 {
		every = total
	}
	for time.Since(start) < total {
		time.Sleep(min(every, total-time.Since(start)))
		r, err := read()
		if err != nil {
			return err
		}
		line, err := json.Marshal(r.since(first))
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return nil
}

// work computes for ever, and never calls anything.
func work() {
	x := uint64(88172645463325252)
	for {
		for range 1 << 20 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		progress.Add(x&1 | 1)
	}
}

func read() (r reading, err error) {
	steal, err := pv.Steal()
	if err != nil {
		return r, err
	}
	r.Passed = float64(monotonic()) / 1e9
	r.Offered, r.CPUs = steal.Offered, len(steal.CPUs)
	for _, t := range steal.CPUs {
		r.Run, r.Idle, r.Steal = r.Run+t.Run.Seconds(), r.Idle+t.Idle.Seconds(), r.Steal+t.Steal.Seconds()
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return r, err
	}
	r.Rusage = float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	if r.Clock, err = processClock(); err != nil {
		return r, err
	}
	times, err := cpu.Times(false)
	if err != nil {
		return r, err
	}
	r.PSUser, r.PSIdle, r.PSSteal = times[0].User+times[0].System, times[0].Idle, times[0].Steal
	self, err := process.NewProcess(int32(os.Getpid()))
	if err != nil {
		return r, err
	}
	own, err := self.Times()
	if err != nil {
		return r, err
	}
	r.PSSelf, r.Progress = own.User+own.System, progress.Load()
	return r, nil
}

var epoch = time.Now()

func monotonic() time.Duration { return time.Since(epoch) }

// processClock reads CLOCK_PROCESS_CPUTIME_ID, in seconds.
func processClock() (float64, error) {
	const processCPU = 2
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processCPU, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0, errno
	}
	return float64(ts.Nano()) / 1e9, nil
}

func (r reading) since(f reading) reading {
	r.Passed -= f.Passed
	r.Run -= f.Run
	r.Idle -= f.Idle
	r.Steal -= f.Steal
	r.Rusage -= f.Rusage
	r.Clock -= f.Clock
	r.PSUser -= f.PSUser
	r.PSIdle -= f.PSIdle
	r.PSSteal -= f.PSSteal
	r.PSSelf -= f.PSSelf
	return r
}
